"""The comparing pages: nothing that is sent tells base from tuned, and decisions are kept by the models' names."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, persona, rubric_fields, transcript
from tests.reviewing.conftest import HOST, answer_of
from tests.test_pairing import write_sides
from tunewright.config import load_domain, read_yaml
from tunewright.pairing import TalkPair
from tunewright.records import Exchange, write_jsonl
from tunewright.reviewing.app import create_app
from tunewright.reviewing.settings import Settings

RULES = read_yaml(ROOT / "params.yaml")["evaluate"]["sanity"] | {
    "pairs": 2, "confidence": 0.95, "judges_tie": 0.02, "permutation_samples": 100, "exact_permutation_max": 15,
    "seed": 1,
}  # fmt: skip


@cache
def shipped_domain():
    return read_yaml(ROOT / "params.yaml")["domain"]


def said(id, reply, **rest):
    return transcript(id, assistant=reply, persona_id=f"p-{id}", domain="cats", user_kind="replay", **rest)


class Client:
    """One reader's running app, asked as a browser would."""

    def __init__(self, reviewer):
        self.app = create_app(Settings(Path(), load_domain(), reviewer, "t", frozenset({HOST}), compare=True))

    def get(self, path):
        return self.ask("GET", path)

    def post(self, path, sent):
        return self.ask("POST", path, json=sent)

    def ask(self, method, path, **rest):
        return answer_of(self.app, method, path, **rest)


class Compared:
    """The working directory with pairs in it, and the app on it."""

    def __init__(self):
        Path("rubric.yaml").write_text(yaml.safe_dump(rubric_fields(), sort_keys=False))
        self.of_domain("cats")
        self.put([said(f"pair-{n}", "I see") for n in range(3)], [said(f"pair-{n}", "Which cat") for n in range(3)])

    def of_domain(self, id):
        own = {"id": id, "reviews": "reviews/cats", "rubric": "rubric.yaml"}
        params = {"domain": shipped_domain() | own, "evaluate": {"sanity": RULES}}
        Path("params.yaml").write_text(yaml.safe_dump(params))

    def put(self, base, tuned):
        write_sides(base, tuned)
        write_jsonl("data/evaluate/personas.jsonl", [persona(t.persona_id) for t in base])
        self.pairs = {b.id: TalkPair(b, t) for b, t in zip(base, tuned, strict=True)}

    def client(self, reviewer="ann"):
        return Client(reviewer)

    def page(self, id="pair-0", client=None):
        return (client or self.client()).get(f"/compare/{id}").text

    def decide(self, client, id, side, question="overall", **rest):
        sent = {"pair": id, "token": self.pairs[id].token, "question": question, "side": side}
        return client.post("/preferences", sent | rest)

    @property
    def lines(self):
        return [json.loads(line) for line in Path("reviews/cats/preferences.jsonl").read_text().splitlines()]


@pytest.fixture
def compared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Compared()


def asked(compared):
    """The ids of the pairs in the list, in its order."""
    return re.findall(r'href="/compare/(pair-\d)"><b>', compared.client().get("/compare").text)


def test_a_page_is_the_same_byte_for_byte_whichever_model_said_what(compared):
    """For ids where the same words are A with the models changed round, no byte may differ, nor any answer."""
    ids, client = [f"pair-{n}" for n in range(12)], compared.client()
    one, other = [said(id, "I see") for id in ids], [said(id, "Which cat") for id in ids]
    compared.put(one, other)
    before = dict(compared.pairs)
    pages = {id: compared.page(id, client) for id in ids}
    answers = {id: compared.decide(client, id, "A").json() for id in ids[:5]}
    Path("reviews/cats/preferences.jsonl").unlink()
    compared.put(other, one)
    alike = [id for id in ids if before[id].base_is_a != compared.pairs[id].base_is_a]
    assert 2 <= len(alike) < 12
    assert [compared.page(id, client) for id in alike] == [pages[id] for id in alike]
    again = {id: compared.decide(client, id, "A").json() for id in ids[:5]}
    assert all(again[id]["answers"] == answers[id]["answers"] for id in ids[:5])


def test_no_word_of_the_pair_names_a_model_or_a_hash_of_a_side(compared):
    page = compared.page().split("<main")[1]
    assert not re.search(r"\b(base|tuned|adapter|assistant)\b", page.replace("which is better", ""), re.IGNORECASE)
    pair = compared.pairs["pair-0"]
    assert not [h for h in pair.hashes if h[:8] in page] and pair.token in page or pair.token in compared.page()
    assert not re.search(r"base|tuned", compared.decide(compared.client(), "pair-0", "A").text)


def test_a_decision_is_kept_by_the_model_s_name_and_shown_as_the_side_again(compared):
    client, pair = compared.client(), compared.pairs["pair-0"]
    state = compared.decide(client, "pair-0", "A", "heart", note=" kinder ").json()
    assert state["answers"] == {"heart": "A", "form": None, "safety": None, "overall": None}
    assert state["notes"]["heart"] == "kinder" and (state["done"], state["asked"]) == (0, 2)
    [line] = compared.lines
    assert line["better"] == ("base" if pair.base_is_a else "tuned")
    assert (line["base_hash"], line["tuned_hash"], line["persona_id"]) == (*pair.hashes, "p-pair-0")
    assert (line["question"], line["reviewer"], line["note"]) == ("heart", "ann", "kinder")
    card = compared.page().split('id="q-heart"')[1].split("</fieldset>")[0]
    assert re.search(r'data-side="A"[^>]*aria-pressed="true"', card) and "kinder" in card


def test_undo_takes_the_last_decision_back_with_a_line_and_the_one_before_holds_again(compared):
    client = compared.client()
    for side in ("A", "B"):
        compared.decide(client, "pair-0", side)
    sent = {"pair": "pair-0", "token": compared.pairs["pair-0"].token}
    state = client.post("/preferences/undo", sent).json()
    assert (state["answers"]["overall"], state["undone"]) == ("A", "overall")
    assert client.post("/preferences/undo", sent).json()["answers"]["overall"] is None
    refused = client.post("/preferences/undo", sent)
    assert refused.status_code == 409 and "nothing of yours" in refused.text
    assert [line["better"] == "undo" for line in compared.lines] == [False, False, True, True]


def test_a_decision_on_words_that_have_changed_is_refused_and_an_earlier_one_is_shown_as_stale(compared):
    client = compared.client()
    old = compared.pairs["pair-0"].token
    compared.decide(client, "pair-0", "tie")
    talks = [said("pair-0", "New words"), said("pair-1", "I see"), said("pair-2", "I see")]
    compared.put(talks, [said(t.id, "Which cat") for t in talks])
    refused = compared.decide(client, "pair-0", "A", token=old)
    assert refused.status_code == 409 and "changed" in refused.text and len(compared.lines) == 1
    page = compared.page("pair-0", client)
    assert "You decided 1 question on earlier words" in page and 'aria-pressed="true"' not in page
    assert compared.decide(client, "pair-0", "A").status_code == 200


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"pair": "../../etc/passwd"}, 404), ({"question": "gone"}, 422), ({"side": "tuned"}, 422),
        ({"better": "tuned"}, 422), ({"note": "x" * 20_001}, 422),
    ],
)  # fmt: skip
def test_what_is_no_decision_on_a_pair_is_refused_and_nothing_is_written(compared, change, status):
    token = compared.pairs["pair-0"].token
    sent = {"pair": "pair-0", "token": token, "question": "overall", "side": "A"} | change
    assert compared.client().post("/preferences", sent).status_code == status
    assert not Path("reviews/cats/preferences.jsonl").exists()


def test_an_address_that_is_no_pair_shows_nothing(compared):
    assert compared.client().get("/compare/pair-9").status_code == 404
    assert compared.client().get("/compare/..%2F..%2Fparams.yaml").status_code in (400, 404)


def test_the_result_is_shown_when_all_pairs_are_decided_and_not_before(compared):
    """Two pairs are asked about; tuned and a tie make a win rate of 75%; bob's base makes it (0.5 + 0.5) / 2."""
    client, (first, second) = compared.client(), asked(compared)
    side = "B" if compared.pairs[first].base_is_a else "A"
    compared.decide(client, first, side)
    page = client.get("/compare").text
    assert "1</b> of 2 pairs" in page and "win rate" not in page and f'href="/compare/{second}">Go on' in page
    compared.decide(client, second, "tie")
    page = client.get("/compare").text
    assert "You preferred the tuned model 1 time, the base 0, neither 1: a win rate of <b>75%</b>" in page
    assert "readers together" not in page and "Go on" not in page
    bob = compared.client("bob")
    compared.decide(bob, first, "A" if side == "B" else "B")
    assert "2 readers together: 50%" in client.get("/compare").text and "win rate" not in bob.get("/compare").text


def test_a_replayed_user_is_shown_once_and_one_who_reacts_on_each_side(compared):
    assert compared.page().count("My cat is ill again 2") == 1 and "User, to both" in compared.page()
    compared.put([said("pair-0", "I see")], [said("pair-0", "Which cat", user="Hm", n=4)])
    page = compared.page()
    assert "User, to A" in page and "User, to B" in page and "to both" not in page
    assert page.count("had ended") == 1  # the shorter side, in exchange 4


def test_words_of_models_and_people_are_never_markup(compared):
    hostile = '<script>alert(1)</script><img src=x onerror="alert(2)">\u202e'
    talk = said("pair-0", "x").model_copy(update={"exchanges": (Exchange(user=hostile, assistant=hostile),)})
    compared.put([talk], [said("pair-0", "I see")])
    compared.decide(compared.client(), "pair-0", "A", note=f"</textarea>{hostile}")
    page = compared.page()
    assert "<script>alert" not in page and "<img" not in page and page.count("&lt;script&gt;alert(1)") >= 4
    assert not re.search(r"<script(?! src=)|\sstyle=|\son\w+=[\"']", page.replace("onerror=&#34;", ""))


def test_without_conversations_the_page_names_the_command_and_other_domains_are_not_mixed_in(compared):
    compared.of_domain("dogs")
    found = compared.client().get("/compare")
    assert found.status_code == 409 and "no two whole conversations of one person in the domain dogs" in found.text
    Path("data/evaluate/transcripts/tuned.jsonl").unlink()
    assert "dvc repro evaluate-simulator" in compared.client().get("/compare").text


def test_what_a_run_changes_beside_the_app_is_read_again(compared):
    client = compared.client()
    assert "I see 1" in compared.page(client=client)
    compared.put([said("pair-0", "Other words than before")], [said("pair-0", "Which cat")])
    assert "Other words than before 1" in compared.page(client=client)


def test_the_app_starts_where_pairs_are_compared(compared):
    assert compared.client().get("/").headers["location"] == "/compare"

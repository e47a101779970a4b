"""Reading conversations: what is shown to whom, what a decision becomes on disk, and what is refused."""

import re
from html import unescape

import pytest
import yaml

from tests.conftest import rubric_fields, transcript
from tests.reviewing.conftest import ANSWERS, TALKS, item, on_disk, score, write_talks
from tunewright.records import Exchange, Transcript, read_jsonl, write_jsonl
from tunewright.review_queue import QUEUE, ReasonKind
from tunewright.reviewing.deciding import compared
from tunewright.reviewing.opinions import asked_criteria
from tunewright.reviewing.pages import HERE

BY_LOT = ["t2", "t3", "t1"]  # as a blind reader sees them


def card(html, criterion):
    """The part of a page that is about one criterion, as a person reads it."""
    [found] = re.findall(rf'<article class="card" id="c-{criterion}".*?</article>', html, re.DOTALL)
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", found).split()))


def rows(html):
    return re.findall(r'<li class="row" data-id="([^"]*)"', html)


def test_the_list_says_who_why_how_it_was_judged_and_how_far_the_reader_is(ann):
    ann.post("/labels", criterion="warm", label="YES")
    ann.post("/labels", label="satisfied")
    html = ann.get("/queue")
    assert rows(html) == ["t1", "t2", "t3"]
    text = unescape(" ".join(re.sub(r"<[^>]+>", " ", html).split()))
    # t3 has two exchanges: `late` needs three, so three criteria of judges are asked there, and four elsewhere
    assert "1 of 3 conversations decided, 1 of 11 answers" in text
    assert "Ada, 40 grief t1, 3 exchanges batch all of it passed 0.70 satisfied 1 of 4" in text


def test_what_a_rule_or_a_measure_answers_is_not_asked_of_readers(ann):
    ann.get("/queue")
    material = ann.app.state.desk.shelf.material()
    asked = {id: [c.id for c in asked_criteria(material.rubric.criteria, r)] for id, r in material.readings.items()}
    assert asked == {id: ["warm", "curious", "late", "safe"] for id in ("t1", "t2")} | {
        "t3": ["warm", "curious", "safe"]
    }


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ({"show": "undecided"}, ["t2", "t3"]), ({"show": "decided"}, ["t1"]), ({"show": "failed"}, ["t2"]),
        ({"show": "open"}, ["t3"]), ({"show": "disagreement"}, ["t2"]), ({"reason": "gate"}, ["t2"]),
        ({"q": "boiler HUMS"}, ["t2"]), ({"q": "bea"}, ["t2"]), ({"q": "t3"}, ["t3"]),
        ({"q": "a word of mine"}, ["t1"]), ({"q": "boiler", "show": "passed"}, []),
        ({"show": "no such"}, ["t1", "t2", "t3"]),
    ],
)  # fmt: skip
def test_the_list_is_narrowed_by_what_its_address_asks_for(ann, talks, query, left):
    one, two, three = talks
    write_talks(
        ann.folder, *talks, scores=[score(one), score(two, False, disagreements=("safe",)), score(three, None)]
    )  # fmt: skip
    kinds: dict[str, ReasonKind] = {"t1": "batch", "t2": "gate", "t3": "random"}
    write_jsonl(ann.folder / QUEUE, [item(t.id, t.content_hash, kinds[t.id]) for t in talks])
    ann.post("/labels", label="not satisfied", note="a word of mine")
    assert rows(ann.get("/queue", **query)) == left


def test_next_and_previous_stay_within_the_narrowed_list(ann):
    html = ann.get("/read/t2", q="cat")  # t1 and t3 speak of a cat
    assert 'rel="prev" href="/read/t1?q=cat"' in html and 'rel="next" href="/read/t3?q=cat"' in html
    assert 'rel="next"' not in ann.get("/read/t3")


def test_a_conversation_is_shown_with_lengths_and_every_judge_s_part(ann, talks):
    long = Exchange(user="Two words", assistant="that is a reply of eight words now")
    write_talks(ann.folder, talks[0].model_copy(update={"exchanges": (*talks[0].exchanges, long)}))
    html = ann.get("/read/t1")
    text = unescape(" ".join(re.sub(r"<[^>]+>", " ", html).split()))
    assert "Assistant 8 words 4.0 times, over 2 that is a reply" in text
    assert "Assistant 5 words 0.8 times Which cat is it 1" in text  # 5 words on 6
    warm = card(html, "warm")
    for said in ("opus YES", "gpt NO", "kindly", "cold", "My cat", "never said"):
        assert said in warm
    assert 'data-exchange="2" data-quote="My cat"' in html
    assert "0.00 share of replies with a list, heading or bold, wanted at most 0: within" in card(html, "plain")
    assert "Unscored: judge untrusted" in card(html, "safe")
    order = re.findall(r'data-criterion="(\w+)"', html)
    assert order == ["safe", "warm", "curious", "late", "plain"]


@pytest.mark.parametrize(
    ("criterion", "sent", "kept"),
    [
        ("warm", {"decision": "agree"}, "YES"), ("warm", {"decision": "false pass"}, "NO"),
        ("curious", {"decision": "false pass"}, "NO"), ("curious", {"decision": "agree"}, "NA"),
        ("late", {"decision": "false fail"}, "YES"), ("late", {"decision": "agree"}, "NO"),
        ("safe", {"label": "NA"}, "NA"), ("warm", {"label": "unsure"}, "unsure"),
    ],
)  # fmt: skip
def test_a_decision_becomes_the_answer_that_it_means(ann, criterion, sent, kept):
    answer = ann.post("/labels", criterion=criterion, **sent)
    assert answer.status_code == 200 and answer.json()["label"] == kept
    assert on_disk(ann) == [(criterion, kept)]


@pytest.mark.parametrize(
    ("criterion", "sent", "says"),
    [
        ("warm", {"decision": "false fail"}, "a false fail is a NO that should be YES"),
        ("late", {"decision": "false pass"}, "the answer is NO already"),
        ("safe", {"decision": "agree"}, "no answer yet to agree"),
        ("warm", {"label": "NA"}, "warm allows no NA"),
        ("gone", {"label": "YES"}, "'gone' is no criterion"),
        (None, {"decision": "agree"}, "is about a criterion"),
        (None, {"label": "YES"}, "answers a criterion"),
        ("warm", {"label": "satisfied"}, "about the whole conversation"),
        ("warm", {"label": "undo"}, "undo has an address of its own"),
        ("warm", {}, "either a label or a decision"),
        ("warm", {"label": "MAYBE"}, "label: Input should be"),
        ("warm", {"label": "note", "note": " "}, "needs a note"),
        ("warm", {"label": "note", "note": "x" * 20_001}, "at most 20000"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_words_and_nothing_is_kept(ann, criterion, sent, says):
    answer = ann.post("/labels", criterion=criterion, **sent)
    assert answer.status_code == 422 and says in answer.text
    assert on_disk(ann) == []


def test_a_decision_on_a_text_that_has_changed_since_it_was_shown_is_refused(ann, talks):
    ann.get("/read/t1")
    shown = {"transcript_id": "t1", "content_hash": talks[0].content_hash, "criterion": "warm", "label": "YES"}
    write_talks(ann.folder, transcript("t1", assistant="Another reply"), *talks[1:])
    for path in ("/labels", "/undo"):
        sent = shown if path == "/labels" else {k: shown[k] for k in ("transcript_id", "content_hash")}
        answer = ann.ask("POST", path, json=sent)
        assert answer.status_code == 409 and "has changed on disk" in answer.text
    assert ann.ask("POST", "/labels", json=shown | {"transcript_id": "../t1"}).status_code == 404
    assert on_disk(ann) == []


def test_blind_shows_nothing_that_was_answered_before_the_reader_has_decided(ann):
    blind = ann.again(blind=True)
    html = blind.get("/read/t1")
    for told in ("opus", "gpt", "kindly", "cold", "My cat”", "never said", "judge untrusted", "passed", "0.70", "0.00"):
        assert told not in html
    assert "passed" not in blind.get("/queue") and "0.70" not in blind.get("/queue")
    shown = blind.post("/labels", criterion="warm", label="NO", blind=True).json()["html"]
    assert "opus" in shown and "false pass" in shown
    html = blind.get("/read/t1")
    assert "opus" in card(html, "warm") and "opus" not in card(html, "late")


def test_neither_the_order_nor_the_reasons_of_a_blind_list_tell_what_judges_found(ann, talks):
    kinds: list[ReasonKind] = ["gate", "disagreement", "random"]
    items = [item(t.id, t.content_hash, kind, "says") for kind, t in zip(kinds, talks, strict=True)]
    for queue in (items, items[::-1]):
        write_jsonl(ann.folder / QUEUE, queue)
        assert rows(ann.get("/queue")) == [one.transcript_id for one in queue]
        blind = ann.again(blind=True)
        html = blind.get("/queue")
        assert rows(html) == BY_LOT and not any(f"<b>{kind}</b>" in html for kind in kinds)
        first = blind.get(f"/read/{BY_LOT[0]}")
        assert 'id="before"' not in first and f'rel="next" href="/read/{BY_LOT[1]}"' in first


def test_only_what_was_decided_before_it_was_shown_counts_as_blind(ann):
    blind = ann.again(blind=True)
    blind.get("/read/t1")
    blind.post("/labels", criterion="warm", label="NO", blind=True)
    blind.post("/labels", criterion="warm", label="YES", blind=True)  # the answers were shown meanwhile
    blind.ask("POST", "/blind", json={"blind": False})
    blind.get("/read/t1")
    blind.ask("POST", "/blind", json={"blind": True})
    blind.post("/labels", criterion="late", label="NO", blind=True)  # peeked
    blind.post("/labels", "t2", criterion="late", label="NO", blind=True)
    lines = blind.app.state.desk.shelf.book.read()
    assert [(x.transcript_id, x.criterion, x.blind) for x in lines] == [
        ("t1", "warm", True), ("t1", "warm", False), ("t1", "late", False), ("t2", "late", True),
    ]  # fmt: skip


def test_what_the_outcome_named_or_a_decision_showed_before_is_not_decided_blind(ann, talks):
    write_talks(ann.folder, *talks, scores=[score(t, disagreements=("warm",)) for t in talks])
    blind = ann.again(blind=True)
    blind.post("/labels", label="satisfied", blind=True)
    blind.get("/read/t1")  # the outcome and the reasons are shown now
    blind.post("/labels", criterion="warm", label="NO", blind=True)
    blind.post("/labels", criterion="late", label="NO", blind=True)
    blind.post("/undo")
    blind = blind.again()
    blind.post("/labels", criterion="late", label="YES", blind=True)
    found = [(x.criterion, x.label, x.blind) for x in blind.app.state.desk.shelf.book.read() if x.label != "undo"]
    assert found == [
        (None, "satisfied", True), ("warm", "NO", False), ("late", "NO", True), ("late", "YES", False),
    ]  # fmt: skip


def test_undoing_brings_back_what_was_before_and_says_what_was_undone(ann):
    ann.post("/labels", criterion="warm", label="YES")
    ann.post("/labels", criterion="warm", label="NO")
    answer = ann.post("/undo").json()
    assert (answer["undone"]["label"], answer["criterion"]) == ("NO", "warm")
    assert 'data-decided="YES"' in answer["html"] and answer["progress"] == {"decided": 1, "asked": 4, "overall": None}
    ann.post("/undo")
    nothing = ann.post("/undo")
    assert nothing.status_code == 409 and "nothing of yours to undo" in nothing.text
    assert ann.post("/undo", "t2").status_code == 409


def test_other_readers_are_shown_once_one_has_decided(ann):
    bob = ann.again(reviewer="bob")
    bob.post("/labels", criterion="warm", label="NO", note="rather cold")
    before = card(ann.get("/read/t1"), "warm")
    assert "rather cold" not in before and "1 other reader decided" in before
    assert "rather cold" in ann.post("/labels", criterion="warm", label="YES").json()["html"]
    assert "also read by bob" in ann.get("/queue")


def test_a_stale_label_is_shown_as_such_and_not_counted(ann, talks):
    ann.post("/labels", criterion="warm", label="NO", note="too short")
    ann.post("/labels", label="satisfied")
    write_talks(ann.folder, transcript("t1", assistant="Another reply"), *talks[1:])
    assert rows(ann.get("/queue", show="stale")) == ["t1"]
    html = ann.get("/read/t1")
    assert "you said NO on an earlier text" in card(html, "warm") and "“too short”" in card(html, "warm")
    assert 'data-criterion="warm" data-name="Warm" data-asked="1" data-decided=""' in html
    assert "0 of 11 answers" in re.sub(r"<[^>]+>", "", html)
    ann.post("/labels", criterion="warm", label="YES")
    ann.post("/labels", label="satisfied")
    assert rows(ann.get("/queue", show="stale")) == []
    assert "you said NO on an earlier text" in card(ann.get("/read/t1"), "warm")  # and never vanishes


def test_labels_on_what_is_no_longer_in_the_queue_are_told_of(ann, talks):
    ann.post("/labels", criterion="warm", label="NO", note="too short")
    write_talks(ann.folder, *talks[1:])
    assert "1 label of yours on conversations outside this queue" in ann.get("/queue")
    write_jsonl(ann.folder / QUEUE, [item("t9", "x")])
    html = ann.get("/queue")
    assert "1 picked conversation no longer there" in html and "dvc repro generate-review" in html


def test_text_of_models_and_people_is_never_markup(ann, talks):
    nasty = "<script>alert(1)</script>\u202e & \"'"
    talk = Transcript.model_validate(
        talks[0].model_dump() | {"id": "t/1", "exchanges": [{"user": nasty, "assistant": nasty}]}
    )
    write_talks(ann.folder, talk)
    ann.post("/labels", "t/1", criterion="warm", label="NO", note=nasty)
    for html in (ann.get("/read/t%2F1"), ann.get("/queue", q=nasty), ann.get("/queue")):
        assert "<script>alert" not in html and "\u202e" not in html
    assert "alert(1)" in ann.get("/read/t%2F1") and 'href="/read/t%2F1"' in ann.get("/queue")


def test_pages_have_no_style_or_script_of_their_own(ann):
    ann.post("/labels", criterion="warm", label="NO")
    for html in (ann.get("/read/t1"), ann.get("/queue")):
        assert not re.search(r"\sstyle=|<style|\son\w+=|<script(?! src=)", html)
        assert len(re.findall(r'\sid="([^"]+)"', html)) == len(set(re.findall(r'\sid="([^"]+)"', html)))


def test_a_missing_file_is_told_of_with_the_command_that_makes_it(ann):
    (ann.folder / QUEUE).unlink()
    for answer in (ann.ask("GET", "/queue"), ann.post("/labels", criterion="warm", label="YES")):
        assert answer.status_code == 409 and "dvc repro generate-review" in answer.text
    assert ann.ask("GET", "/read/../../etc").status_code in (404, 409)


def test_only_the_lines_of_the_queue_are_parsed(ann, talks):
    path = ann.folder / TALKS
    path.write_text(path.read_text("utf-8") + '{"id":"other","broken": \n', "utf-8")
    assert rows(ann.get("/queue")) == ["t1", "t2", "t3"]
    assert [t.id for t in ann.app.state.desk.shelf.material().readings.values() for t in [t.talk]] == ["t1", "t2", "t3"]


def test_a_reader_s_answer_and_the_combined_one_are_compared(ann):
    assert [compared("NO", "YES"), compared("NO", "NA"), compared("YES", "NO"), compared("YES", "YES")] == [
        "false pass", "false pass", "false fail", "agree",
    ]  # fmt: skip
    assert [compared("NA", "YES"), compared(None, "YES"), compared("YES", None)] == ["differs", "", ""]


def test_what_a_run_makes_meanwhile_is_shown_without_a_new_start(ann, talks):
    assert "Another reply" not in ann.get("/read/t1")
    write_jsonl(ann.folder / TALKS, [transcript("t1", assistant="Another reply"), *talks[1:]])
    html = ann.get("/read/t1")
    assert "Another reply" in html and "not the one that was picked" in html
    assert len(read_jsonl(ann.folder / TALKS, Transcript)) == 3


def test_a_conversation_that_was_left_out_is_shown_and_asks_only_whether_one_is_satisfied(ann, talks):
    failed = talks[0].model_copy(update={"exchanges": (), "failure": "the model gave no answer"})
    write_talks(ann.folder, failed, *talks[1:], scores=[score(t) for t in talks[1:]])
    html = ann.get("/read/t1")
    assert "It ended in a failure: the model gave no answer" in html and "Nothing was said." in html
    assert 'data-asked="1"' not in html and "Not judged: you need not decide this" in card(html, "warm")
    assert ann.post("/labels", label="not satisfied").json()["totals"]["conversations_decided"] == 1
    assert "overall only" in ann.get("/queue")


def test_an_empty_queue_says_so(ann):
    write_talks(ann.folder)
    assert "The queue is empty" in ann.get("/queue")


def test_the_help_names_every_key_that_the_script_knows_and_no_other(ann):
    script = (HERE / "static/reading.js").read_text("utf-8").split("const KEYS = {")[1].split("\n};")[0]
    known = re.findall(r'(?<![\w"])"?([a-z0-9/?])"?: ', script)
    html = ann.get("/read/t1")
    told = re.findall(r"<kbd>(.)</kbd>", html[html.index("<dialog") : html.index("</dialog>")])
    assert sorted(told) == sorted(known) and len(told) == 21


def test_a_decision_on_another_question_or_answer_than_today_s_is_refused(ann, talks):
    html = ann.get("/read/t1")
    [question] = re.findall(r'data-criterion="warm" [^>]*data-question="(\w+)" data-shown="YES"', html)
    as_shown = {"criterion": "warm", "question_hash": question, "shown": "YES"}
    assert ann.post("/labels", decision="agree", **as_shown).status_code == 200
    rubric = rubric_fields()
    rubric["criteria"][1]["question"] = "Is the coach curious about more?"
    (ann.folder / "rubric.yaml").write_text(yaml.safe_dump(rubric, sort_keys=False), "utf-8")
    assert ann.post("/labels", decision="agree", **as_shown).status_code == 200  # another criterion's question
    write_talks(ann.folder, *talks, scores=[score(t, answers=ANSWERS | {"warm": "NO"}) for t in talks])
    refused = ann.post("/labels", decision="agree", **as_shown)
    assert refused.status_code == 409 and "was YES when the page was opened and is NO now" in refused.text
    assert ann.post("/labels", label="YES", **as_shown).status_code == 200  # one's own answer needs no other
    refused = ann.post("/labels", label="YES", **as_shown | {"criterion": "curious"})
    assert refused.status_code == 409 and "the question of curious has changed" in refused.text


def test_satisfied_is_blind_only_while_the_outcome_was_never_shown(ann):
    blind = ann.again(blind=True)
    blind.get("/read/t1")
    blind.post("/labels", label="satisfied", blind=True)
    blind.get("/read/t1")  # the outcome is shown now
    blind.post("/labels", label="not satisfied", blind=True)
    assert [x.blind for x in blind.app.state.desk.shelf.book.read()] == [True, False]

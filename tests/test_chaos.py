"""Every invariant of bench/chaos.py can be broken, and its check says so; models and plans follow from the seed."""

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from bench import chaos_checks as checks
from bench.chaos import report
from bench.chaos_checks import INVARIANTS, Ledger, Process
from bench.chaos_models import QUIRKS, cache_key, plan_of, script, weather
from bench.chaos_process import draw
from bench.chaos_project import corrupt, replies
from bench.chaos_run import Seen
from bench.faulty_server import Asked
from tunewright.cache import ReplyCache


def asked(number, delivered=True, tokens=10):
    return Asked(f"sha-{number}", 0, "", {"seed": number, "messages": []}, 0.0, 1.0, delivered, tokens)


def key(number):
    return f"{number:07x}"


def process(before=(), after=(), **about):
    about = {"code": 0, "said": "done"} | about
    return Process(3, "transcripts", frozenset(map(key, before)), after=frozenset(map(key, after)), **about)


def broken_by(check, *arguments):
    """The invariants that a check finds violated."""
    ledger = Ledger()
    check(ledger, *arguments)
    assert ledger.checked.total() >= 1
    return [name for name, _ in ledger.violations]


@pytest.mark.parametrize(
    ("about", "broken"),
    [
        ({"code": 0}, False),
        ({"code": -9, "ended_by": "kill"}, False),
        ({"code": -9}, True),  # nobody killed it
        ({"code": 143, "ended_by": "term"}, False),
        ({"code": 0, "ended_by": "term"}, False),  # the signal came too late
        ({"code": 1, "said": "\nerror: 5 of 9 conversations failed (allowed: 30%); ..."}, False),
        ({"code": 1, "said": "\nerror: the budget of 1 USD is spent", "expects": ("budget",)}, False),
        ({"code": 1, "said": "\nerror: the budget of 1 USD is spent"}, True),  # it had none
        ({"code": 1, "said": "the budget of 1 USD is spent", "expects": ("budget",)}, True),  # no error line
        ({"code": 0, "said": "Traceback (most recent call last):"}, True),
    ],
)
def test_a_process_that_ends_otherwise_than_by_its_work_a_message_or_its_signal_is_found(about, broken):
    assert bool(broken_by(checks.ends, process(**about))) is broken


@pytest.mark.parametrize(
    ("content", "broken"), [(b'{"a": 1}\n', []), (b"", []), (b'{"a": 1}\n{"b"', ["whole", "whole"])]
)
def test_half_an_output_is_found(content, broken):
    assert broken_by(checks.whole, process(), {"data/x.jsonl": content}) == broken


def test_asking_for_what_is_stored_is_found_and_so_is_paying_twice_in_one_process():
    assert broken_by(checks.asked_again, process(before=[1]), [asked(2), asked(3, delivered=False), asked(3)]) == []
    assert broken_by(checks.asked_again, process(before=[1]), [asked(1, delivered=False)]) == ["asked again"]
    assert broken_by(checks.asked_again, process(), [asked(2), asked(2)]) == ["asked again"]


def test_a_paid_reply_that_is_lost_without_a_kill_is_found_and_with_one_when_more_are_lost_than_were_in_flight():
    lost = [asked(1), asked(2), asked(3)]
    assert broken_by(checks.kept, process(after=[1, 2, 3]), lost, 2) == []
    assert broken_by(checks.kept, process(after=[1, 2]), lost, 2) == ["kept"]
    assert broken_by(checks.kept, process(after=[1], ended_by="kill", code=-9), lost, 2) == []
    assert broken_by(checks.kept, process(after=[], ended_by="kill", code=-9), lost, 2) == ["kept"]
    assert broken_by(checks.kept, process(after=[1], expects=("disk",), code=1), lost, 2) == []
    assert broken_by(checks.kept, process(after=[1, 2], ended_by="term", code=143), lost, 2) == ["kept"]


def test_a_call_that_is_paid_more_often_than_explained_is_found():
    assert broken_by(checks.paid_once, Counter(a=1, b=3), Counter(b=2)) == []
    assert broken_by(checks.paid_once, Counter(a=2, b=3), Counter(b=2)) == ["paid once"]


def test_only_calls_that_were_out_at_once_or_died_with_their_process_may_be_paid_by_both():
    def at(at_s, number=1):
        return [Asked("sha", 0, "", {"seed": number}, at_s, at_s + 0.01, True, 10)]

    both, killed = process(), process(ended_by="kill", code=-9)
    assert checks.paid_at_once([(both, at(0.0)), (both, at(0.1))]) == {key(1): 1}
    assert checks.paid_at_once([(both, at(0.0)), (both, at(9.0))]) == {}  # stored long before
    assert checks.paid_at_once([(both, at(0.0)), (both, at(0.1, 2))]) == {}
    assert checks.paid_at_once([(killed, at(0.0)), (both, at(9.0))]) == {key(1): 1}  # lost with the process
    assert checks.paid_at_once([(killed, at(0.0) + at(5.0, 2)), (both, at(9.0))]) == {}  # in flight long before its end


def test_a_stored_reply_that_the_model_did_not_give_is_found():
    stored = {"a": '{"text": "yes"}', "b": '{"text": "no"}', "c": "{"}
    assert broken_by(checks.as_said, stored, {"a": "yes", "gone": "it was never stored"}) == []
    assert broken_by(checks.as_said, stored | {"b": '{"text": "yes"}'}, {"a": "yes", "b": "no"}) == ["stored"]
    assert broken_by(checks.as_said, stored, {"c": "yes"}) == ["stored"]
    assert checks.sound(stored) == {"a", "b"}


def test_a_budget_may_be_exceeded_by_the_calls_in_flight_and_by_no_more():
    paid = [asked(n, tokens=10) for n in range(6)]
    assert broken_by(checks.within_budget, process(), paid, 40, 2) == []  # 60 = 40 and two calls
    assert broken_by(checks.within_budget, process(), paid, 39, 2) == ["budget"]


def talk(id, *said, failure=None):
    return {"id": id, "exchanges": list(said), "failure": failure, "ended": "failed" if failure else "planned"}


CALM = [talk("a", "1", "2"), talk("b", "3", "4")]


@pytest.mark.parametrize(
    ("found", "broken", "n_open"),
    [
        (CALM, [], 0),
        ([talk("a", "1", failure="exchange 2: m failed 3 times: 500"), CALM[1]], [], 1),
        ([talk("a", "1", "other"), CALM[1]], ["calm"], 1),  # differs and gives no reason
        ([talk("a", "other", failure="exchange 2: x"), CALM[1]], ["calm"], 1),  # and was said otherwise
        (CALM[:1], ["transcripts"], 0),  # lost
        ([*CALM, CALM[0]], ["transcripts"], 0),  # twice
        (CALM[::-1], ["transcripts"], 0),  # another order
    ],
)
def test_a_lost_a_doubled_and_a_changed_transcript_are_found(found, broken, n_open):
    ledger = Ledger()
    assert checks.compare(ledger, "here", found, CALM, ("id",), checks.open_transcript) == n_open
    assert [name for name, _ in ledger.violations] == broken


def test_a_verdict_may_lack_its_answer_and_never_have_another():
    yes = {"transcript_id": "a", "criterion": "c", "judge": "j", "answer": "YES", "unscored": None}
    assert checks.open_verdict(yes | {"answer": None, "unscored": "judge failed"}, yes)
    assert not checks.open_verdict(yes | {"answer": "NO"}, yes)
    left = {"action": "left", "fixed_id": None, "reason": "no answer: m failed 3 times: 500"}
    assert checks.open_repair(left, {})
    assert not checks.open_repair(left | {"action": "rejected"}, {})
    assert not checks.open_repair(left | {"reason": "cut off"}, {})


def test_what_is_unscored_and_counts_as_failed_is_found():
    verdicts = [
        {"transcript_id": "a", "criterion": "c", "answer": None},
        {"transcript_id": "a", "criterion": "g", "answer": "YES"},
        {"transcript_id": "a", "criterion": "g", "answer": None},
        {"transcript_id": "a", "criterion": "n", "answer": "NA"},
    ]
    score = {"transcript_id": "a", "answers": {"c": None, "g": "YES", "n": "NO"}, "gates_failed": []}
    score |= {"categories": {"warmth": 0.5, "form": None}}
    ids = {"warmth": ["c", "g", "n"], "form": ["c"]}
    assert broken_by(checks.unscored_is_not_failed, process(), [score], verdicts, ids) == []
    for wrong in (
        {"answers": {"c": "NO"}}, {"answers": {"c": "YES"}}, {"gates_failed": ["g"]},
        {"categories": {"warmth": 1 / 3, "form": None}},
    ):  # fmt: skip
        broken = broken_by(checks.unscored_is_not_failed, process(), [score | wrong], verdicts, ids)
        assert set(broken) == {"unscored"}


@pytest.mark.parametrize(("n_no", "broken"), [(0, []), (1, ["unscored"])])
def test_counts_that_call_an_unscored_verdict_a_no_are_found(n_no, broken):
    verdicts = b'{"answer": "YES"}\n{"answer": null}\n'
    answers = {"YES": 1, "NO": n_no, "NA": 0, "unscored": 1 - n_no}
    metrics = json.dumps({"answers": answers}).encode()
    outputs = {"data/generate/verdicts.jsonl": verdicts, "metrics/generate-verdicts.json": metrics}
    assert broken_by(checks.verdict_counts, process(), outputs) == broken


def test_another_byte_and_a_missing_output_are_found():
    calm = {"a": b"1\n", "b": b"2\n"}
    assert broken_by(checks.same_bytes, "here", dict(calm), calm) == []
    assert broken_by(checks.same_bytes, "here", {"a": b"1 \n"}, calm) == ["bytes", "bytes"]


def test_every_invariant_of_the_table_has_a_check_that_notes_it():
    seen = Seen()
    for name in INVARIANTS:
        seen.ledger.hold(name, name != "kept", "three are gone")
    told = report(seen, 1)
    assert told.count("| 1 | 0 |") == len(INVARIANTS) - 1 and told.endswith("- kept: three are gone")
    source = Path(checks.__file__).read_text("utf-8")
    assert all(f'"{name}"' in source.split("}\n", 1)[1] for name in INVARIANTS)


def body(text, number, schema=None):
    told = {"messages": [{"role": "user", "content": text}], "model": "m", "seed": number}
    return told | ({"response_format": {"json_schema": {"schema": {"title": schema}}}} if schema else {})


def test_what_the_models_say_follows_from_the_request_alone():
    assert script(body("10 to 20 words", 1)) == script(body("10 to 20 words", 1))
    assert script(body("10 to 20 words", 1)).text != script(body("10 to 20 words", 2)).text
    verdict = json.loads(str(script(body("[Exchange 1]\nNA is not allowed", 5, "JudgeAnswer")).text))
    assert verdict["answer"] in ("YES", "NO") and verdict["evidence"] == [1]


def test_the_models_own_faults_are_there_whatever_the_weather():
    keys = [f"request {n}" for n in range(300)]
    calm, stormy = plan_of(lambda key, nth: ""), plan_of(weather(7))
    own = {k: calm(k, 0) for k in keys}
    assert set(own.values()) == {"", *QUIRKS}
    assert {k: stormy(k, 9).replace("slow", "") for k in keys} == own  # when every passing fault is over
    late = plan_of(lambda key, nth: "slow")
    assert all(late(k, 0) == (own[k] or "slow") for k in keys)
    assert [stormy(k, 0) for k in keys] == [plan_of(weather(7))(k, 0) for k in keys]


def test_what_is_done_to_processes_follows_from_the_seed_and_covers_everything():
    assert draw(random.Random(3), 100, 1000) == draw(random.Random(3), 100, 1000)
    drawn = [one for seed in range(60) for one in draw(random.Random(seed), 100, 1000)]
    assert {"kill", "term", "int", "term twice", ""} == {one.ended_by for one in drawn}
    assert {"budget", "revoked", "disk"} == {what for one in drawn for what in one.expects}


def test_the_cache_is_read_without_touching_it_and_damaged_by_key(tmp_path):
    cache = ReplyCache(tmp_path)
    for number in (1, 2):
        cache.put(key(number) + "rest", "m", {"text": str(number)})
    assert set(replies(tmp_path)) == {key(1), key(2)} and cache_key(asked(1)) == key(1)
    corrupt(tmp_path, [key(2)], ["{"])
    assert replies(tmp_path)[key(2)] == "{" and checks.sound(replies(tmp_path)) == {key(1)}
    cache.close()

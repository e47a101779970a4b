"""Degenerate replies: what counts as one, that no authored reply does, and shares of both sides by hand."""

from __future__ import annotations

import pytest

from tests.conftest import ROOT, transcript
from tunewright.config import load
from tunewright.degenerate import KINDS, Said, kinds_of
from tunewright.degenerate_rates import degenerate_numbers, of_probes, of_talks, paired_share
from tunewright.pairing import TalkPair
from tunewright.probes import Answered
from tunewright.records import Transcript, read_jsonl
from tunewright.sanity_rules import SanityRules

RULES = load("evaluate.sanity", SanityRules, ROOT / "params.yaml").degenerate
NOT_LANGUAGE = ("loop", "empty", "role_break")  # generate-audit tells the language of authored replies
TALK = "It was a long day, and in the evening we went home by train and had some soup."


def kinds(text, is_cut=False):
    return kinds_of(Said("t#1", "p", text, is_cut), RULES)


@pytest.mark.parametrize("domain", ["therapy", "support"])
def test_no_authored_reply_is_a_loop_empty_or_out_of_its_role(domain):
    talks = read_jsonl(ROOT / f"data/authored/{domain}/transcripts.jsonl", Transcript)
    replies = [(t.id, e.assistant) for t in talks for e in t.exchanges]
    assert len(replies) > 200
    wrong = {name: [i for i, text in replies if KINDS[name](Said(i, "p", text, False), RULES)] for name in NOT_LANGUAGE}
    assert wrong == {"loop": [], "empty": [], "role_break": []}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TALK, set()),
        ("I'm sorry. " * 9, {"loop"}),
        ("I am really sorry. We had soup today. I am really sorry. It rained a lot. I am really sorry.", {"loop"}),
        ("so it goes on and on and then it goes on and on and then it goes on and on", {"loop"}),
        ("No. No. No.", set()),  # short
        ("", {"empty"}), ("... !", {"empty"}),
        ("Fine.\nUser: And you?", {"role_break"}), ("Good.<|im_end|>", {"role_break"}),
        ("[INST] Go on", {"role_break"}),
        ("The user: a person who uses something", set()),
        ("Ich habe heute leider keine Zeit und werde dir morgen wieder schreiben, wenn es geht.", {"other_language"}),
    ],
)  # fmt: skip
def test_each_kind_is_found_and_nothing_else(text, expected):
    assert kinds(text) == expected


def test_who_is_still_talking_at_max_tokens_is_counted_whatever_is_said():
    assert kinds(TALK, is_cut=True) == {"cut"}


def test_the_same_places_are_compared_and_people_count_not_replies():
    """Base 1, 1, 0, 0 and tuned 0, 1, 0, 0 of two people: -1/4; by person the residuals are -1/2 and +1/2."""
    found = paired_share([True, True, False, False], [False, True, False, False], ["p", "p", "q", "q"], 0.95)
    assert (found.base.count, found.tuned.count, found.difference) == (2, 1, -0.25)
    # SE = sqrt(2 * (0.25 + 0.25)) / 4 = 0.25; t(0.975, 1 df) = 12.7062
    assert found.low == pytest.approx(-0.25 - 0.25 * 12.7062, rel=1e-4)
    assert found.p_value == pytest.approx(0.5)  # t = -1 with 1 df


def test_where_nothing_varies_no_interval_is_made_up():
    found = paired_share([False, False], [False, False], ["p", "q"], 0.95)
    assert (found.difference, found.low, found.high, found.p_value) == (0.0, None, None, None)
    assert found.base.high > 0.5  # two replies tell little


def test_only_exchanges_that_both_sides_have_are_compared():
    pair = TalkPair(transcript("a", n=3), transcript("a", n=2))
    sides = of_talks([pair])
    assert [said.place for said in sides["base"]] == ["a#1", "a#2"] == [said.place for said in sides["tuned"]]


def answered(name, reply, passed: bool | None = True, end="stop"):
    return Answered(
        probe=name, category="c", ask="?", reply=reply, finish_reason=end, passed=passed, fault=None if passed else "x"
    )


def test_counts_and_examples_of_both_sides_stand_together():
    base = [answered("a", "I'm sorry. " * 9, end="length"), answered("b", "", False), answered("c", "", None)]
    tuned = [answered(name, "Fine.") for name in "abc"]
    found = degenerate_numbers(
        {"transcripts": {"base": [], "tuned": []}, "probes": of_probes(base, tuned)}, RULES, 0.95, (1, 12)
    )
    assert found["transcripts"] == {"n_replies": 0, "kinds": {}, "any": None}
    probes = found["probes"]
    counts = {kind: (one["base"]["count"], one["tuned"]["count"]) for kind, one in probes["kinds"].items()}
    assert counts == {"loop": (1, 0), "empty": (1, 0), "cut": (1, 0), "role_break": (0, 0), "other_language": (0, 0)}
    assert (probes["n_replies"], probes["any"]["base"]["share"], probes["any"]["difference"]) == (2, 1.0, -1.0)
    assert [(e["kind"], e["id"], e["exchange"], e["text"]) for e in found["examples"]] == [
        ("loop", "a", None, "I'm sorry. I"), ("empty", "b", None, ""),
    ]  # fmt: skip

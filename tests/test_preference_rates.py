"""Win rates, their intervals and agreement, worked out by hand."""

from __future__ import annotations

import pytest

from tests.conftest import transcript
from tests.test_pairing import pair
from tunewright.pairing import split_stale
from tunewright.preference_rates import (
    PreferenceRules,
    between_readers,
    judged_differences,
    preference_numbers,
    win_rate,
    with_judges,
)
from tunewright.preferences import OVERALL, Preference
from tunewright.records import Score
from tunewright.statistics import wilson_interval

RULES = PreferenceRules(
    pairs=5, confidence=0.95, judges_tie=0.02, permutation_samples=100, exact_permutation_max=15, seed=1
)
NUMBERS = iter(range(1, 10_000))


def prefer(better, number=1, reviewer="ann", question=OVERALL, persona=None, **rest) -> Preference:
    """A decision on pair-<number>, whose words are those of `pair`."""
    n = next(NUMBERS)
    base, tuned = pair(f"pair-{number}").hashes
    fields = {
        "id": f"{n:016x}", "transcript_id": f"pair-{number}", "persona_id": persona or f"p{number}", "base_hash": base,
        "tuned_hash": tuned, "question": question, "better": better, "reviewer": reviewer,
        "time": f"2026-11-22T08:00:00.{n:06}Z", "rubric_version": "r",
    }  # fmt: skip
    return Preference.model_validate(fields | rest)


def score(number, value, **categories) -> Score:
    return Score(
        transcript_id=f"pair-{number}", persona_id=f"p{number}", answers={}, unscored={},
        categories={"heart": None, "form": None, **categories}, score=value, coverage=1.0, gates_failed=(),
        gates_unscored=(), disagreements=(), passed=None, outcome="",
    )  # fmt: skip


def test_ties_count_half_and_p_is_the_exact_sign_test():
    """Five people: 4 wins and 1 loss are extreme in 2 * (1 + 5) of 32 flips; a tie cannot flip anything."""
    lines = [prefer("tuned", n) for n in range(4)] + [prefer("base", 4)]
    found = win_rate(lines, RULES, OVERALL)
    assert (found.wins, found.losses, found.ties, found.win_rate) == (4, 1, 0, pytest.approx(0.8))
    assert found.p_value == pytest.approx(12 / 32)
    tied = win_rate([*lines, prefer("tie", 5)], RULES, OVERALL)
    assert (tied.ties, tied.win_rate, tied.p_value) == (1, pytest.approx(4.5 / 6), pytest.approx(12 / 32))


def test_the_interval_is_wilson_s_on_people_and_has_a_width_where_all_agree():
    found = win_rate([prefer("tuned", n) for n in range(5)], RULES, OVERALL)
    assert (found.win_rate, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(5 / (5 + 1.959964**2), abs=1e-4)  # Wilson's for 5 of 5: n / (n + z^2) = 0.566
    assert found.p_value == pytest.approx(2 / 32)


def test_one_person_is_no_evidence_whatever_the_number_of_conversations():
    lines = [prefer("tuned", n, persona="p") for n in range(9)]
    found = win_rate(lines, RULES, OVERALL)
    assert (found.n_pairs, found.n_personas, found.p_value) == (9, 1, 1.0)
    assert found.low == pytest.approx(1 / (1 + 1.959964**2), abs=1e-4)


def test_a_person_and_a_pair_count_once_whatever_their_conversations_and_readers():
    """p1: pair 1 read by three (1, 1, 0) and pair 2 (0): (2/3 + 0) / 2; p3: 1. Win rate (1/3 + 1) / 2 = 2/3."""
    lines = [prefer("tuned", 1, "ann"), prefer("tuned", 1, "bob"), prefer("base", 1, "cid")]
    lines += [prefer("base", 2, persona="p1"), prefer("tuned", 3)]
    found = win_rate(lines, RULES, OVERALL)
    assert found.win_rate == pytest.approx(2 / 3)
    assert (found.low, found.high) == pytest.approx(wilson_interval(4 / 3, 2, 0.95))
    assert (found.n_decisions, found.n_readers, found.n_pairs, found.n_personas) == (5, 3, 3, 2)


def test_readers_agree_where_they_say_the_same_of_one_pair():
    """Pair 1: three readers, one of three couples alike; pair 2: alike; pair 3: one reader, no couple. 2 of 4.

    Kappa by reader in the order of their names: (t,t) (t,b) (t,b) (b,b): p_e = 3/4 * 1/4 + 1/4 * 3/4 = 3/8.
    """
    lines = [prefer("tuned", 1, "ann"), prefer("tuned", 1, "bob"), prefer("base", 1, "cid")]
    lines += [prefer("base", 2, "ann"), prefer("base", 2, "bob"), prefer("tie", 3, "ann")]
    found = between_readers(lines, RULES)
    assert (found.n, found.agreement) == (4, 0.5)
    assert found.kappa == pytest.approx((0.5 - 0.375) / 0.625)
    assert between_readers(lines[-1:], RULES).agreement is None


def test_judges_agree_where_the_scores_lean_to_the_same_side_and_a_small_difference_is_a_tie():
    """Scores +0.3, -0.3, +0.02, +0.021, none: tuned, base, tie, tuned; people: tuned, tuned, tie, tie (two readers)."""
    judged = {"pair-1": 0.3, "pair-2": -0.3, "pair-3": 0.02, "pair-4": 0.021}
    lines = [prefer("tuned", 1), prefer("tuned", 2), prefer("tie", 3), prefer("tuned", 4), prefer("base", 4, "bob")]
    found = with_judges([*lines, prefer("tuned", 5)], judged, RULES)
    assert (found.n, found.agreement) == (4, 0.5)
    assert (found.low, found.high) == pytest.approx(wilson_interval(2, 4, 0.95))
    # people: tuned 2, tie 2; judges: tuned 2, base 1, tie 1; by chance (2 * 2 + 2 * 1) / 16
    assert found.kappa == pytest.approx((0.5 - 0.375) / 0.625)
    assert with_judges(lines, {}, RULES).n == 0


def test_differences_are_tuned_minus_base_where_both_sides_have_a_score(rubric):
    scored = [(score(1, 0.5, heart=0.25), score(1, 0.75, heart=1.0, form=1.0)), (score(2, 0.5), score(2, 0.25))]
    found = judged_differences(scored, rubric)
    assert found == {"heart": {"pair-1": 0.75}, "form": {}, OVERALL: {"pair-1": 0.25, "pair-2": -0.25}}


def test_stale_decisions_are_counted_apart_and_those_taken_back_not_at_all(rubric):
    pairs = [pair(f"pair-{n}", persona_id=f"p{n}") for n in (1, 2)]
    wrong = prefer("base", 2)
    lines = [
        prefer("base", 1), prefer("tuned", 1), wrong, prefer("undo", 2, undoes=wrong.id), prefer("tuned", 9),
        prefer("tuned", 2, base_hash=transcript("x", n=1).content_hash), prefer("tie", 1, question="gone"),
        prefer("tuned", 1, question="heart"),
    ]  # fmt: skip
    found = preference_numbers(lines, pairs, [(score(1, 0.2), score(1, 0.6))], rubric, RULES)
    assert (found["n_pairs"], found["n_asked"], found["n_compared"], found["n_stale"]) == (2, 2, 1, 3)
    assert list(found["questions"]) == ["heart", OVERALL]
    overall = found["questions"][OVERALL]
    assert (overall["people"].n_decisions, overall["people"].wins, overall["judges"].agreement) == (1, 1, 1.0)
    _, stale = split_stale(lines[4:7], pairs, ["heart", OVERALL])
    assert [why.split()[-1] for _, why in stale] == ["gone", "changed", "gone"]


def test_nobody_asked_gives_no_rows_and_no_numbers(rubric):
    found = preference_numbers([], [pair()], [], rubric, RULES)
    assert found["questions"] == {} and (found["n_compared"], found["n_stale"]) == (0, 0)

"""Scores by hand, on a rubric of two categories: heart 0.6 (warm, curious, late), form 0.4 (plain); gate: safe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import rubric_fields, transcript
from tunewright.errors import RecordError
from tunewright.records import Verdict
from tunewright.rubric import Rubric
from tunewright.score_files import ScoreTally
from tunewright.scoring import ScoringConfig, category_scores, combine, disagreements, score_transcript, weighted_score
from tunewright.trust import Decision

RUBRIC = Rubric.model_validate(rubric_fields())
IDS = ("warm", "curious", "late", "plain", "safe")
ALL_YES = dict.fromkeys(IDS, "YES")


def config(**rest):
    fields = {
        "aggregation": "strictest", "judge_trust": "assumed", "min_coverage": 0.5, "unscored_gates_pass": False,
        "disagreement_spread": 0.15, "judge_agreement_min": 0.8,
    }  # fmt: skip
    return ScoringConfig.model_validate(fields | rest)


def verdicts(judge="j", **answers):
    """Verdicts by a judge; `plain` is the measure's. None is unscored."""
    return [
        Verdict(
            transcript_id="t1", criterion=c, judge="measure" if c == "plain" else judge, answer=a,
            unscored=None if a else "judge failed: x",
        )
        for c, a in answers.items()
    ]  # fmt: skip


NOBODY = {"j": dict.fromkeys(IDS, Decision(trusted=False, reason="unstable"))}


def score(found, rubric=RUBRIC, trust=None, **rest):
    return score_transcript(transcript(), found, rubric, config(**rest), trust)


def counting_full():
    return Rubric.model_validate(rubric_fields() | {"all_na_category": "count_full"})


def test_a_score_is_the_weighted_mean_of_the_categories():
    # heart: YES, NO, YES -> 2/3; form: YES -> 1; 0.6 * 2/3 + 0.4 * 1 = 0.8
    found = score(verdicts(warm="YES", curious="NO", late="YES", plain="YES", safe="NA"))
    assert found.categories == {"heart": pytest.approx(2 / 3), "form": 1.0}
    assert found.score == pytest.approx(0.8) and found.coverage == 1.0
    below = score(verdicts(warm="YES", curious="NO", late="NO", plain="YES", safe="NA"), RUBRIC)
    assert below.score == 0.6 and below.passed is False  # 0.6 * 1/3 + 0.4
    assert below.outcome == "failed: score 0.60 is below 0.70"


def test_a_score_on_the_threshold_passes():
    found = score(verdicts(warm="YES", curious="NA", plain="YES", safe="YES") + [rule_na("late")])
    assert found.score == 1.0
    # heart 1/2 over warm and curious, late NA by rule: 0.6 * 0.5 + 0.4 = 0.7
    found = score(verdicts(warm="NO", curious="YES", plain="YES", safe="YES") + [rule_na("late")])
    assert (found.score, found.passed, found.outcome) == (0.7, True, "passed: score 0.70")


def rule_na(criterion):
    return Verdict(transcript_id="t1", criterion=criterion, judge="rule", answer="NA")


def test_an_untrusted_judge_leaves_its_criteria_unscored_and_the_coverage_small():
    found = score(verdicts(**ALL_YES), trust=NOBODY)
    assert found.answers == {"warm": None, "curious": None, "late": None, "plain": "YES", "safe": None}
    assert found.unscored["warm"] == "judge j is untrusted: unstable"
    assert (found.score, found.coverage) == (1.0, 0.4)
    assert found.passed is None
    assert found.outcome == "open: 40% of the rubric's weight was scored, 50% are needed"


def test_an_untrusted_no_on_a_gate_fails_nothing():
    found = score(
        verdicts(**ALL_YES | {"safe": "NO"}),
        trust=NOBODY,
        min_coverage=0.4,
        unscored_gates_pass=True,
    )
    assert (found.passed, found.gates_failed, found.gates_unscored) == (True, (), ("safe",))


def test_an_assumed_judge_counts():
    assert score(verdicts(**ALL_YES)).passed is True


def test_a_judge_counts_where_it_is_trusted_and_nowhere_else():
    some = {"j": NOBODY["j"] | {"warm": Decision(trusted=True, reason="better than a constant answer")}}
    found = score(verdicts(**ALL_YES | {"warm": "NO"}), trust=some)
    assert (found.answers["warm"], found.answers["curious"], found.coverage) == ("NO", None, pytest.approx(0.6))
    found = score(verdicts("j#1", **ALL_YES), trust=some)  # another sample of the same judge
    assert found.answers["warm"] == "YES"
    found = score(verdicts("new", **ALL_YES), trust=some)
    assert found.unscored["warm"] == "judge new is untrusted: it has not been calibrated on this criterion"


def test_an_na_where_none_is_allowed_is_a_no():
    found = score(verdicts(**ALL_YES | {"warm": "NA", "curious": "NA"}))
    assert (found.answers["warm"], found.answers["curious"]) == ("NO", "NA")
    assert found.categories["heart"] == 0.5


def test_a_rule_s_na_stands_where_judges_may_not_say_it():
    found = score(verdicts(warm="YES", curious="YES", plain="YES", safe="YES") + [rule_na("late")])
    assert found.answers["late"] == "NA" and found.score == 1.0 and found.coverage == 1.0


def test_an_unscored_criterion_is_no_no():
    found = score(verdicts(**ALL_YES | {"warm": None}))
    assert (found.score, found.coverage) == (1.0, 0.8)
    assert found.unscored == {"warm": "judge failed: x"}


def test_a_criterion_without_a_verdict_is_unscored_and_says_so():
    found = score(verdicts(warm="YES", curious="YES", plain="YES", safe="YES"))
    assert found.unscored == {"late": "no verdict"} and found.coverage == 0.8


def test_nothing_scored_is_open_and_not_0():
    found = score([])
    assert (found.score, found.coverage, found.passed) == (None, 0.0, None)


def test_a_category_that_is_all_na_is_left_out_or_counts_full_as_the_rubric_says():
    answers = {"warm": "NA", "curious": "NA", "late": "NA", "plain": "NO"}
    assert category_scores(answers, RUBRIC) == {"heart": None, "form": 0.0}
    assert category_scores(answers, counting_full()) == {"heart": 1.0, "form": 0.0}
    assert weighted_score({"heart": None, "form": 0.0}, RUBRIC) == 0.0
    assert weighted_score({"heart": 1.0, "form": 0.0}, RUBRIC) == 0.6


def test_a_category_that_is_partly_unscored_is_not_all_na():
    answers = {"warm": "NA", "curious": "NA", "late": None, "plain": "YES"}
    assert category_scores(answers, counting_full())["heart"] is None


def test_a_failed_gate_fails_whatever_the_score_and_the_coverage():
    found = score(verdicts(**ALL_YES | {"safe": "NO"}))
    assert (found.score, found.passed, found.outcome) == (1.0, False, "failed: safety gate safe")
    assert score(verdicts(safe="NO")).passed is False


def test_a_gate_does_not_enter_the_score():
    assert score(verdicts(**ALL_YES | {"safe": "NA"})).score == score(verdicts(**ALL_YES)).score == 1.0


def test_an_open_gate_leaves_it_open_unless_it_may_pass():
    found = verdicts(**ALL_YES | {"safe": None})
    assert (score(found).passed, score(found).outcome) == (None, "open: safety gate safe was not scored")
    assert score(found, unscored_gates_pass=True).passed is True


def test_coverage_below_the_minimum_is_open_though_the_score_is_low():
    found = score(verdicts(plain="NO", safe="YES"))
    assert (found.score, found.coverage, found.passed) == (0.0, 0.4, None)
    assert score(verdicts(plain="NO", safe="YES"), min_coverage=0.4).passed is False


def test_strictest_takes_all_answers_of_the_judge_with_the_lowest_score():
    kind = verdicts("kind", warm="NO", curious="YES", late="YES", safe="YES")  # heart 2/3
    stern = verdicts("stern", warm="YES", curious="NO", late="NO", safe="YES")  # heart 1/3
    found = score(kind + stern + verdicts(plain="YES"))
    assert [found.answers[c] for c in ("warm", "curious", "late")] == ["YES", "NO", "NO"]
    assert found.score == pytest.approx(0.6 / 3 + 0.4)


def test_strictest_fills_the_gaps_of_the_lowest_judge_from_the_others():
    kind = verdicts("kind", warm="YES", curious="YES", late="YES", safe="YES")
    stern = verdicts("stern", warm="NO", curious=None, late="YES", safe="YES")
    found = score(kind + stern + verdicts(plain="YES"))
    assert [found.answers[c] for c in ("warm", "curious", "late")] == ["NO", "YES", "YES"]
    assert found.coverage == 1.0 and found.unscored == {}


@pytest.mark.parametrize("aggregation", ["strictest", "majority", "per_criterion_strictest"])
def test_a_gate_that_any_judge_fails_is_failed(aggregation):
    lenient = verdicts("a", **ALL_YES) + verdicts("b", warm="NO", curious="NO", late="NO", safe="YES")
    found = score(lenient + verdicts("c", warm="YES", curious="YES", late="YES", safe="NO"), aggregation=aggregation)
    assert found.gates_failed == ("safe",) and found.passed is False


def test_majority_counts_per_criterion_and_a_tie_goes_to_the_stricter():
    three = [
        *verdicts("a", warm="YES", curious="NO", late="NO"), *verdicts("b", warm="YES", curious="NA", late="YES"),
        *verdicts("c", warm="NO", curious="NA"), *verdicts(plain="YES", safe="NA"),
    ]  # fmt: skip
    found = score(three, aggregation="majority")
    assert [found.answers[c] for c in ("warm", "curious", "late")] == ["YES", "NA", "NO"]


def test_per_criterion_strictest_takes_any_no():
    two = verdicts("a", warm="YES", curious="NA", late="NO") + verdicts("b", warm="NO", curious="YES", late="YES")
    found = score(two + verdicts(plain="YES", safe="NA"), aggregation="per_criterion_strictest")
    assert [found.answers[c] for c in ("warm", "curious", "late")] == ["NO", "YES", "NO"]


@pytest.mark.parametrize("aggregation", ["strictest", "majority", "per_criterion_strictest"])
def test_the_samples_of_a_judge_are_one_opinion_a_tie_goes_to_the_stricter_and_a_gate_to_any_no(aggregation):
    three = [
        *verdicts("j", warm="YES", curious="NA", late="NO", safe="YES"),
        *verdicts("j#1", warm="NO", curious="YES", late=None, safe="NO"),
        *verdicts("j#2", warm="YES", curious="NA", late="YES", safe="YES"), *verdicts(plain="YES"),
    ]  # fmt: skip
    found = score(three, aggregation=aggregation)
    assert [found.answers[c] for c in ("warm", "curious", "late", "safe")] == ["YES", "NA", "NO", "NO"]


def test_reruns_of_one_judge_do_not_outvote_another():
    loud = [v for name in ("a", "a#1", "a#2") for v in verdicts(name, warm="YES")]
    two = verdicts("b", warm="NO") + verdicts("c", warm="NO")
    assert score(loud + two, aggregation="majority").answers["warm"] == "NO"


def test_disagreements_are_told_only_when_the_scores_lie_apart():
    one = {"warm": "YES", "curious": "YES", "late": "YES", "plain": "YES"}
    other = one | {"warm": "NO"}  # 0.8 against 1
    by_judge = {"a": one, "b": other}
    assert disagreements(by_judge, RUBRIC, 0.15) == ("warm",)
    assert disagreements(by_judge, RUBRIC, 0.25) == ()
    swapped = {"a": one | {"curious": "NO"}, "b": other}  # the same score, of other answers
    assert disagreements(swapped, RUBRIC, 0.15) == ()
    assert disagreements({"a": one}, RUBRIC, 0) == ()


def test_a_dispute_about_a_gate_is_told_however_near_the_scores():
    by_judge = {"a": {"warm": "YES", "safe": "YES"}, "b": {"warm": "YES", "safe": "NO"}}
    assert disagreements(by_judge, RUBRIC, 0.15) == ("safe",)


def test_a_verdict_given_twice_is_refused():
    with pytest.raises(RecordError, match="verdicts on t1: warm was answered 2 times by j"):
        score(verdicts(warm="YES") + verdicts(warm="NO"))


def test_a_verdict_off_the_rubric_is_refused():
    with pytest.raises(RecordError, match="verdicts on t1: cold is not in the rubric"):
        score(verdicts(cold="YES"))


def test_metrics_count_by_hand():
    talks = [transcript("t1"), transcript("t1", user_kind="authored"), transcript("t1", user_kind="replay")]
    cold = ALL_YES | {"safe": "NO", "warm": "NO"}
    found = [score(verdicts(**ALL_YES)), score(verdicts(**cold)), score(verdicts(plain="YES"))]
    tally = ScoreTally(RUBRIC)
    assert tally.metrics()["pass_rate"] is None
    for one, talk in zip(found, talks, strict=True):
        tally.add(one, talk.user_kind)
    metrics = tally.metrics()
    assert [metrics[k] for k in ("n_transcripts", "n_passed", "n_failed", "n_open")] == [3, 1, 1, 1]
    assert (metrics["pass_rate"], metrics["coverage_mean"]) == (0.5, 0.8)
    assert metrics["score_mean"] == pytest.approx((1 + 0.8 + 1) / 3, abs=1e-4)
    assert metrics["pass_rate_by_user"] == {"authored": 0.0, "replay": None, "simulated": 1.0}  # open: no rate
    assert metrics["yes_share_by_criterion"] == {"warm": 0.5, "curious": 1, "late": 1, "plain": 1, "safe": 0.5}


answers = st.fixed_dictionaries({c: st.sampled_from(["YES", "NO", "NA", None]) for c in IDS})
aggregations = st.sampled_from(["strictest", "majority", "per_criterion_strictest"])


@given(st.dictionaries(st.sampled_from("abc"), answers, max_size=3), aggregations)
def test_scores_and_coverage_lie_in_0_to_1(by_judge, aggregation):
    found = [v for j, a in by_judge.items() for v in verdicts(j, **{c: x for c, x in a.items() if c != "plain"})]
    result = score(found + verdicts(plain="YES"), aggregation=aggregation)
    assert 0 <= result.score <= 1 and 0 <= result.coverage <= 1
    assert set(result.unscored) == {c for c, a in result.answers.items() if a is None}
    assert (result.passed is None) == result.outcome.startswith("open")


@given(answers, st.sampled_from(IDS), st.booleans())
def test_turning_a_no_into_a_yes_never_lowers_the_score_nor_unmakes_a_pass(given_answers, turned, full):
    rubric = counting_full() if full else RUBRIC
    before = score(verdicts(**given_answers | {turned: "NO"}), rubric)
    after = score(verdicts(**given_answers | {turned: "YES"}), rubric)
    assert after.coverage == before.coverage
    if before.score is not None:
        assert after.score >= before.score
    assert not (before.passed is True and after.passed is not True)


@given(answers, aggregations)
def test_one_judge_is_taken_at_its_word_by_every_aggregation(given_answers, aggregation):
    assert combine({"a": given_answers}, RUBRIC, aggregation) == given_answers


@given(answers, answers)
def test_any_no_is_never_kinder_than_the_strictest_judge_on_no_s(one, other):
    by_judge = {"a": one, "b": other}
    strict = combine(by_judge, RUBRIC, "strictest")
    any_no = combine(by_judge, RUBRIC, "per_criterion_strictest")
    assert all(any_no[c] == "NO" for c in IDS if strict[c] == "NO")
    assert {c for c in IDS if strict[c] is None} == {c for c in IDS if any_no[c] is None}

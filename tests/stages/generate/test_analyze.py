"""The analysis on conversations whose failures were made on purpose."""

import json
from pathlib import Path

import numpy as np
import pytest

from stages.generate import analyze as stage
from stages.generate.analyze import Config, analyse
from tests.conftest import persona, rubric_fields, transcript
from tunewright.cases import Case, join_cases
from tunewright.config import load, read_yaml
from tunewright.document import to_markdown
from tunewright.errors import RecordError
from tunewright.failure_advice import Files, kind_of
from tunewright.failure_patterns import third, would_pass
from tunewright.generation_report import report
from tunewright.records import Verdict, write_jsonl
from tunewright.rubric import Rubric
from tunewright.scoring import ScoringConfig, score_transcript

ROOT = Path(__file__).parents[3]
CONFIG = load("generate.analyze", Config, ROOT / "params.yaml")
SCORING = ScoringConfig(
    aggregation="strictest",
    judge_trust="assumed",
    min_coverage=0.5,
    unscored_gates_pass=True,
    disagreement_spread=0.15,
    judge_agreement_min=0.8,
)
FILES = Files("rubric.yaml", "assistant.md", "personas.yaml", {"warm": 7})
FLAWS = ("yes_but", "blames", "rambles")


def verdict(talk, criterion, answer, evidence=(), **rest):
    judge = "measure" if criterion == "plain" else "judge"
    fields = {"transcript_id": talk.id, "criterion": criterion, "judge": judge, "answer": answer, "evidence": evidence}
    return Verdict.model_validate(fields | rest)


def case(rubric, number, answers, person=None, n=3, evidence=(), **rest):
    """A scored conversation; `answers` by criterion, YES where nothing is said."""
    person = person or persona(f"p{number}", flaws=[])
    talk = transcript(f"t{number}", n=n, persona_id=person.id, **rest)
    given = {c.id: answers.get(c.id, "YES") for c in rubric.criteria}
    found = [verdict(talk, c, a, evidence if a == "NO" else ()) for c, a in given.items() if a]
    return Case(talk, score_transcript(talk, found, rubric, SCORING, None), person, tuple(found))


def misses(rubric, criterion, count, of, **rest):
    return [case(rubric, n, {criterion: "NO"} if n < count else {}, **rest) for n in range(of)]


def run(cases, rubric, left_out=()):
    return analyse(cases, left_out, rubric, FILES, CONFIG)


def advice(found, criterion):
    return next(one for one in found.advice if one.criterion == criterion)


@pytest.fixture(scope="module")
def small():
    return Rubric.model_validate(rubric_fields())


@pytest.fixture(scope="module")
def pilot(small):
    """60 people in 6 batches. The flaw yes_but breaks `warm`, always in the last reply; `curious` copies `late`."""
    rng = np.random.default_rng(20260101)
    cases = []
    for number in range(1, 61):
        flaws = [{"id": flaw, "probability": 0.5} for flaw in FLAWS if rng.random() < 0.3]
        person = persona(
            f"p{number}", flaws=flaws, batch=1 + (number - 1) // 10, topic=["grief", "work"][number % 2],
            style=["terse", "casual", "formal"][number % 3],
        )  # fmt: skip
        has = any(flaw["id"] == "yes_but" for flaw in flaws)
        late = "NO" if rng.random() < 0.4 else "YES"
        answers = {"warm": "NO" if rng.random() < (0.9 if has else 0.05) else "YES", "late": late, "curious": late}
        cases.append(case(small, number, answers, person, n=6, evidence=(6,)))
    return run(cases, small)


def test_the_flaw_that_causes_failures_and_where_they_happen_are_named_and_nothing_else(pilot):
    flagged = {(g.criterion, g.dimension, g.value) for g in pilot.criterion_groups if g.flagged}
    turns = {(criterion, "turn", "late") for criterion in ("warm", "late", "curious")}  # the evidence is always reply 6
    assert flagged == {("warm", "flaw", "yes_but")} | turns


def test_the_two_criteria_that_copy_each_other_are_named_for_merging_and_no_other_pair(pilot):
    assert [(pair.left, pair.right) for pair in pilot.pairs if pair.redundant] == [("curious", "late")]
    assert len(pilot.merges) == 1 and "merge curious and late into one question" in pilot.merges[0]


def test_the_prompt_is_told_to_counter_the_flaw(pilot):
    found = advice(pilot, "warm")
    assert found.kind == "concentrated"
    assert any(c.startswith("assistant.md: add a counter for flaw yes_but: it misses warm (") for c in found.changes)
    assert any("warm breaks in late replies" in c for c in found.changes)


def test_the_report_says_what_to_change_before_it_counts_and_quotes_the_reply_that_was_named(pilot):
    text = to_markdown(report(pilot, CONFIG.shown_phi, CONFIG.groups_shown))
    assert text.index("## What to change") < text.index("## Why conversations fail") < text.index("## What was made")
    assert 'exchange 6: no reason given. Reply 6: "Which cat is it 6"' in text
    assert "| curious, late | +1.00 |" in text
    assert "60 new conversations: " in text and "No judged criterion was scored" not in text


def test_without_failures_nothing_is_claimed(small):
    found = run([case(small, n, {}) for n in range(8)], small)
    assert {one.kind for one in found.advice} == {"none"}
    assert not found.criterion_groups and not found.outcome_groups and not found.merges
    assert "Nothing follows from these conversations" in to_markdown(report(found, 0.4, 8))


def test_noise_alone_names_no_group_and_no_pair(small):
    rng = np.random.default_rng(7)
    cases = []
    for number in range(60):
        flaws = [{"id": flaw, "probability": 0.5} for flaw in FLAWS if rng.random() < 0.3]
        answers = {c: "NO" for c in ("warm", "curious", "late") if rng.random() < 0.3}
        cases.append(case(small, number, answers, persona(f"p{number}", flaws=flaws, batch=1 + number // 10)))
    found = run(cases, small)
    assert found.criterion_groups and not any(g.flagged for g in found.criterion_groups + found.outcome_groups)
    assert not found.merges


def test_a_failure_in_most_conversations_is_systemic_and_asks_for_a_rule_of_its_own(small):
    found = advice(run(misses(small, "warm", 9, 10), small), "warm")
    assert found.kind == "systemic" and "surely more than 30%" in found.why
    assert found.changes == (
        "assistant.md: no group stands out; give it a rule of its own for: Does the coach do warm?",
    )


def test_few_soft_failures_can_be_repaired_and_a_gate_never(small):
    assert advice(run(misses(small, "warm", 1, 10), small), "warm").kind == "few"
    found = advice(run(misses(small, "safe", 1, 10), small), "safe")
    assert found.kind == "gate" and "repair" not in " ".join(found.changes)


def test_two_answers_tell_nothing_about_a_criterion(small):
    found = run(misses(small, "warm", 2, 2), small)
    assert kind_of(found.patterns[0], [], CONFIG.advice) == ("cannot tell", "2 answers, 3 are needed")


def test_a_criterion_that_recorded_conversations_miss_too_is_suspect_itself(small):
    recorded = [case(small, 100 + n, {"warm": "NO"}, user_kind="authored") for n in range(6)]
    found = advice(run(misses(small, "warm", 9, 10) + recorded, small), "warm")
    assert found.changes == (
        "rubric.yaml, line 7: 6 of 6 recorded conversations miss it too; check the question or its bounds before the "
        "prompt",
    )


def test_recorded_conversations_are_in_no_rate_of_the_new_ones(small):
    recorded = [case(small, 100 + n, {"warm": "NO"}, user_kind="authored") for n in range(6)]
    warm = run(misses(small, "warm", 1, 4) + recorded, small).patterns[0]
    assert (warm.missed.count, warm.missed.n, warm.apart.count, warm.apart.n) == (1, 4, 6, 6)


def test_a_measure_that_is_broken_asks_for_its_rule_in_numbers(small):
    cases = []
    for n in range(4):
        talk = transcript(f"t{n}", persona_id=f"p{n}")
        found = tuple(verdict(talk, c.id, "YES") for c in small.criteria if c.id != "plain")
        found += (verdict(talk, "plain", "NO", values={"markup_share": 0.5}),)
        cases.append(Case(talk, score_transcript(talk, found, small, SCORING, None), persona(f"p{n}"), found))
    assert advice(run(cases, small), "plain").changes == (
        "assistant.md: on average markup_share is 0.50, wanted at most 0: state the rule in numbers, and show it in an "
        "exemplar",
    )


def test_a_length_that_only_one_style_breaks_puts_that_style_s_word_limits_in_doubt():
    fields = rubric_fields()
    fields["criteria"][3]["measure"] = {"length_ratio_mean": {"max": 2.0}}
    rubric = Rubric.model_validate(fields)
    people = [persona(f"p{n}", style="terse" if n < 10 else "casual", flaws=[]) for n in range(30)]
    cases = [case(rubric, n, {"plain": "NO"} if n < 9 else {}, person) for n, person in enumerate(people)]
    found = advice(run(cases, rubric), "plain")
    assert found.kind == "concentrated"
    assert found.changes[0] == "personas.yaml: length_ratio_mean fails for style terse; check that style's word limits"


def test_criteria_of_which_one_is_met_where_the_other_is_missed_contradict_each_other(small):
    cases = [case(small, n, {"warm" if n % 2 else "late": "NO"}) for n in range(30)]
    found = run(cases, small)
    assert [(pair.left, pair.right) for pair in found.pairs if pair.opposed] == [("warm", "late")]
    assert found.merges[0].startswith("rubric.yaml, line 7: warm and late contradict each other")


def test_a_gate_is_never_merged_and_pairs_never_answered_together_are_counted(small):
    cases = [
        case(small, n, {"safe": "NO", "warm": "NO", "curious": "NA"} if n % 3 else {"curious": "NA"}) for n in range(30)
    ]
    found = run(cases, small)
    assert [(p.left, p.right) for p in found.pairs if p.together.phi == pytest.approx(1.0)] == [("warm", "safe")]
    assert not found.merges
    assert found.n_never_together == 4  # curious with each of the four others


def test_without_a_new_conversation_the_recorded_ones_are_described_alone(small):
    found = run([case(small, n, {"warm": "NO"}, user_kind="authored") for n in range(3)], small)
    text = to_markdown(report(found, 0.4, 8))
    assert "0 new conversations, none of them decided" in text and "| authored | 3 | 9 |" in text
    assert {one.kind for one in found.advice} == {"cannot tell"}


def test_a_criterion_that_alone_keeps_a_conversation_from_passing_is_told(small):
    one, two = case(small, 1, {"plain": "NO"}), case(small, 2, {"plain": "NO", "warm": "NO", "curious": "NO"})
    # one: heart 1, form 0: 0.6. two: heart 1/3, form 0: 0.2; with plain met 0.6 * 1/3 + 0.4 = 0.6, under 0.7
    assert (one.score.score, two.score.score) == (0.6, 0.2)
    assert (would_pass(one, "plain", small), would_pass(two, "plain", small)) == (True, False)
    gate = case(small, 3, {"safe": "NO"})
    assert would_pass(gate, "safe", small)
    assert not would_pass(case(small, 4, {"safe": "NO", "plain": "NO"}), "plain", small)


def test_conversations_of_one_person_count_as_one_where_they_are_all_alike(small):
    same = persona("p1")
    cases = [case(small, n, {"warm": "NO"}, same) for n in range(6)]
    assert run(cases, small).patterns[0].missed.n_effective == 1.0


def test_a_third_is_a_third_of_the_conversation():
    assert [third(k, 6) for k in (1, 2, 3, 4, 5, 6)] == ["early", "early", "middle", "middle", "late", "late"]
    assert [third(k, 4) for k in (1, 2, 3, 4)] == ["early", "early", "middle", "late"]


def test_what_a_judge_wrote_stays_text_in_the_report(small):
    talk = transcript("t1", assistant="<b>Run</b> | [x](http://evil)", persona_id="p1")
    answers = {c.id: "NO" if c.id == "warm" else "YES" for c in small.criteria}
    found = tuple(verdict(talk, c, answer, (1,), reasoning="# **Shouts** | at") for c, answer in answers.items())
    one = Case(talk, score_transcript(talk, found, small, SCORING, None), persona("p1"), found)
    text = to_markdown(report(run([one], small), 0.4, 8))
    assert "<b>" not in text and "**Shouts**" not in text
    assert r"\<b\>Run\</b\> \| \[x\](http\://evil)" in text


def test_scores_of_another_run_are_an_error_in_words():
    with pytest.raises(RecordError, match="no score for t1.*dvc repro generate-scores"):
        join_cases([transcript("t1")], [], [], [])


@pytest.fixture
def folder(workspace):
    workspace.use_small_rubric()
    section = read_yaml(ROOT / "params.yaml")["generate"]["analyze"]
    workspace.write_params("generate.analyze", section)
    workspace.write_authored([persona("a1", source="authored")], [])
    small = Rubric.model_validate(rubric_fields())
    cases = [case(small, n, {"warm": "NO"} if n < 3 else {}, evidence=(2,)) for n in range(4)]
    write_jsonl("data/generate/personas.jsonl", [c.person for c in cases])
    dropped = transcript("t9", failure="the simulated user looped")
    write_jsonl("data/generate/transcripts.jsonl", [*[c.transcript for c in cases], dropped])
    write_jsonl("data/generate/verdicts.jsonl", [v for c in cases for v in c.verdicts])
    write_jsonl("data/generate/scores.jsonl", [c.score for c in cases])
    return workspace


def test_the_stage_writes_the_same_bytes_twice_and_counts_what_is_left_out(folder):
    names = [
        "reports/generation_stats.md", "data/generate/analyze.json", "metrics/generate-analyze.json",
        "plots/generate-analyze.json",
    ]  # fmt: skip
    stage.main()
    first = [Path(name).read_bytes() for name in names]
    stage.main()
    assert [Path(name).read_bytes() for name in names] == first
    assert "| the simulated user looped | 1 |" in first[0].decode()
    assert "warm: prompts/therapy/assistant.md: no group stands out" in first[0].decode()
    headline = json.loads(first[2])
    assert (headline["n_new"], headline["n_left_out"], headline["worst_criterion"]) == (4, 1, "warm")
    assert {"criterion": "warm", "missed": 0.75} in json.loads(first[3])


def test_a_score_without_its_transcript_s_verdicts_still_counts(folder):
    write_jsonl("data/generate/verdicts.jsonl", [])
    stage.main()
    assert json.loads(Path("data/generate/analyze.json").read_text("utf-8"))["patterns"][0]["missed"]["count"] == 3

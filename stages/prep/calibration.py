"""prep-calibration: labelled conversations that show where each criterion's line runs, and whole worked evaluations.

One call per criterion, one per worked evaluation. What is measured is computed here: an example of a measured criterion
must be labelled as it is counted, and a worked evaluation must come out as what it claims to be by the rubric's own
arithmetic.

Reads the brief, data/prep/<domain>/rubric.yaml and answers mended by hand. Writes data/prep/<domain>/calibration.yaml.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal

from pydantic import Field

from tunewright.calibration import (
    ANSWERS,
    REALISTIC_EXCHANGES,
    Calibration,
    CalibrationExample,
    Finding,
    Label,
    Turn,
    WorkedEvaluation,
    tidy,
)
from tunewright.config import PREP_PARAMS, Bounds, load, load_domain
from tunewright.config import Config as BaseConfig
from tunewright.draft_rules import count_faults, missing_faults, name_faults
from tunewright.drafting import Drafting, Expert, draft_folder, run_drafting, write_yaml
from tunewright.errors import run_main
from tunewright.prompts import render
from tunewright.records import Answer, Exchange, Transcript, Verdict
from tunewright.rubric import Criterion, Rubric, load_rubric
from tunewright.sources import plain_text
from tunewright.terminal import Stage
from tunewright.verdict_rules import needs_judge, rule_verdicts
from tunewright.worked import OUTCOMES, worked_outcome

PROMPT = "prompts/shared/draft_calibration.md"
WORKED_PROMPT = "prompts/shared/draft_worked.md"
LABELS: dict[str | None, Label] = {answer: label for label, answer in ANSWERS.items()}  # type: ignore[misc]
Kind = Literal["strong", "mediocre", "safety_violation"]
KINDS: tuple[Kind, ...] = ("strong", "mediocre", "safety_violation")


class Config(Drafting):
    """The method's numbers for calibration."""

    examples: Bounds
    realistic_min: int


class ExampleAnswer(BaseConfig):
    """One labelled conversation."""

    exchanges: tuple[Turn, ...] = Field(min_length=1)
    label: Label
    borderline: bool
    reason: str = Field(min_length=10)


class Examples(BaseConfig):
    """The answer for one criterion."""

    examples: tuple[ExampleAnswer, ...]


class FindingAnswer(Finding):
    """The answer of a worked evaluation for one criterion."""

    criterion: str


class Worked(BaseConfig):
    """The answer for one worked evaluation: the conversation, then a finding for each judged criterion."""

    exchanges: tuple[Turn, ...] = Field(min_length=1)
    findings: tuple[FindingAnswer, ...]


def example_faults(answer: Examples, criterion: Criterion, rubric: Rubric, config: Config) -> Iterator[str]:
    """Too few, a label or a borderline that is missing, none of realistic length, NA not allowed, a miscount."""
    examples = answer.examples
    yield from count_faults("examples", len(examples), config.examples)
    for label in ("pass", "fail"):
        if not any(e.label == label for e in examples):
            yield f"examples: none has label {label}"
    if not any(e.borderline for e in examples):
        yield "examples: none is borderline"
    if not criterion.na_allowed and any(e.label == "na" for e in examples):
        yield f"examples: label na, but {criterion.id} does not allow NA"
    realistic = sum(len(e.exchanges) >= REALISTIC_EXCHANGES for e in examples)
    wanted = Bounds(min=config.realistic_min)
    yield from count_faults(f"examples of {REALISTIC_EXCHANGES} exchanges or more", realistic, wanted)
    for number, example in enumerate(examples, 1):
        bounds = Bounds(min=criterion.min_exchanges)
        yield from count_faults(f"exchanges of example {number}", len(example.exchanges), bounds)
        ruled = {v.criterion: computed(v) for v in rule_verdicts(as_transcript(example.exchanges), rubric, (), True)}
        if (counted := ruled.get(criterion.id)) and counted.label != example.label:
            yield f"example {number}: label {example.label}, but it counts as {counted.label} ({counted.reason})"


def worked_faults(answer: Worked, kind: Kind, rubric: Rubric) -> Iterator[str]:
    """Findings that are missing or not allowed, and a whole that does not come out as its kind by the rubric."""
    transcript = as_transcript(answer.exchanges)
    judged = {c.id for c in rubric.criteria if needs_judge(c, transcript)}
    found = {f.criterion: f for f in answer.findings}
    yield from name_faults("findings", [f.criterion for f in answer.findings])
    yield from missing_faults("findings", found, judged)
    for criterion in rubric.criteria:
        if not criterion.na_allowed and criterion.id in found and found[criterion.id].label == "na":
            yield f"findings: {criterion.id} has label na, which it does not allow"
    yield from kind_faults(kind, all_findings(answer, rubric), rubric)


def kind_faults(kind: Kind, findings: dict[str, Finding], rubric: Rubric) -> Iterator[str]:
    """Whether the findings add up to what the kind says; measures that fail are named, with what was counted."""
    answers: dict[str, Answer] = {criterion: ANSWERS[finding.label] for criterion, finding in findings.items()}
    outcome, score = worked_outcome(answers, rubric)
    if outcome == OUTCOMES[kind]:
        return
    failed = [c for c in rubric.criteria if answers.get(c.id) == "NO"]
    counted = [f"{c.id} counted as fail: {findings[c.id].reason}" for c in failed if c.evaluator == "measure"]
    yield (
        f"a {kind} conversation must be: {OUTCOMES[kind]}; this one is: {outcome} (score {score:.2f}, threshold "
        f"{rubric.pass_threshold:.2f}; gates failed: {', '.join(c.id for c in failed if c.gate) or 'none'} of "
        f"{', '.join(g.id for g in rubric.gates)}; {'; '.join(counted) or 'no measure fails'})"
    )


def all_findings(answer: Worked, rubric: Rubric) -> dict[str, Finding]:
    """The model's findings, and those that need no model: measures, and criteria that the length leaves open."""
    given = {f.criterion: Finding(label=f.label, reason=f.reason) for f in answer.findings}
    transcript = as_transcript(answer.exchanges)
    ruled = {v.criterion: computed(v) for v in rule_verdicts(transcript, rubric, (), judged=True)}
    found = given | ruled
    return {c.id: found[c.id] for c in rubric.criteria if c.id in found}


def computed(verdict: Verdict) -> Finding:
    """A rule's verdict as a finding."""
    return Finding(label=LABELS[verdict.answer], reason=f"computed: {verdict.reasoning}")


def as_transcript(turns: Sequence[Turn]) -> Transcript:
    """Exchanges as a transcript that rules can be applied to."""
    exchanges = tuple(Exchange(user=tidy(t.user), assistant=tidy(t.assistant)) for t in turns)
    return Transcript(
        id="worked", domain="", persona_id="", user_kind="authored", assistant="", user="", exchanges=exchanges
    )


async def calibration(expert: Expert, config: Config, brief: str, rubric: Rubric) -> Calibration:
    """Examples of every criterion and the three worked evaluations, as many at once as the provider takes."""

    async def examples_of(criterion: Criterion) -> tuple[CalibrationExample, ...]:
        material = {"criterion": criterion, "lexicon": rubric.lexicon, "realistic": REALISTIC_EXCHANGES}
        messages = render(PROMPT, config=config, brief=brief, **material)
        check = partial(example_faults, criterion=criterion, rubric=rubric, config=config)
        answer = await expert.draft(f"examples_{criterion.id}", messages, Examples, check)
        return tuple(CalibrationExample(**e.model_dump()) for e in answer.examples)

    async def worked(kind: Kind) -> WorkedEvaluation:
        messages = render(WORKED_PROMPT, brief=brief, kind=kind, rubric=rubric, realistic=REALISTIC_EXCHANGES)
        check = partial(worked_faults, kind=kind, rubric=rubric)
        answer = await expert.draft(f"worked_{kind}", messages, Worked, check)
        return WorkedEvaluation(kind=kind, exchanges=answer.exchanges, findings=all_findings(answer, rubric))

    examples = await expert.draft_all(rubric.criteria, examples_of)
    found = {c.id: e for c, e in zip(rubric.criteria, examples, strict=True)}
    return Calibration(examples=found, worked=tuple(await expert.draft_all(KINDS, worked)))


def main() -> None:
    """Draft the calibration examples."""
    stage = Stage("prep-calibration")
    config, domain = load("prep.calibration", Config, PREP_PARAMS), load_domain(PREP_PARAMS)
    rubric = load_rubric(str(draft_folder(domain) / "rubric.yaml"))
    brief = plain_text(domain.brief)
    stage.start(f"{domain.id}, {len(rubric.criteria)} criteria and {len(KINDS)} worked evaluations")
    found, tally = run_drafting(config, domain, stage.address, lambda e: calibration(e, config, brief, rubric))
    comment = f"Where each criterion of {domain.id} draws its line: judges are tested on these before they count."
    write_yaml(draft_folder(domain) / "calibration.yaml", found, comment)
    stage.end(f"{sum(map(len, found.examples.values()))} examples of {len(found.examples)} criteria; {tally}")


if __name__ == "__main__":
    run_main(main)

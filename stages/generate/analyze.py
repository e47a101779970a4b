"""generate-analyze: why conversations fail, which criteria move together, and what to change.

Counts what generate-scores decided; no model call. Only the conversations that this run made (simulated and replayed)
are analysed: authored and imported ones are described apart, and show whether a criterion itself is at fault.

Reads data/generate/{personas,transcripts,simulator,verdicts,scores}.jsonl, the domain's rubric and authored personas.
Writes reports/generation_stats.md, data/generate/analyze.json (all its numbers), metrics/generate-analyze.json and
plots/generate-analyze.json (the share of NO by criterion).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from tunewright.authored import load_authored
from tunewright.cases import Case, by_batch, join_cases, pass_rate
from tunewright.co_failures import Redundancy, never_together, pairs
from tunewright.config import Domain, line_of, load, load_domain
from tunewright.document import to_markdown
from tunewright.errors import run_main
from tunewright.failure_advice import AdviceConfig, Files, advise, merges
from tunewright.failure_patterns import (
    PatternConfig,
    Quotes,
    criterion_groups,
    outcome_groups,
    pattern,
    repeated_failures,
    unscored_reasons,
)
from tunewright.generation_report import Analysis, report
from tunewright.records import Persona, Score, Transcript, Verdict, read_jsonl, write_json, write_text
from tunewright.rounding import as_json
from tunewright.rubric import Rubric, load_rubric
from tunewright.sound import GENERATED, read_sound
from tunewright.terminal import Stage


class Config(PatternConfig):
    """When a pattern is one, what follows from it, and how much of it is shown."""

    redundant: Redundancy
    advice: AdviceConfig
    examples: Quotes
    shown_phi: float = Field(ge=0, le=1)
    groups_shown: int = Field(ge=1)


def files_of(domain: Domain, rubric: Rubric) -> Files:
    """The files that a change would be made in, and the lines of the criteria."""
    lines = {c.id: line_of(Path(domain.rubric), ["criteria", str(i)]) for i, c in enumerate(rubric.criteria)}
    found = {criterion: line for criterion, line in lines.items() if line is not None}
    return Files(domain.rubric, str(Path(domain.prompts) / "assistant.md"), domain.personas, found)


def analyse(
    cases: Sequence[Case], left_out: Sequence[tuple[Transcript, str]], rubric: Rubric, files: Files, config: Config
) -> Analysis:
    """Everything that the report says."""
    new, apart = [case for case in cases if case.is_new], [case for case in cases if not case.is_new]
    patterns = [pattern(c, new, apart, rubric, config.confidence, config.examples) for c in rubric.criteria]
    found, together = criterion_groups(new, rubric, config), pairs(new, rubric, config.redundant, config.confidence)
    advice = [
        advise(c, p, [group for group in found if group.criterion == c.id], new, files, config.advice)
        for c, p in zip(rubric.criteria, patterns, strict=True)
    ]
    judged = {c.id for c in rubric.criteria if c.evaluator == "judge"}
    return Analysis(
        cases=cases,
        left_out=left_out,
        patterns=patterns,
        advice=advice,
        merges=merges(together, files),
        outcome_groups=outcome_groups(new, config),
        criterion_groups=found,
        pairs=together,
        n_never_together=never_together(together, rubric),
        unscored=unscored_reasons(new),
        repeated=repeated_failures(new),
        judged=any(case.score.answers.get(c) is not None for case in new for c in judged),
        confidence=config.confidence,
        alpha=config.alpha,
    )


def numbers_of(found: Analysis) -> dict[str, Any]:
    """data/generate/analyze.json: all counts, shares, tests and pairs."""
    batches = {str(number): pass_rate(cases, found.confidence) for number, cases in by_batch(found.new).items()}
    return as_json(
        {
            "n_new": len(found.new),
            "n_recorded": len(found.cases) - len(found.new),
            "pass_rate": pass_rate(found.new, found.confidence),
            "pass_rate_by_batch": batches,
            "patterns": found.patterns,
            "advice": found.advice,
            "merges": found.merges,
            "groups": [*found.outcome_groups, *found.criterion_groups],
            "pairs": found.pairs,
            "unscored": found.unscored,
            "left_out": [(one.id, reason) for one, reason in found.left_out],
        }
    )


def headline_numbers(found: Analysis) -> dict[str, Any]:
    """The few numbers that a person compares between experiments."""
    missed = [p for p in found.patterns if p.missed and p.missed.count]
    worst = max(missed, key=lambda p: p.missed.share if p.missed else 0.0, default=None)
    kinds = [one.kind for one in found.advice]
    return as_json(
        {
            "n_new": len(found.new),
            "n_left_out": len(found.left_out),
            "n_criteria_missed": len(missed),
            "n_systemic": kinds.count("systemic"),
            "n_groups_flagged": sum(g.flagged for g in (*found.outcome_groups, *found.criterion_groups)),
            "n_redundant_pairs": sum(pair.redundant for pair in found.pairs),
            "worst_criterion": worst.criterion if worst else None,
            "worst_missed_share": worst.missed.share if worst and worst.missed else None,
        }
    )


def main() -> None:
    """Analyse the scored conversations."""
    stage = Stage("generate-analyze")
    config, domain = load("generate.analyze", Config), load_domain()
    rubric = load_rubric(domain.rubric)
    sampled = read_jsonl("data/generate/personas.jsonl", Persona, "generate-personas")
    transcripts = read_sound("data/generate/transcripts.jsonl", "generate-transcripts", GENERATED)
    verdicts = read_jsonl("data/generate/verdicts.jsonl", Verdict, "generate-verdicts")
    scores = read_jsonl("data/generate/scores.jsonl", Score, "generate-scores")
    cases, left_out = join_cases(transcripts, scores, [*load_authored(domain)[0], *sampled], verdicts)
    stage.start(f"{sum(c.is_new for c in cases)} new conversations, {len(cases)} scored, {len(left_out)} left out")
    found = analyse(cases, left_out, rubric, files_of(domain, rubric), config)
    write_text("reports/generation_stats.md", to_markdown(report(found, config.shown_phi, config.groups_shown)))
    write_json("data/generate/analyze.json", numbers_of(found))
    headline = headline_numbers(found)
    write_json("metrics/generate-analyze.json", headline)
    plot = [{"criterion": p.criterion, "missed": p.missed.share} for p in found.patterns if p.missed]
    write_json("plots/generate-analyze.json", as_json(plot))
    counted = f"{headline['n_criteria_missed']} criteria missed, {headline['n_systemic']} systemic"
    stage.end(f"{counted}, {headline['n_groups_flagged']} groups stand out; see reports/generation_stats.md")


if __name__ == "__main__":
    run_main(main)

"""design-check: the domain's design against the method's checklist, before anything is generated from it.

Every check has a name, what was found, and the file to edit. An error stops the pipeline; a warning does not.

Reads the domain's taxonomy, personas, rubric, prompts and authored conversations, and the shared prompts.
Writes reports/design-check.md, metrics/design-check.json, and data/design/check.json: generation waits for that file
and not for the report, so that an edit which passes the check reruns nothing by itself.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from tunewright.authored import load_authored
from tunewright.config import Bounds, Domain, load, load_domain
from tunewright.config import Config as BaseConfig
from tunewright.errors import ConfigError, run_main
from tunewright.measures import measure, words
from tunewright.personas import PersonaTemplate, Taxonomy, load_taxonomy, load_template
from tunewright.prompts import PROMPT_ROLES, PROMPT_VARIABLES, roles, variables
from tunewright.records import Persona, Transcript, write_json, write_text
from tunewright.rubric import Rubric, load_rubric
from tunewright.terminal import Stage
from tunewright.verdict_rules import measured_verdict

JUDGE_PROMPT = "prompts/shared/judge.md"
VARIABLES = PROMPT_VARIABLES | {JUDGE_PROMPT: {"exchanges", "statistics", "criterion", "examples", "background"}}
ROLES = PROMPT_ROLES | {JUDGE_PROMPT: ["system", "user"]}
PLACEHOLDERS = ("TODO", "FIXME", "XXX", "<insert", "lorem ipsum")


class Config(BaseConfig):
    """The checklist's numbers."""

    criteria: Bounds
    categories: Bounds
    criteria_per_category: Bounds
    edge_case_share: Bounds
    pass_threshold: Bounds
    exemplars_min: int
    exchanges: Bounds
    flawless_share: Bounds
    measured_criteria_min: int


class Check(NamedTuple):
    """One line of the checklist, answered."""

    name: str
    passed: bool
    evidence: str
    edit: str
    level: Literal["error", "warning"] = "error"


def check_rubric(rubric: Rubric, config: Config, path: str) -> Iterator[Check]:
    """Numbers of criteria and categories, the threshold, gates, and measured criteria."""
    n = len(rubric.criteria)
    yield Check("number of criteria", config.criteria.holds(n), f"{n}, wanted {config.criteria}", path)
    n = len(rubric.categories)
    yield Check("number of categories", config.categories.holds(n), f"{n}, wanted {config.categories}", path)
    sizes = {c: len(rubric.in_category(c)) for c in rubric.categories}
    fits = all(config.criteria_per_category.holds(s) for s in sizes.values())
    listed = ", ".join(f"{c} {s}" for c, s in sizes.items())
    yield Check("criteria per category", fits, f"{listed}; wanted {config.criteria_per_category} each", path)
    threshold = rubric.pass_threshold
    yield Check(
        "pass threshold", config.pass_threshold.holds(threshold), f"{threshold:g}, wanted {config.pass_threshold}", path
    )
    yield Check("safety gates", bool(rubric.gates), ", ".join(g.id for g in rubric.gates) or "none", path)
    measured = [c.id for c in rubric.criteria if c.evaluator == "measure"]
    wanted = config.measured_criteria_min
    evidence = f"{len(measured)}: {', '.join(measured)}; wanted {wanted} or more"
    yield Check("measured criteria", len(measured) >= wanted, evidence, path)
    absent = [c.id for c in rubric.criteria if not c.gate and " avoid" in c.question.lower()]
    yield Check(
        "presence phrasing",
        not absent,
        f"asks for absence outside safety: {', '.join(absent) or 'none'}",
        path,
        "warning",
    )


def check_people(taxonomy: Taxonomy, template: PersonaTemplate, config: Config, domain: Domain) -> Iterator[Check]:
    """Edge-case share, styles, flaws."""
    share = taxonomy.edge_cases.share
    yield Check(
        "edge-case share",
        config.edge_case_share.holds(share),
        f"{share:.0%}, wanted {config.edge_case_share}",
        domain.taxonomy,
    )
    unknown = sorted(set(taxonomy.dimensions["style"]) ^ set(template.styles))
    yield Check(
        "styles have limits",
        not unknown,
        f"in only one of the two files: {', '.join(unknown) or 'none'}",
        domain.personas,
    )
    flawless = template.flaws.none_share
    yield Check(
        "people without flaws",
        config.flawless_share.holds(flawless),
        f"{flawless:.0%}, wanted {config.flawless_share}",
        domain.personas,
    )
    total = sum(t.weight for t in template.trajectory.values())
    yield Check("trajectory weights", abs(total - 1) < 1e-6, f"sum to {total:g}, wanted 1", domain.personas)


def check_prompts(domain: Domain) -> Iterator[Check]:
    """Every prompt is there, parses, asks for known variables only, and holds no placeholder."""
    for name, known in VARIABLES.items():
        path = name if "/" in name else str(Path(domain.prompts) / name)
        try:
            unknown = sorted(variables(path) - known)
            found = roles(path)
            text = Path(path).read_text("utf-8")
        except ConfigError as error:
            yield Check(f"prompt {name}", False, str(error), path)
            continue
        left = [p for p in PLACEHOLDERS if p.lower() in text.lower()]
        evidence = (
            f"unknown variables: {', '.join(unknown) or 'none'}; placeholders: {', '.join(left) or 'none'}; "
            f"messages: {', '.join(found)}, wanted {', '.join(ROLES[name])}"
        )
        fits = not unknown and not left and found == ROLES[name]
        yield Check(f"prompt {Path(name).name}", fits, evidence, path)


def check_exemplars(
    personas: list[Persona], transcripts: list[Transcript], rubric: Rubric, config: Config, domain: Domain
) -> Iterator[Check]:
    """Authored conversations: enough, of allowed length, with edge cases, within word limits, passing the measures."""
    path = f"{domain.authored}/transcripts.jsonl"
    yield Check(
        "authored conversations",
        len(transcripts) >= config.exemplars_min,
        f"{len(transcripts)}, wanted {config.exemplars_min} or more",
        path,
    )
    if not transcripts:
        return
    lengths = [len(t.exchanges) for t in transcripts]
    fits = all(config.exchanges.holds(n) for n in lengths)
    yield Check(
        "authored lengths", fits, f"{min(lengths)} to {max(lengths)} exchanges, wanted {config.exchanges}", path
    )
    by_id = {p.id: p for p in personas}
    share = sum(by_id[t.persona_id].edge_case is not None for t in transcripts) / len(transcripts)
    yield Check(
        "authored edge cases",
        config.edge_case_share.holds(share),
        f"{share:.0%}, wanted {config.edge_case_share}",
        path,
    )
    outside = [
        f"{t.id} exchange {n}"
        for t in transcripts
        for n, e in enumerate(t.exchanges, 1)
        if not by_id[t.persona_id].min_words <= len(words(e.user)) <= by_id[t.persona_id].max_words
    ]
    yield Check(
        "authored word limits",
        not outside,
        f"{len(outside)} user messages outside: {', '.join(outside[:3]) or 'none'}",
        path,
    )
    failing = [f"{t.id} ({c})" for t in transcripts for c in failed_measures(t, rubric)]
    yield Check(
        "exemplars pass measured criteria",
        not failing,
        f"{len(failing)} fail: {', '.join(failing[:5]) or 'none'}",
        path,
    )


def failed_measures(transcript: Transcript, rubric: Rubric) -> list[str]:
    """The measured criteria that a transcript fails."""
    values = measure(transcript.exchanges, rubric.lexicon)
    measured = [c for c in rubric.criteria if c.evaluator == "measure" and len(transcript.exchanges) >= c.min_exchanges]
    return [c.id for c in measured if measured_verdict(transcript, c, values).answer == "NO"]


def report(checks: list[Check]) -> str:
    """reports/design-check.md."""
    rows = "\n".join(
        f"| {c.name} | {'ok' if c.passed else c.level} | {c.evidence.replace('|', '/')} | `{c.edit}` |" for c in checks
    )
    n_failed = sum(not c.passed for c in checks)
    return (
        f"# Design check\n\n{len(checks)} checks, {n_failed} failed. Written by `dvc repro design-check`.\n\n"
        f"| check | result | evidence | file |\n|---|---|---|---|\n{rows}\n"
    )


def main() -> None:
    """Run the checklist; stop on errors."""
    stage = Stage("design-check")
    config, domain = load("design.check", Config), load_domain()
    rubric, taxonomy, template = (
        load_rubric(domain.rubric),
        load_taxonomy(domain.taxonomy),
        load_template(domain.personas),
    )
    stage.start(f"domain {domain.id}")
    checks = [
        *check_rubric(rubric, config, domain.rubric),
        *check_people(taxonomy, template, config, domain),
        *check_prompts(domain),
        *check_exemplars(*load_authored(domain), rubric, config, domain),
    ]
    errors = [c for c in checks if not c.passed and c.level == "error"]
    if errors:
        listed = "\n".join(f"  {c.edit}: {c.name}: {c.evidence}" for c in errors)
        raise ConfigError(
            f"the design of {domain.id} fails {len(errors)} of {len(checks)} checks:\n{listed}\n"
            "edit and run: dvc repro design-check"
        )
    write_text("reports/design-check.md", report(checks))
    write_json("data/design/check.json", {"domain": domain.id, "n_errors": 0})  # what generation waits for
    n_warnings = sum(not c.passed for c in checks)
    write_json("metrics/design-check.json", {"n_checks": len(checks), "n_errors": 0, "n_warnings": n_warnings})
    stage.end(f"{len(checks)} checks passed, {n_warnings} warnings")


if __name__ == "__main__":
    run_main(main)

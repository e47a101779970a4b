"""design-calibrate: can the judges be trusted, criterion by criterion?

Every judge answers the domain's calibration examples and worked evaluations (never shown the one it answers), good
conversations with one planted flaw at different places, and what people have labelled, `samples` times each. Where it
is not shown to do better than a constant answer its verdicts will not count, and it is not asked. It is asked in calls
of the same kind as later: where those hold several criteria, the labelled one stands among the others, and several
labels on one conversation cost one call.

Reads the domain's rubric, calibration.yaml, planted.yaml, authored conversations and reviews/, and the judge prompt.
Writes reports/judge-calibration.md, data/design/judge-trust.json (who counts where), data/design/calibrate.json (all
numbers), data/design/calibration_answers.jsonl, metrics/design-calibrate.json and plots/design-calibrate.json.
data/design/calibrated.json is what generation waits for: it changes only with the domain.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from pydantic import Field

from tunewright.agreement import Agreement, Reading, TrustRules, agreement, decide_trust
from tunewright.authored import load_authored
from tunewright.calibration import by_criterion, labelled_examples, load_calibration, load_planted
from tunewright.calibration_items import CalibrationAnswer, Item, example_items, person_items, planted_items
from tunewright.calibration_report import Calibrated, calibration_report, planted_rates, quote_counts
from tunewright.config import Domain, load, load_domain
from tunewright.document import to_markdown
from tunewright.errors import ConfigError, run_main
from tunewright.items import refuse_many_failures
from tunewright.judge_answers import AskingConfig
from tunewright.judge_asking import Asking, ask_batch, batches
from tunewright.labels import FromPeople, Which, labelled_by_people
from tunewright.llm import Client
from tunewright.models import Judge, Judges
from tunewright.planted import Length, plants
from tunewright.records import Verdict, write_json, write_jsonl, write_text
from tunewright.rubric import Criterion, Rubric, load_rubric
from tunewright.runner import Job, run, run_jobs
from tunewright.scoring import ScoringConfig
from tunewright.terminal import Stage
from tunewright.trust import TRUST_FILE, Trust
from tunewright.verdict_rules import allowed_answer, needs_judge

REPORT = "reports/judge-calibration.md"


class Config(AskingConfig):
    """Who is asked, how, how often, what, and when that is enough."""

    judges: Judges
    samples: int = Field(ge=1)
    examples_per_criterion: int | None = Field(ge=0)  # None: all
    planted_flaws: int = Field(ge=0)  # of each criterion
    planted_lengths: tuple[Length, ...]
    labels: Which  # of people: who sees the judges leans towards them
    max_failed_share: float = Field(ge=0, le=1)
    trust: TrustRules
    scoring: ScoringConfig


def gather(config: Config, domain: Domain, rubric: Rubric) -> tuple[list[Item], Asking, FromPeople]:
    """All items, how they are asked, and what people's labels give."""
    authored = load_authored(domain)[1]
    calibration = load_calibration(domain.calibration)
    examples = by_criterion(labelled_examples(calibration, authored, domain.calibration))
    planted = load_planted(domain.planted)
    pairs = plants(planted, authored, config.planted_lengths, config.planted_flaws, domain.planted)
    people = labelled_by_people(domain.reviews, rubric, config.labels)
    items = example_items(examples, rubric, config.examples_per_criterion)
    items += planted_items(list(pairs), rubric) + person_items(people.labelled, rubric)
    return items, Asking(rubric, config, examples), people


async def answer_all(
    client: Client, items: Sequence[Item], asking: Asking, config: Config, advance: Callable[[], None]
) -> dict[tuple[str, str], list[Verdict]]:
    """Verdicts by (judge, item), one per sample, with the answers as scoring takes them."""
    work = [(judge, item) for judge in config.judges for item in items]
    jobs = [
        Job(
            item.transcript.source_id or item.transcript.id,
            answer,
            (judge, item, asking, config.samples),
            can_wait=True,
        )
        for judge, item in work
    ]
    answers = await run_jobs(client, jobs, config.judges, advance)
    return {(judge.name, item.id): found for (judge, item), found in zip(work, answers, strict=True)}


async def answer(client: Client, judge: Judge, item: Item, asking: Asking, samples: int) -> list[Verdict]:
    """What a judge says of one item, sample by sample, as scoring takes it."""
    batch = batch_of(item, asking)
    n, criterion = next((n, c) for n, c in enumerate(batch) if c.id == item.labelled.criterion)
    asks = [
        partial(ask_batch, client, judge, item.transcript, batch, sample, asking, but=item.labelled)
        for sample in range(samples)
    ]
    verdicts = [found[n] for found in await client.in_turn(judge, asks)]
    return [v.model_copy(update={"answer": allowed_answer(v.answer, criterion)}) for v in verdicts]


def batch_of(item: Item, asking: Asking) -> list[Criterion]:
    """The criteria of the call in which an item's criterion is asked: those that would be asked of its conversation."""
    labelled = item.labelled.criterion
    asked = [c for c in asking.rubric.safety_first if c.id == labelled or needs_judge(c, item.transcript)]
    return next(b for b in batches(asked, asking.rules.batching) if any(c.id == labelled for c in b))


def readings_of(judge: str, items: Sequence[Item], verdicts: dict[tuple[str, str], list[Verdict]]) -> list[Reading]:
    """What one judge answered, beside what is right."""
    return [Reading(i.id, i.cluster, i.labelled.answer, tuple(v.answer for v in verdicts[judge, i.id])) for i in items]


def answer_records(
    config: Config, items: Sequence[Item], verdicts: dict[tuple[str, str], list[Verdict]]
) -> list[CalibrationAnswer]:
    """Every answer with its reasoning, for people to read."""
    return [
        CalibrationAnswer(
            judge=judge.name,
            item=item.id,
            criterion=item.labelled.criterion,
            kind=item.kind,
            borderline=item.labelled.borderline,
            expected=item.labelled.answer,
            sample=sample,
            answer=verdict.answer,
            evidence=verdict.evidence,
            quotes=verdict.quotes,
            misquotes=verdict.misquotes,
            reasoning=verdict.reasoning,
            unscored=verdict.unscored,
        )
        for judge in config.judges
        for item in items
        for sample, verdict in enumerate(verdicts[judge.name, item.id])
    ]


def calibrate(config: Config, items: Sequence[Item], verdicts: dict[tuple[str, str], list[Verdict]]) -> Calibrated:
    """Agreement and trust of every judge, in all and per criterion."""
    per_criterion: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        per_criterion[item.labelled.criterion].append(item)
    overall: dict[str, Agreement] = {}
    detail: dict[str, dict[str, Agreement]] = {}
    trust: Trust = {}
    for judge in config.judges:
        overall[judge.name] = agreement(readings_of(judge.name, items, verdicts), config.trust.confidence)
        detail[judge.name] = {
            criterion: agreement(readings_of(judge.name, found, verdicts), config.trust.confidence)
            for criterion, found in per_criterion.items()
        }
        trust[judge.name] = {c: decide_trust(found, config.trust) for c, found in detail[judge.name].items()}
    return Calibrated(overall, detail, trust, config.trust.confidence)


def scorable(trust: Trust, rubric: Rubric) -> tuple[float, list[str]]:
    """The share of the rubric's weight that can be scored (0 to 1), and the gates that cannot."""
    counts = {c.id for c in rubric.criteria if c.evaluator == "measure"}
    counts |= {c for by in trust.values() for c, decision in by.items() if decision.trusted}
    weight = sum(rubric.criterion_weight(c) for c in rubric.criteria if c.id in counts)
    return weight, [g.id for g in rubric.gates if g.id not in counts]


def refuse_unscorable(share: float, open_gates: Sequence[str], scoring: ScoringConfig) -> None:
    """Raise ConfigError where no conversation could pass: better now than after generation has been paid."""
    if scoring.judge_trust == "assumed":
        return
    lacks = []
    if share < scoring.min_coverage - 1e-9:
        lacks.append(f"trusted judges and measures cover {share:.0%} of the rubric's weight, the preset needs "
                     f"{scoring.min_coverage:.0%} (min_coverage)")  # fmt: skip
    if open_gates and not scoring.unscored_gates_pass:
        lacks.append(f"no judge is trusted on the gates {', '.join(open_gates)} (unscored_gates_pass is false)")
    if lacks:
        raise ConfigError(
            f"no conversation could pass: {'; '.join(lacks)}. {REPORT} says which criteria and judges to mend; or "
            "take the judges at your word with generate.scores.judge_trust=assumed"
        )


def metrics(
    found: Calibrated, items: Sequence[Item], verdicts: Any, share: float, people: FromPeople
) -> dict[str, Any]:
    """The headline numbers of each judge, and of the labels that it was tested on."""
    judges = {}
    for name, a in found.overall.items():
        planted = planted_rates(name, items, verdicts)
        n_quotes, n_misquotes = quote_counts(name, verdicts)
        judges[name] = {
            "n": a.n,
            "accuracy": _rounded(a.accuracy),
            "baseline": _rounded(a.baseline),
            "kappa": _rounded(a.kappa),
            "kappa_low": _rounded(a.kappa_low),
            "kappa_high": _rounded(a.kappa_high),
            "flip_share": _rounded(a.flip_share),
            "sensitivity": _rounded(planted.sensitivity),
            "specificity": _rounded(planted.specificity),
            "n_quotes": n_quotes,
            "n_quotes_not_found": n_misquotes,
            "n_trusted": sum(d.trusted for d in found.trust[name].values()),
            "n_criteria": len(found.trust[name]),
        }
    labels = {"n": sum(item.kind == "person" for item in items), "n_blind": people.n_blind} | {
        f"n_{why}": n for why, n in people.dropped.items()
    }
    return {"judges": judges, "scorable_share": round(share, 4), "labels": labels}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def confusion(items: Sequence[Item], verdicts: dict[tuple[str, str], list[Verdict]]) -> list[dict[str, str]]:
    """A row for every answer of every judge: what is right, what was said."""
    right = {item.id: item.labelled.answer for item in items}
    return [
        {"judge": judge, "actual": right[item], "predicted": verdict.answer or "no answer"}
        for (judge, item), found in verdicts.items()
        for verdict in found
    ]


def main() -> None:
    """Ask, compare, decide, report."""
    stage = Stage("design-calibrate")
    config, domain = load("design.calibrate", Config), load_domain()
    rubric = load_rubric(domain.rubric)
    items, asking, people = gather(config, domain, rubric)
    client = Client.from_params()
    stage.start(f"{len(items)} items, {len(config.judges)} judge(s), {config.samples} sample(s) each")
    work = partial(answer_all, client, items, asking, config)
    verdicts = run(client, "calibrating", len(items) * len(config.judges), work)
    client.close()
    failed = [v.unscored for found in verdicts.values() for v in found if v.unscored]
    n_asked = len(verdicts) * config.samples
    refuse_many_failures(failed, n_asked, config.max_failed_share, "calibration answers")
    found = calibrate(config, items, verdicts)
    share, open_gates = scorable(found.trust, rubric)
    write_json(TRUST_FILE, {j: {c: d.model_dump() for c, d in by.items()} for j, by in found.trust.items()})
    numbers = {
        j: {"all": asdict(found.overall[j])} | {c: asdict(a) for c, a in by.items()} for j, by in found.detail.items()
    }
    write_json("data/design/calibrate.json", numbers)
    write_jsonl("data/design/calibration_answers.jsonl", answer_records(config, items, verdicts))
    write_json("metrics/design-calibrate.json", metrics(found, items, verdicts, share, people))
    write_json("plots/design-calibrate.json", confusion(items, verdicts))
    how = (config.scoring.judge_trust, config.batching)
    report = calibration_report(found, items, verdicts, rubric, people, (share, open_gates), *how)
    write_text(REPORT, to_markdown(report))
    write_json("data/design/calibrated.json", {"domain": domain.id})
    trusted = ", ".join(f"{j} {sum(d.trusted for d in by.values())} of {len(by)}" for j, by in found.trust.items())
    stage.end(f"criteria trusted: {trusted}; {share:.0%} of the weight can be scored; {client.tally}")
    refuse_unscorable(share, open_gates, config.scoring)


if __name__ == "__main__":
    run_main(main)

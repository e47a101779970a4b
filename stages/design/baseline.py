"""design-baseline: how well does the base model do before any tuning, and is tuning worth it?

The base model meets people of the taxonomy under the system prompt that it would be trained with; its conversations
are judged and scored as all others are. Recorded people come from the holdout split, so that the evaluation after
training meets the same ones again and its base side is already paid for.

Reads models/gguf/base.gguf, the domain's rubric, prompts, taxonomy, persona template, calibration examples and authored
conversations, data/design/judge-trust.json. Writes reports/base-model-eval.md, metrics/design-baseline.json and
data/design/baseline/{transcripts,verdicts,scores}.jsonl.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass

from pydantic import Field, model_validator

from tunewright.authored import load_authored
from tunewright.config import Config as BaseConfig
from tunewright.config import Domain, load, load_domain
from tunewright.document import Block, Heading, Table, Text, to_markdown
from tunewright.encounters import Encounters
from tunewright.errors import run_main
from tunewright.items import refuse_many_failures
from tunewright.judging import (
    Asking,
    JudgingConfig,
    examples_for_judges,
    judge_transcripts,
    refuse_failed_judges,
    sampled_ids,
)
from tunewright.llm import Client
from tunewright.models import ModelSpec
from tunewright.personas import load_taxonomy, load_template, sample_persona
from tunewright.records import Persona, Score, Transcript, Verdict, stable_unit, write_json, write_jsonl, write_text
from tunewright.rubric import Rubric, load_rubric
from tunewright.runner import run_jobs
from tunewright.scoring import ScoringConfig, score_transcript
from tunewright.splits import Shares, split_of
from tunewright.statistics import wilson_interval
from tunewright.terminal import Stage, bar
from tunewright.trust import ASSUMED, load_trust

FOLDER = "data/design/baseline"


class Thresholds(BaseConfig):
    """Pass rates (0 to 1) between which the decision changes."""

    moderate_gain: float = Field(gt=0, lt=1)
    reconsider: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _in_order(self) -> "Thresholds":
        if self.moderate_gain >= self.reconsider:
            raise ValueError(f"moderate_gain {self.moderate_gain:g} must be below reconsider {self.reconsider:g}")
        return self


class Config(BaseConfig):
    """Who the base model meets, who judges, and what follows."""

    base: ModelSpec
    scenarios: int = Field(ge=2)
    encounters: Encounters
    shares: Shares
    verdicts: JudgingConfig
    scoring: ScoringConfig
    thresholds: Thresholds
    confidence: float = Field(gt=0, lt=1)


@dataclass(frozen=True)
class Outcome:
    """The pass rate over scenarios that were decided, and what it means."""

    n_scenarios: int
    n_decided: int
    n_passed: int
    pass_rate: float | None
    low: float | None
    high: float | None
    decision: str
    reason: str


def people(config: Config, domain: Domain, authored: list[Persona]) -> list[Persona]:
    """The scenarios' people: authored ones of the holdout split (replay), or new ones from the taxonomy (simulated)."""
    seed = config.encounters.seed
    if config.encounters.user_kind == "replay":
        held_out = [p for p in authored if split_of(p.id, config.shares, seed) == "holdout"]
        chosen = sorted(held_out, key=lambda p: stable_unit("evaluate", seed, p.id))[: config.scenarios]
        return sorted(chosen, key=lambda p: p.id)
    taxonomy, template = load_taxonomy(domain.taxonomy), load_template(domain.personas)
    return [sample_persona(n, "baseline", seed, taxonomy, template) for n in range(1, config.scenarios + 1)]


def decide(scores: list[Score], n_scenarios: int, config: Config) -> Outcome:
    """The method's decision by pass rate, and which others the interval leaves open."""
    decided = [s.passed for s in scores if s.passed is not None]
    n, passed = len(decided), decided.count(True)
    if not n:
        reasons = Counter(s.outcome for s in scores).most_common(1)
        why = f"no scenario was decided ({reasons[0][0]})" if reasons else "no scenario was scored"
        return Outcome(n_scenarios, 0, 0, None, None, None, "cannot tell", why)
    low, high = wilson_interval(passed, n, config.confidence)
    decision, meaning = level(passed / n, config.thresholds)
    marks = (config.thresholds.moderate_gain, config.thresholds.reconsider)
    within = [low, *(mark for mark in marks if low < mark < high), high]
    ends = {level(rate, config.thresholds)[0] for rate in within} - {decision}
    doubt = f"; the interval does not exclude: {', '.join(sorted(ends))}" if ends else "; so says the whole interval"
    reason = f"{passed} of {n} passed ({config.confidence:.0%} interval {low:.0%} to {high:.0%}): {meaning}{doubt}"
    return Outcome(n_scenarios, n, passed, passed / n, low, high, decision, reason)


def level(pass_rate: float, thresholds: Thresholds) -> tuple[str, str]:
    """The decision at a pass rate, and what it means."""
    if pass_rate > thresholds.reconsider:
        return "reconsider tuning", f"above {thresholds.reconsider:.0%} the base model may be good enough as it is"
    if pass_rate >= thresholds.moderate_gain:
        return "tune, moderate gain", f"from {thresholds.moderate_gain:.0%} on there is room for a moderate gain"
    return "tune, large gain", f"below {thresholds.moderate_gain:.0%} a large gain can be expected"


def report(
    outcome: Outcome, scores: list[Score], talks: list[Transcript], rubric: Rubric, config: Config
) -> list[Block]:
    """reports/base-model-eval.md."""
    coverage = sum(s.coverage for s in scores) / len(scores) if scores else 0.0
    n_replies, n_cut = sum(len(t.exchanges) for t in talks), sum(e.cut for t in talks for e in t.exchanges)
    rests = [
        ("scenarios", str(outcome.n_scenarios)),
        ("of these decided", str(outcome.n_decided)),
        ("failed conversations", str(sum(t.failure is not None for t in talks))),
        ("user", config.encounters.user_kind),
        ("exchanges", str(n_replies)),
        ("replies cut off by max_tokens", str(n_cut)),
        ("rubric weight that was scored, mean", f"{coverage:.0%}"),
        ("safety gates not scored anywhere", ", ".join(_never_scored(scores, rubric)) or "none"),
        ("pass threshold", f"{rubric.pass_threshold:.2f}"),
    ]
    return [
        Heading("Before tuning: the base model on this domain", 1),
        Text(f"Decision: {outcome.decision}.", "lead"),
        Text(f"{outcome.reason[:1].upper()}{outcome.reason[1:]}."),
        Heading("What that rests on"),
        Table(("what", "value"), rests),
        Text(_caveat(coverage, scores, rubric, config), "note"),
        Heading("Where it fails"),
        Table(("criterion", "met", "of"), _by_criterion(scores, rubric)),
    ]


def _never_scored(scores: list[Score], rubric: Rubric) -> list[str]:
    return [g.id for g in rubric.gates if all(s.answers[g.id] is None for s in scores)]


def _caveat(coverage: float, scores: list[Score], rubric: Rubric, config: Config) -> str:
    judged = any(s.answers[c.id] is not None for s in scores for c in rubric.criteria if c.evaluator == "judge")
    if not judged:
        return (
            "Only measured criteria were scored: this speaks of the form of the replies, not of their sense or safety."
        )
    if config.scoring.judge_trust == "assumed":
        return ASSUMED
    counted = "All that is scored was counted or answered by judges that calibration trusts"
    return f"{counted}; the rest of the rubric is open." if coverage < 1 else f"{counted}: the whole rubric."


def _by_criterion(scores: list[Score], rubric: Rubric) -> list[tuple[str, str, str]]:
    """Criteria by the share of scenarios that meet them, the worst first; those never answered are left out."""
    rows = []
    for criterion in rubric.criteria:
        found = [s.answers[criterion.id] for s in scores if s.answers[criterion.id] in ("YES", "NO")]
        if found:
            rows.append((found.count("YES") / len(found), criterion.id, len(found)))
    return [(name, f"{share:.0%}", str(n)) for share, name, n in sorted(rows)]


async def converse_and_judge(
    client: Client, config: Config, domain: Domain, rubric: Rubric
) -> tuple[list[Transcript], list[Verdict]]:
    """The base model's conversations and all verdicts on them."""
    authored, recorded = load_authored(domain)
    cast = config.encounters.cast(domain, config.base)
    jobs = config.encounters.conversations(cast, people(config, domain, authored), recorded)
    with bar("conversations", len(jobs)) as progress:
        talks = await run_jobs(client, jobs, [config.encounters.user, config.base], progress.advance)
    failures = [t.failure for t in talks if t.failure]
    refuse_many_failures(failures, len(talks), config.encounters.max_failed_share, "conversations")
    judging = config.verdicts
    examples = examples_for_judges(domain, judging.example_words)
    asking = Asking(rubric, judging.reasks, judging.reasoning_chars, judging.example_words, examples)
    trust = load_trust() if judging.judge_trust == "calibrated" else None
    ids = sampled_ids(talks, judging.judged_transcripts)
    verdicts = await judge_transcripts(client, talks, asking, ids, judging, trust)
    refuse_failed_judges(verdicts, trust, judging.max_failed_share)
    return talks, verdicts


def main() -> None:
    """Let the base model converse, judge it, decide."""
    stage = Stage("design-baseline")
    config, domain = load("design.baseline", Config), load_domain()
    rubric, client = load_rubric(domain.rubric), Client.from_params()
    stage.start(f"{config.scenarios} scenarios, {config.encounters.user_kind} user, {config.base.model}")
    talks, verdicts = asyncio.run(converse_and_judge(client, config, domain, rubric))
    client.close()
    trust = load_trust() if config.scoring.judge_trust == "calibrated" else None
    whole = [t for t in talks if t.failure is None and t.exchanges]
    on = {t.id: [v for v in verdicts if v.transcript_id == t.id] for t in whole}
    scores = [score_transcript(t, on[t.id], rubric, config.scoring, trust) for t in whole]
    outcome = decide(scores, len(talks), config)
    write_jsonl(f"{FOLDER}/transcripts.jsonl", talks)
    write_jsonl(f"{FOLDER}/verdicts.jsonl", verdicts)
    write_jsonl(f"{FOLDER}/scores.jsonl", scores)
    means = [s.score for s in scores if s.score is not None]
    metrics = {
        "n_scenarios": outcome.n_scenarios,
        "n_decided": outcome.n_decided,
        "pass_rate": _rounded(outcome.pass_rate),
        "pass_rate_low": _rounded(outcome.low),
        "pass_rate_high": _rounded(outcome.high),
        "score_mean": _rounded(sum(means) / len(means)) if means else None,
        "decision": outcome.decision,
    }
    write_json("metrics/design-baseline.json", metrics)
    write_text("reports/base-model-eval.md", to_markdown(report(outcome, scores, talks, rubric, config)))
    stage.end(f"{outcome.decision}: {outcome.reason}; {client.tally}")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


if __name__ == "__main__":
    run_main(main)

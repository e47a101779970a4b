"""Verdicts: every criterion of the rubric answered for every transcript, by measures and by judges.

A measured criterion is computed. A judged one is one model call per criterion and judge, with the transcript first
and the criterion last: an edited criterion then costs its own calls alone, and the provider's prefix cache serves
the transcript to all but the first. Within one transcript calls follow one another for that reason.

A judge is asked only where design-calibrate trusts it, and may be shown worked examples of the criterion.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from tunewright.authored import load_authored
from tunewright.calibration import Labelled, by_criterion, labelled_examples, load_calibration, shown_to_judge
from tunewright.config import Config, Domain, load_domain
from tunewright.items import ItemFailure, refuse_many_failures
from tunewright.llm import Client
from tunewright.measures import STATISTICS, measure
from tunewright.models import Judge, Judges
from tunewright.prompts import ChatMessage, render
from tunewright.records import RULES, Transcript, Verdict, read_jsonl, stable_unit, write_jsonl
from tunewright.rubric import Criterion, Rubric, load_rubric
from tunewright.runner import Job, run_jobs
from tunewright.terminal import Stage, bar
from tunewright.trust import JudgeTrust, Trust, load_trust, why_untrusted
from tunewright.verdict_rules import NOT_SAMPLED, needs_judge, rule_verdicts, unscored_verdict

JUDGE_PROMPT = "prompts/shared/judge.md"


class JudgeAnswer(BaseModel):
    """What a judge must answer, evidence and reasoning before the answer."""

    model_config = ConfigDict(extra="ignore")
    evidence: list[int] = Field(max_length=12, description="numbers of the exchanges that decide it")
    reasoning: str = Field(description="one or two sentences on what those exchanges show")
    answer: Literal["YES", "NO", "NA"]


class JudgingConfig(Config):
    """How verdicts are made: the params of generate.verdicts and evaluate.verdicts."""

    judges: Judges
    judge_trust: JudgeTrust
    judged_transcripts: int | None  # None: all
    samples: int = Field(ge=1)
    reasks: int = Field(ge=0)
    reasoning_chars: int = Field(ge=20)
    example_words: int = Field(ge=0)  # calibration examples shown with a criterion, in words
    max_failed_share: float = Field(ge=0, le=1)


class Asking(NamedTuple):
    """How one question is put to a judge."""

    rubric: Rubric
    reasks: int
    reasoning_chars: int
    example_words: int
    examples: Mapping[str, Sequence[Labelled]]  # by criterion


async def judge_transcripts(
    client: Client,
    transcripts: Sequence[Transcript],
    asking: Asking,
    judged_ids: set[str],
    config: JudgingConfig,
    trust: Trust | None,
    advance: Callable[[], None] = lambda: None,
) -> list[Verdict]:
    """All verdicts, ordered by transcript, criterion, judge, sample. Failed transcripts get none.

    A judge that `trust` (None: all are trusted) does not hold good for a criterion is not asked.
    """
    judges, rubric = config.judges, asking.rubric
    whole = [t for t in transcripts if t.failure is None and t.exchanges]
    jobs = [
        Job(t.id, judge_transcript, (j, t, asking, config.samples, trust))
        for t in whole
        if t.id in judged_ids
        for j in judges
    ]
    judged = await run_jobs(client, jobs, judges, advance)
    by_transcript: dict[str, list[Verdict]] = {
        t.id: rule_verdicts(t, rubric, [j.name for j in judges], t.id in judged_ids) for t in whole
    }
    for verdicts in judged:
        for verdict in verdicts:
            by_transcript[verdict.transcript_id].append(verdict)
    position = {c.id: n for n, c in enumerate(rubric.safety_first)}
    return [v for t in whole for v in sorted(by_transcript[t.id], key=lambda v: (position[v.criterion], v.judge))]


async def judge_transcript(
    client: Client, judge: Judge, transcript: Transcript, asking: Asking, samples: int, trust: Trust | None
) -> list[Verdict]:
    """One judge's verdicts on one transcript, criteria in turn: each finds the transcript in the prefix cache."""
    verdicts = []
    for criterion in asking.rubric.safety_first:
        if not needs_judge(criterion, transcript):
            continue
        if reason := why_untrusted(trust, judge.name, criterion.id):
            verdicts.append(unscored_verdict(transcript, criterion, judge.name, reason))
            continue
        for sample in range(samples):
            verdicts.append(await ask(client, judge, transcript, criterion, sample, asking))
    return verdicts


async def ask(
    client: Client,
    judge: Judge,
    transcript: Transcript,
    criterion: Criterion,
    sample: int,
    asking: Asking,
    but: Labelled | None = None,
) -> Verdict:
    """One judge's answer to one criterion; a failure is an unscored verdict.

    `but`: a calibration example that is itself the question, and so is not among those shown.
    """
    who = f"{judge.name}#{sample}" if sample else judge.name
    shown = shown_to_judge(
        asking.examples.get(criterion.id, ()), asking.example_words, transcript.source_id or transcript.id, but
    )
    messages = judge_messages(transcript, criterion, asking.rubric, shown)
    schema = answer_schema(asking.reasoning_chars)
    try:
        found = await client.structured(
            judge, messages, JudgeAnswer, schema=schema, reasks=asking.reasks, sample=sample
        )
    except ItemFailure as failure:
        return unscored_verdict(transcript, criterion, who, f"judge failed: {failure}")
    evidence = tuple(sorted({n for n in found.evidence if 1 <= n <= len(transcript.exchanges)}))
    return Verdict(
        transcript_id=transcript.id,
        criterion=criterion.id,
        judge=who,
        answer=found.answer,
        evidence=evidence,
        reasoning=" ".join(found.reasoning.split()),
    )


def answer_schema(reasoning_chars: int) -> dict[str, Any]:
    """The JSON schema of JudgeAnswer with a limit on the reasoning: a weak model runs on until its tokens end."""
    schema = JudgeAnswer.model_json_schema()
    schema["properties"]["reasoning"]["maxLength"] = reasoning_chars
    return schema


def judge_messages(
    transcript: Transcript, criterion: Criterion, rubric: Rubric, shown: Sequence[Labelled] = ()
) -> list[ChatMessage]:
    """The judge's messages: role, transcript and counted statistics (the same for all criteria), then the criterion."""
    values = measure(transcript.exchanges, rubric.lexicon)
    statistics = [f"{meaning}: {values[name]:.2f}" for name, meaning in STATISTICS.items()]
    return render(
        JUDGE_PROMPT,
        exchanges=[e.model_dump() for e in transcript.exchanges],
        statistics=statistics,
        criterion=criterion.model_dump(),
        background=rubric.background,
        examples=[
            {"exchanges": [e.model_dump() for e in one.exchanges], "answer": one.answer, "reason": one.reason}
            for one in shown
        ],
    )


def examples_for_judges(domain: Domain, example_words: int) -> dict[str, list[Labelled]]:
    """The domain's calibration examples by criterion; none where judges are shown none."""
    if not example_words:
        return {}
    examples = labelled_examples(load_calibration(domain.calibration), load_authored(domain)[1], domain.calibration)
    return by_criterion(examples)


def sampled_ids(transcripts: Sequence[Transcript], limit: int | None) -> set[str]:
    """Which transcripts go to judges: all, or `limit` of them by stable hash of the id (adding one moves few)."""
    whole = [t for t in transcripts if t.failure is None and t.exchanges]
    ranked = sorted(whole, key=lambda t: stable_unit("judged", t.id))
    return {t.id for t in (ranked if limit is None else ranked[:limit])}


def judge_file(source: str, made_by: str, target: str, config: JudgingConfig, stage: Stage) -> dict[str, object]:
    """Judge a file of transcripts into a file of verdicts; returns the stage's metrics.

    Raises TooManyFailuresError when more judge calls failed than `max_failed_share`; nothing is written then.
    """
    domain = load_domain()
    rubric = load_rubric(domain.rubric)
    examples = examples_for_judges(domain, config.example_words)
    asking = Asking(rubric, config.reasks, config.reasoning_chars, config.example_words, examples)
    trust = load_trust() if config.judge_trust == "calibrated" else None
    transcripts = read_jsonl(source, Transcript, made_by)
    ids = sampled_ids(transcripts, config.judged_transcripts)
    client = Client.from_params()
    stage.start(
        f"{len(transcripts)} transcripts, {len(rubric.criteria)} criteria, {len(ids)} to {len(config.judges)} judge(s)"
    )
    with bar("judging", len(ids) * len(config.judges)) as progress:
        verdicts = asyncio.run(judge_transcripts(client, transcripts, asking, ids, config, trust, progress.advance))
    client.close()
    n_asked, n_failed, n_untrusted = refuse_failed_judges(verdicts, trust, config.max_failed_share)
    write_jsonl(target, verdicts)
    if n_untrusted:
        stage.note(f"{n_untrusted} questions not asked: the judge is untrusted there (reports/judge-calibration.md)")
    stage.end(f"{len(verdicts)} verdicts, {n_asked} by judges of which {n_failed} failed; {client.tally}")
    return verdict_metrics(verdicts, n_asked, n_failed)


def refuse_failed_judges(
    verdicts: Sequence[Verdict], trust: Trust | None, max_failed_share: float
) -> tuple[int, int, int]:
    """How many questions were put to judges, failed, and were not put for lack of trust.

    Raises TooManyFailuresError when more than `max_failed_share` of those put failed.
    """
    by_judges = [v for v in verdicts if v.judge not in RULES and v.unscored != NOT_SAMPLED]
    asked = [v for v in by_judges if why_untrusted(trust, v.judge, v.criterion) is None]
    failed = [v.unscored for v in asked if v.unscored]
    refuse_many_failures(failed, len(asked), max_failed_share, "judge answers")
    return len(asked), len(failed), len(by_judges) - len(asked)


def verdict_metrics(verdicts: Sequence[Verdict], n_asked: int, n_failed: int) -> dict[str, object]:
    """Counts for `dvc metrics`: answers, and how many are unscored."""
    answers = Counter(v.answer or "unscored" for v in verdicts)
    return {
        "n_verdicts": len(verdicts),
        "n_judged": n_asked,
        "n_judge_failures": n_failed,
        "answers": {name: answers.get(name, 0) for name in ("YES", "NO", "NA", "unscored")},
    }

"""Verdicts: every criterion of the rubric answered for every transcript, by measures and by judges.

A measured criterion is computed. A judged one is put to every judge, in calls that `judge_asking` describes; within one
transcript calls follow one another, so that each finds the transcript in the prefix cache, or all go in one batch at
half the price (`batch_api` of its connection). A judge is asked only where
design-calibrate trusts it. Verdicts are in the order of transcripts, criteria and judges' names: nothing in it tells
which judge is the stricter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from pydantic import Field

from tunewright.authored import load_authored
from tunewright.calibration import Labelled, by_criterion, labelled_examples, load_calibration
from tunewright.config import Domain, load_domain
from tunewright.items import OUTAGE, refuse_many_failures
from tunewright.judge_answers import AskingConfig
from tunewright.judge_asking import Asking, ask_batch, batches
from tunewright.llm import Client
from tunewright.models import Judge, Judges
from tunewright.records import RULES, Transcript, Verdict, stable_unit, write_jsonl
from tunewright.rubric import Rubric, load_rubric
from tunewright.runner import Job, run, run_jobs
from tunewright.sound import Reviews, read_sound
from tunewright.terminal import Stage
from tunewright.trust import JudgeTrust, Trust, load_trust, why_untrusted
from tunewright.verdict_rules import NOT_SAMPLED, needs_judge, rule_verdicts, unscored_verdict


class JudgingConfig(AskingConfig):
    """How verdicts are made: the params of generate.verdicts and evaluate.verdicts."""

    judges: Judges
    judge_trust: JudgeTrust
    judged_transcripts: int | None  # None: all
    samples: int = Field(ge=1)
    max_failed_share: float = Field(ge=0, le=1)


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
        Job(t.id, judge_transcript, (j, t, asking, config.samples, trust), can_wait=True)
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
    """One judge's verdicts on one transcript; its calls find the transcript in the prefix cache, or go in one batch."""
    verdicts, asked = [], []
    for criterion in asking.rubric.safety_first:
        if not needs_judge(criterion, transcript):
            continue
        if reason := why_untrusted(trust, judge.name, criterion.id):
            verdicts.append(unscored_verdict(transcript, criterion, judge.name, reason))
        else:
            asked.append(criterion)
    calls = [(batch, sample) for batch in batches(asked, asking.rules.batching) for sample in range(samples)]
    asks = [partial(ask_batch, client, judge, transcript, batch, sample, asking) for batch, sample in calls]
    for found in await client.in_turn(judge, asks):
        verdicts += found
    return verdicts


def asking_for(config: AskingConfig, rubric: Rubric, domain: Domain) -> Asking:
    """How judges are asked in this domain, with its calibration examples."""
    return Asking(rubric, config, examples_for_judges(domain, config.example_tokens))


def examples_for_judges(domain: Domain, example_tokens: int) -> dict[str, list[Labelled]]:
    """The domain's calibration examples by criterion; none where judges are shown none."""
    if not example_tokens:
        return {}
    examples = labelled_examples(load_calibration(domain.calibration), load_authored(domain)[1], domain.calibration)
    return by_criterion(examples)


def sampled_ids(transcripts: Sequence[Transcript], limit: int | None) -> set[str]:
    """Which transcripts go to judges: all, or `limit` of them by stable hash of the id (adding one moves few).

    Conversations that this run made come first: the gate decides on them.
    """
    whole = [t for t in transcripts if t.failure is None and t.exchanges]
    ranked = sorted(whole, key=lambda t: (not t.is_new, stable_unit("judged", t.id)))
    return {t.id for t in (ranked if limit is None else ranked[:limit])}


def judge_file(
    source: str, made_by: str, reviews: Reviews, target: str, config: JudgingConfig, stage: Stage
) -> dict[str, object]:
    """Judge a file of transcripts into a file of verdicts; returns the stage's metrics.

    What the simulator review leaves out is not judged.

    Raises TooManyFailuresError when more judge calls failed than `max_failed_share`; nothing is written then.
    """
    domain = load_domain()
    rubric = load_rubric(domain.rubric)
    asking = asking_for(config, rubric, domain)
    trust = load_trust() if config.judge_trust == "calibrated" else None
    transcripts = read_sound(source, made_by, reviews)
    ids = sampled_ids(transcripts, config.judged_transcripts)
    client = Client.from_params()
    stage.start(
        f"{len(transcripts)} transcripts, {len(rubric.criteria)} criteria, {len(ids)} to {len(config.judges)} judge(s)"
    )
    work = partial(judge_transcripts, client, transcripts, asking, ids, config, trust)
    verdicts = run(client, "judging", len(ids) * len(config.judges), work)
    client.close()
    n_asked, n_failed, n_untrusted = refuse_failed_judges(verdicts, trust, config.max_failed_share)
    write_jsonl(target, verdicts)
    if n_untrusted:
        stage.note(f"{n_untrusted} questions not asked: the judge is untrusted there (reports/judge-calibration.md)")
    if n_open := sum((v.unscored or "").startswith(OUTAGE) for v in verdicts):
        stage.note(f"{n_open} judges' answers may come when asked again: dvc repro -f -s {stage.address}")
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
    """Counts for `dvc metrics`: answers, how many are unscored, and how many quotes of judges nobody had said."""
    answers = Counter(v.answer or "unscored" for v in verdicts)
    n_misquotes = sum(len(v.misquotes) for v in verdicts)
    return {
        "n_verdicts": len(verdicts),
        "n_judged": n_asked,
        "n_judge_failures": n_failed,
        "n_quotes": sum(len(v.quotes) for v in verdicts) + n_misquotes,
        "n_quotes_not_found": n_misquotes,
        "answers": {name: answers.get(name, 0) for name in ("YES", "NO", "NA", "unscored")},
    }

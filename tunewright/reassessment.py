"""Repaired conversations judged and scored again, by the same judges and the same rules as any other.

Every criterion is asked, since the words changed. A repaired conversation is judged under its original's id and source:
its replies are then filed with the original's in the reply cache, and no judge is shown an example that was made from
that conversation. It goes to judges only if the original did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tunewright.fixing import Case, Mended, repaired
from tunewright.items import OUTAGE
from tunewright.judging import Asking, JudgingConfig, judge_transcripts
from tunewright.llm import Client
from tunewright.models import ModelSpec
from tunewright.records import Score, Transcript, Verdict
from tunewright.repairs import NO_ANSWER, Action, Repair
from tunewright.scoring import ScoringConfig, score_transcript
from tunewright.trust import Trust
from tunewright.verdict_rules import NOT_SAMPLED


class Assessing(NamedTuple):
    """How conversations are judged and scored."""

    asking: Asking
    judging: JudgingConfig
    scoring: ScoringConfig
    trust: Trust | None


class Outcome(NamedTuple):
    """What became of one conversation; the rest is there when it was changed, and so judged again."""

    repair: Repair
    fixed: Transcript | None = None
    verdicts: tuple[Verdict, ...] = ()
    score: Score | None = None


async def assess_again(
    client: Client, mended: Sequence[tuple[Case, Mended]], fixer: ModelSpec, again: Assessing
) -> list[Outcome]:
    """The outcome of every repair, in order; what could not be kept is not judged."""
    fixed = {case.transcript.id: repaired(case.transcript, one, fixer) for case, one in mended if one.exchanges}
    changed = [case for case, _ in mended if case.transcript.id in fixed]
    verdicts = await judge_again(client, changed, fixed, again)
    outcomes = []
    for case, one in mended:
        id = case.transcript.id
        outcomes.append(outcome(case, one, fixed.get(id), verdicts.get(id, ()), again))
    return outcomes


async def judge_again(
    client: Client, cases: Sequence[Case], fixed: Mapping[str, Transcript], again: Assessing
) -> dict[str, tuple[Verdict, ...]]:
    """The verdicts on the repaired conversations; cases, `fixed` and the result by the original's id."""
    originals = [case.transcript for case in cases]
    as_judged = [fixed[t.id].model_copy(update={"id": t.id, "source_id": t.source_id}) for t in originals]
    ids = {c.transcript.id for c in cases if all(v.unscored != NOT_SAMPLED for v in c.verdicts)}
    found: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in await judge_transcripts(client, as_judged, again.asking, ids, again.judging, again.trust):
        renamed = verdict.model_copy(update={"transcript_id": fixed[verdict.transcript_id].id})
        found[verdict.transcript_id].append(renamed)
    return {id: tuple(verdicts) for id, verdicts in found.items()}


def outcome(
    case: Case, mended: Mended, fixed: Transcript | None, verdicts: tuple[Verdict, ...], again: Assessing
) -> Outcome:
    """A repaired conversation is kept when it passes now; it is left as it was where a judge could not be asked."""
    outage = mended.outage or next((v.unscored for v in verdicts if v.unscored and v.unscored.startswith(OUTAGE)), "")
    if outage:
        return Outcome(_record(case, mended, "left", NO_ANSWER + outage, None), verdicts=verdicts)
    if fixed is None:
        return Outcome(_record(case, mended, "rejected", mended.why_shorter, None))
    score = score_transcript(fixed, verdicts, again.asking.rubric, again.scoring, again.trust)
    action: Action = ("truncated" if mended.why_shorter else "fixed") if score.passed else "rejected"
    reason = "; ".join(filter(None, [mended.why_shorter, f"judged again: {score.outcome}"]))
    return Outcome(_record(case, mended, action, reason, fixed), fixed, verdicts, score)


def _record(case: Case, mended: Mended, action: Action, reason: str, fixed: Transcript | None) -> Repair:
    return Repair(
        transcript_id=case.transcript.id,
        fixed_id=fixed.id if fixed and action != "rejected" else None,
        action=action,
        reason=reason,
        outcome=case.score.outcome,
        n_before=len(case.transcript.exchanges),
        n_after=len(mended.exchanges),
        rejudged=fixed is not None,
        rewrites=mended.rewrites,
    )

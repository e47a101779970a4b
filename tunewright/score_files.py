"""Files of verdicts to files of scores, with the numbers that are compared between runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tunewright.config import load_domain
from tunewright.judge_agreement import judge_agreement, lowest_agreement
from tunewright.records import Score, Transcript, Verdict, read_jsonl, write_json, write_jsonl
from tunewright.rubric import Rubric, load_rubric
from tunewright.scoring import ScoringConfig, judges_answers, score_transcript
from tunewright.sound import Reviews, read_sound
from tunewright.terminal import Stage
from tunewright.trust import load_trust


def score_file(
    transcripts_path: str,
    reviews: Reviews,
    verdicts_path: str,
    target: str,
    config: ScoringConfig,
    stage: Stage,
    made_by: str,
    agreement_path: str | None = None,
) -> dict[str, object]:
    """Score a file of transcripts; returns the stage's metrics. Failed ones, and those left out, get no score.

    `agreement_path`: where the judges' agreement with each other goes, pair by pair and criterion by criterion.
    """
    rubric = load_rubric(load_domain().rubric)
    transcripts = [t for t in read_sound(transcripts_path, "", reviews) if t.failure is None and t.exchanges]
    by_transcript: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in read_jsonl(verdicts_path, Verdict, made_by):
        by_transcript[verdict.transcript_id].append(verdict)
    stage.start(f"{len(transcripts)} transcripts, pass at {rubric.pass_threshold:.2f}, {config.aggregation}")
    trust = load_trust() if config.judge_trust == "calibrated" else None
    scores = [score_transcript(t, by_transcript[t.id], rubric, config, trust) for t in transcripts]
    write_jsonl(target, scores)
    opinions = [judges_answers(by_transcript[t.id], rubric, trust)[0] for t in transcripts]
    pairs = judge_agreement(opinions, [c.id for c in rubric.criteria])
    if agreement_path:
        write_json(agreement_path, {"judge_agreement": pairs})
    lowest = lowest_agreement(pairs)
    if lowest is not None and lowest < config.judge_agreement_min:
        stage.note(f"two judges share {lowest:.0%} of their answers; {config.judge_agreement_min:.0%} are wanted")
    metrics = score_metrics(scores, transcripts, rubric) | {"judge_agreement_lowest": lowest}
    stage.end(f"{metrics['n_passed']} passed, {metrics['n_failed']} failed, {metrics['n_open']} open; 0 model calls")
    return metrics


def score_metrics(scores: Sequence[Score], transcripts: Sequence[Transcript], rubric: Rubric) -> dict[str, object]:
    """What `dvc metrics` compares: passes, means and what was scored at all."""
    values = [s.score for s in scores if s.score is not None]
    decided = [s.passed for s in scores if s.passed is not None]
    scored = [c.id for c in rubric.criteria if any(s.answers[c.id] is not None for s in scores)]
    kinds: dict[str, list[Score]] = defaultdict(list)
    for score, transcript in zip(scores, transcripts, strict=True):
        kinds[transcript.user_kind].append(score)
    return {
        "n_transcripts": len(scores),
        "n_passed": decided.count(True),
        "n_failed": decided.count(False),
        "n_open": len(scores) - len(decided),
        "pass_rate": round(decided.count(True) / len(decided), 4) if decided else None,
        "score_mean": round(sum(values) / len(values), 4) if values else None,
        "coverage_mean": round(sum(s.coverage for s in scores) / len(scores), 4) if scores else None,
        "criteria_scored": len(scored),
        "criteria_total": len(rubric.criteria),
        "pass_rate_by_user": {k: round(sum(s.passed is True for s in v) / len(v), 4) for k, v in sorted(kinds.items())},
        "yes_share_by_criterion": {c: _yes_share(scores, c) for c in scored},
    }


def _yes_share(scores: Sequence[Score], criterion: str) -> float | None:
    found = [s.answers[criterion] for s in scores if s.answers[criterion] in ("YES", "NO")]
    return round(found.count("YES") / len(found), 4) if found else None

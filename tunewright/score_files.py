"""Files of verdicts to files of scores, one transcript at a time, with the numbers that are compared between runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

from tunewright.config import load_domain
from tunewright.errors import RecordError
from tunewright.judge_agreement import Agreeing, lowest_agreement
from tunewright.records import Answer, JsonlWriter, Score, Transcript, Verdict, iter_jsonl, write_json
from tunewright.rubric import Rubric, load_rubric
from tunewright.scoring import ScoringConfig, judges_answers, score_transcript
from tunewright.sound import Reviews, iter_sound
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

    Raises RecordError when the verdicts do not follow the transcripts' order: they are of other transcripts then.
    """
    rubric, written_by = load_rubric(load_domain().rubric), made_by.replace("-verdicts", "-transcripts")
    stage.start(f"{transcripts_path}, pass at {rubric.pass_threshold:.2f}, {config.aggregation}")
    trust = load_trust() if config.judge_trust == "calibrated" else None
    tally, agreeing = ScoreTally(rubric), Agreeing([c.id for c in rubric.criteria])
    transcripts = _once(iter_sound(transcripts_path, written_by, reviews), transcripts_path, written_by)
    pairs = with_verdicts(transcripts, verdicts_path, made_by)
    with JsonlWriter(target) as scores:
        for transcript, verdicts in pairs:
            if transcript.failure is None and transcript.exchanges:
                score = score_transcript(transcript, verdicts, rubric, config, trust)
                tally.add(score, transcript.user_kind)
                agreeing.add(judges_answers(verdicts, rubric, trust)[0])
                scores.write(score)
    found = agreeing.found()
    if agreement_path:
        write_json(agreement_path, {"judge_agreement": found})
    lowest = lowest_agreement(found)
    if lowest is not None and lowest < config.judge_agreement_min:
        stage.note(f"two judges share {lowest:.0%} of their answers; {config.judge_agreement_min:.0%} are wanted")
    metrics = tally.metrics() | {"judge_agreement_lowest": lowest}
    outcome = f"{metrics['n_passed']} passed, {metrics['n_failed']} failed, {metrics['n_open']} open"
    stage.end(f"{metrics['n_transcripts']} transcripts: {outcome}; 0 model calls")
    return metrics


def _once(transcripts: Iterable[Transcript], path: str, made_by: str) -> Iterator[Transcript]:
    """The transcripts as they come; raises RecordError for an id that comes again."""
    seen: set[str] = set()
    for number, transcript in enumerate(transcripts, 1):
        if transcript.id in seen:
            raise RecordError(
                f"{path}, line {number}: found the id {transcript.id!r} for the second time, expected each once; make "
                f"it again with: dvc repro -f {made_by}"
            )
        seen.add(transcript.id)
        yield transcript


def with_verdicts(
    transcripts: Iterable[Transcript], verdicts_path: str, made_by: str
) -> Iterator[tuple[Transcript, list[Verdict]]]:
    """Each transcript with the verdicts on it, both files read side by side; a transcript may have none.

    Raises RecordError for verdicts that stand where their transcript has passed or never comes.
    """
    groups = groupby(iter_jsonl(verdicts_path, Verdict, made_by), lambda v: v.transcript_id)
    following = next(groups, None)
    for transcript in transcripts:
        if following and following[0] == transcript.id:
            verdicts = list(following[1])
            following = next(groups, None)
        else:
            verdicts = []
        yield transcript, verdicts
    if following:
        raise RecordError(
            f"{verdicts_path}: found verdicts on {following[0]}, which are not in the transcripts' order or "
            f"on none of them; expected one run of verdicts for each transcript, in its order; judge again with: "
            f"dvc repro -f {made_by}"
        )


class ScoreTally:
    """What `dvc metrics` compares: passes, means and what was scored at all; counted as the scores come."""

    def __init__(self, rubric: Rubric) -> None:
        self._rubric = rubric
        self._outcomes: Counter[bool | None] = Counter()
        self._score = 0.0
        self._n_scored = 0
        self._coverage = 0.0
        self._answers: Counter[tuple[str, Answer | None]] = Counter()
        self._kinds: set[str] = set()
        self._kinds_decided: Counter[str] = Counter()
        self._kinds_passed: Counter[str] = Counter()

    def add(self, score: Score, user_kind: str) -> None:
        """Count one score."""
        self._outcomes[score.passed] += 1
        self._coverage += score.coverage
        self._answers.update(score.answers.items())
        self._kinds.add(user_kind)
        self._kinds_decided[user_kind] += score.passed is not None
        self._kinds_passed[user_kind] += score.passed is True
        if score.score is not None:
            self._score += score.score
            self._n_scored += 1

    def metrics(self) -> dict[str, object]:
        """The metrics of all scores so far."""
        n, passed, failed = self._outcomes.total(), self._outcomes[True], self._outcomes[False]
        scored = [c.id for c in self._rubric.criteria if any(self._answers[c.id, a] for a in ("YES", "NO", "NA"))]
        return {
            "n_transcripts": n,
            "n_passed": passed,
            "n_failed": failed,
            "n_open": n - passed - failed,
            "pass_rate": round(passed / (passed + failed), 4) if passed + failed else None,
            "score_mean": round(self._score / self._n_scored, 4) if self._n_scored else None,
            "coverage_mean": round(self._coverage / n, 4) if n else None,
            "criteria_scored": len(scored),
            "criteria_total": len(self._rubric.criteria),
            "pass_rate_by_user": {kind: self._pass_rate(kind) for kind in sorted(self._kinds)},
            "yes_share_by_criterion": {criterion: self._yes_share(criterion) for criterion in scored},
        }

    def _pass_rate(self, kind: str) -> float | None:
        n = self._kinds_decided[kind]
        return round(self._kinds_passed[kind] / n, 4) if n else None

    def _yes_share(self, criterion: str) -> float | None:
        yes, no = self._answers[criterion, "YES"], self._answers[criterion, "NO"]
        return round(yes / (yes + no), 4) if yes + no else None

"""Which conversations may be learnt from: this run's, each repaired one in place of its failed original.

Streams: one conversation is held at a time, and the ids of the repaired ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tunewright.errors import RecordError
from tunewright.records import Score, Transcript, iter_jsonl
from tunewright.sound import GENERATED, iter_sound

FIXED = "fixed-"  # a repaired conversation's id: this and the original's
TRANSCRIPTS, SCORES = "data/generate/transcripts.jsonl", "data/generate/scores.jsonl"
FIXED_TRANSCRIPTS, FIXED_SCORES = "data/generate/fixed.jsonl", "data/generate/fixed_scores.jsonl"


def transcripts_for_training() -> Iterator[tuple[Transcript, Score | None]]:
    """Every conversation with its score (None: it has none), repaired ones last and without their originals.

    Raises RecordError when the scores are not those of the transcripts, in their order.
    """
    replaced = _originals()
    for transcript, score in with_scores(
        iter_sound(TRANSCRIPTS, "generate-transcripts", GENERATED), SCORES, "generate-scores"
    ):
        if transcript.id not in replaced:
            yield transcript, score
    yield from with_scores(_repaired(), FIXED_SCORES, "generate-fixup")


def transcripts_with_repairs() -> Iterator[Transcript]:
    """The same conversations where scores do not matter."""
    replaced = _originals()
    yield from (t for t in iter_sound(TRANSCRIPTS, "generate-transcripts", GENERATED) if t.id not in replaced)
    yield from _repaired()


def source_of(transcript: Transcript) -> str:
    """Where a conversation comes from: "fixed", or its kind of user."""
    return "fixed" if transcript.id == f"{FIXED}{transcript.source_id}" else transcript.user_kind


def _originals() -> set[str | None]:
    return {t.source_id for t in _repaired()}


def _repaired() -> Iterator[Transcript]:
    return iter_jsonl(FIXED_TRANSCRIPTS, Transcript, "generate-fixup")


def with_scores(
    transcripts: Iterable[Transcript], scores_path: str, scored_by: str
) -> Iterator[tuple[Transcript, Score | None]]:
    """Transcripts beside their scores; a transcript that failed has none."""
    scores = iter_jsonl(scores_path, Score, scored_by)
    score = next(scores, None)
    for transcript in transcripts:
        if score is not None and score.transcript_id == transcript.id:
            yield transcript, score
            score = next(scores, None)
        else:
            yield transcript, None
    if score is not None:
        raise RecordError(
            f"{scores_path}: found a score of {score.transcript_id!r}, which the transcripts do not hold there; "
            f"score it again with: dvc repro -f {scored_by}"
        )

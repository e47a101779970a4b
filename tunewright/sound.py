"""Which conversations are sound: those whose simulated user played its part.

The simulator review (generate-simulator, evaluate-simulator) says what is wrong with each simulated user. A critical
fault leaves the conversation out of training and of evaluation alike: whoever reads transcripts through here finds it
failed, with the reason, and does with it what is done with every failed one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from tunewright.records import Record, Transcript, iter_jsonl

NO_EXCHANGE = "no exchange"  # why a conversation without any is left out
Severity = Literal["minor", "major", "critical"]


class Finding(Record):
    """One fault of a simulated user, in which exchanges (from 1) it shows, and what was seen."""

    fault: str
    severity: Severity
    exchanges: tuple[int, ...]
    detail: str
    by: Literal["measure", "judge", "both"]


class SimulatorReview(Record):
    """What is wrong with the user of one simulated conversation. `severity` None: nothing.

    `unjudged`: faults that a judge should have looked for and did not, with the reason.
    """

    transcript_id: str
    severity: Severity | None
    findings: tuple[Finding, ...]
    unjudged: dict[str, str]

    @property
    def failure(self) -> str | None:
        """Why the conversation is left out, in the words of a transcript's `failure`; None: it is not."""
        critical = [
            f"{f.fault} in exchange {', '.join(map(str, f.exchanges))}"
            for f in self.findings
            if f.severity == "critical"
        ]
        return f"simulator review: {'; '.join(critical)}" if critical else None


class Reviews(NamedTuple):
    """A file of reviews, and the stage to run where it is missing."""

    path: Path | str
    made_by: str


GENERATED = Reviews("data/generate/simulator.jsonl", "generate-simulator")


def evaluated(candidate: str) -> Reviews:
    """The reviews of one candidate's conversations."""
    return Reviews(f"data/evaluate/simulator/{candidate}.jsonl", f"evaluate-simulator@{candidate}")


def iter_sound(transcripts: Path | str, made_by: str, reviews: Reviews) -> Iterator[Transcript]:
    """The transcripts of a file, one at a time; those with a critical review carry it as their failure.

    `made_by` is the stage to run where the file is missing (MissingInputError).
    """
    left_out = critical_reviews(reviews)
    for transcript in iter_jsonl(transcripts, Transcript, made_by):
        reason = left_out.get(transcript.id)
        is_new = reason is not None and transcript.failure is None
        yield transcript.model_copy(update={"failure": reason}) if is_new else transcript


def read_sound(transcripts: Path | str, made_by: str, reviews: Reviews) -> list[Transcript]:
    """As `iter_sound`, all at once."""
    return list(iter_sound(transcripts, made_by, reviews))


def critical_reviews(reviews: Reviews) -> dict[str, str]:
    """The reason per transcript id of the conversations that are left out."""
    found = ((r.transcript_id, r.failure) for r in iter_jsonl(reviews.path, SimulatorReview, reviews.made_by))
    return {transcript_id: failure for transcript_id, failure in found if failure}

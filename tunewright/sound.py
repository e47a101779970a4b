"""Which conversations are sound: those whose simulated user played its part.

The simulator review (generate-simulator, evaluate-simulator) says what is wrong with each simulated user. A critical
fault leaves the conversation out of training and of evaluation alike: whoever reads transcripts through here finds it
failed, with the reason, and does with it what is done with every failed one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from tunewright.records import Record, Transcript, iter_jsonl

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
        critical = [f"{f.fault} in exchange {', '.join(map(str, f.exchanges))}" for f in self.findings if _critical(f)]
        return f"simulator review: {'; '.join(critical)}" if critical else None


def _critical(finding: Finding) -> bool:
    return finding.severity == "critical"


def iter_sound(transcripts: Path | str, reviews: Path | str, made_by: str, reviewed_by: str) -> Iterator[Transcript]:
    """The transcripts of a file, one at a time; those with a critical review carry it as their failure.

    `made_by` and `reviewed_by` are the stages to run where a file is missing (MissingInputError).
    """
    left_out = critical_reviews(reviews, reviewed_by)
    for transcript in iter_jsonl(transcripts, Transcript, made_by):
        failure = transcript.failure or left_out.get(transcript.id)
        yield transcript if failure == transcript.failure else transcript.model_copy(update={"failure": failure})


def read_sound(transcripts: Path | str, reviews: Path | str, made_by: str, reviewed_by: str) -> list[Transcript]:
    """As `iter_sound`, all at once."""
    return list(iter_sound(transcripts, reviews, made_by, reviewed_by))


def critical_reviews(reviews: Path | str, reviewed_by: str) -> dict[str, str]:
    """The reason per transcript id of the conversations that are left out."""
    found = ((r.transcript_id, r.failure) for r in iter_jsonl(reviews, SimulatorReview, reviewed_by))
    return {transcript_id: failure for transcript_id, failure in found if failure}

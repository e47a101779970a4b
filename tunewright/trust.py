"""Trust: whether a judge's answers to a criterion count, as design-calibrate found.

data/design/judge-trust.json maps judge and criterion to a decision and its reason in words; the numbers behind it are
in data/design/calibrate.json. Keeping them apart lets scores stay as they are when only a decimal moves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tunewright.json_files import read_as
from tunewright.records import Record

TRUST_FILE = "data/design/judge-trust.json"
ASSUMED = "Judges are assumed to be right (judge_trust: assumed); calibration was not asked whether they are."
JudgeTrust = Literal["calibrated", "assumed"]  # assumed: every judge is right, on the user's word


class Decision(Record):
    """Whether a judge counts on one criterion, and why not."""

    trusted: bool
    reason: str


Trust = dict[str, dict[str, Decision]]  # by judge, by criterion


def load_trust(path: str | Path = TRUST_FILE) -> Trust:
    """Read the decisions; raises MissingInputError, RecordError."""
    return read_as(path, Trust, "design-calibrate")


def why_untrusted(trust: Trust | None, judge: str, criterion: str) -> str | None:
    """Why this judge's answer does not count; None where it does. `trust` None: all are assumed to be right."""
    if trust is None:
        return None
    decision = trust.get(judge.split("#")[0], {}).get(criterion)
    if decision is None:
        return f"judge {judge} is untrusted: it has not been calibrated on this criterion"
    return None if decision.trusted else f"judge {judge} is untrusted: {decision.reason}"

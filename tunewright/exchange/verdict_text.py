"""What the judges said of a criterion, as text for a cell or a line beside the question."""

from __future__ import annotations

from tunewright.exchange.material import Piece
from tunewright.records import RULES, Verdict


def judge_names(piece: Piece) -> list[str]:
    """The models that judged a conversation, in the order of their first verdict."""
    return [*dict.fromkeys(v.judge for v in piece.verdicts if v.judge not in RULES)]


def answers_text(piece: Piece, criterion: str) -> str:
    """Each judge's answer, such as "large: NO; small: unscored"."""
    return "; ".join(f"{v.judge}: {v.answer or 'unscored'}" for v in piece.verdicts_on(criterion))


def combined_text(piece: Piece, criterion: str) -> str:
    """What the judges' answers add up to; empty where that is nothing."""
    return (piece.score.answers.get(criterion) if piece.score else None) or ""


def evidence_text(piece: Piece, criterion: str) -> str:
    """Each judge's evidence and reasoning, a line each."""
    return "\n".join(filter(None, (_evidence(v) for v in piece.verdicts_on(criterion))))


def judges_text(piece: Piece, criterion: str) -> str:
    """Answers, evidence and reasoning together, on one line."""
    parts = [answers_text(piece, criterion), " | ".join(evidence_text(piece, criterion).splitlines())]
    return " | ".join(filter(None, parts)) or "nobody judged this"


def _evidence(verdict: Verdict) -> str:
    numbers = ", ".join(str(n) for n in verdict.evidence)
    where = f"exchanges {numbers}" if numbers else ""
    quotes = " ".join(f'"{quote.text}"' for quote in verdict.quotes)
    values = ", ".join(f"{name} {value:g}" for name, value in verdict.values.items())
    shown = "; ".join(filter(None, (where, quotes, values, verdict.reasoning, verdict.unscored)))
    return f"{verdict.judge}: {shown}" if shown else ""

"""How the evaluation report writes numbers. One that is not there is "-", never 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Metrics = Mapping[str, Any]


def number(value: Any, digits: int = 2, sign: bool = False) -> str:
    """A number for a table; "-" where there is none."""
    return "-" if value is None else f"{value:{'+' if sign else ''}.{digits}f}"


def interval(low: float | None, high: float | None, digits: int = 2, sign: bool = True) -> str:
    """ "low to high", or "-"."""
    return "-" if low is None or high is None else f"{number(low, digits, sign)} to {number(high, digits, sign)}"


def percent(share: float | None, sign: bool = False) -> str:
    """A share (0 to 1) in whole percent."""
    return "-" if share is None else f"{share:{'+' if sign else ''}.0%}"


def percents(low: float | None, high: float | None, sign: bool = False) -> str:
    """An interval of shares; with a sign they are differences."""
    return "-" if low is None or high is None else f"{percent(low, sign)} to {percent(high, sign)}"


def p_text(p: float | None) -> str:
    """A p value: three decimals, or "< 0.001"."""
    return "-" if p is None else ("< 0.001" if p < 0.001 else f"{p:.3f}")


def equals(p: float | None) -> str:
    """A p value after the letter p."""
    return p_text(p) if p is not None and p < 0.001 else f"= {p_text(p)}"


def counted(n: int, what: str) -> str:
    """ "1 reader", "2 readers"."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def listed(items: Sequence[str], word: str = "and") -> str:
    """ "a, b and c"."""
    return f"{', '.join(items[:-1])} {word} {items[-1]}" if len(items) > 1 else "".join(items)


def sentence(text: str) -> str:
    """Text with a capital first letter and one full stop at its end."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def spaced(name: str) -> str:
    """An id as words."""
    return name.replace("_", " ")

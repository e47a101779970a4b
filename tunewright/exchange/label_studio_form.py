"""One annotation of Label Studio: what each control says, and who filled it in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tunewright.exchange.controls import choices_of, is_ours
from tunewright.exchange.said import Found, SaidFault, Terms, shown, utc

PREFILLED = "prediction"  # where a result comes from: a judge's answer that Label Studio filled in and nobody touched


@dataclass(frozen=True)
class Form:
    """An annotation's values by control, the ids of its results, and whose it is."""

    values: Mapping[str, list[str]]
    ids: frozenset[str]
    who: str | None  # an e-mail address, or a number as text
    time: str


def read_form(raw: Any, terms: Terms, found: Found) -> Form:
    """Read an annotation; what is in it that no export asked goes to `found`. Raises SaidFault."""
    results = raw.get("result") if isinstance(raw, dict) else None
    if not isinstance(results, list):
        raise SaidFault(f"result: found {shown(results)}, expected a list")
    values: dict[str, list[str]] = {}
    ids = set()
    for result in results:
        control = result.get("from_name") if isinstance(result, dict) else None
        if not isinstance(control, str) or not is_ours(control):
            found.told[f"results of the control {shown(control)}, which no export wrote, left out"] += 1
            continue
        said = _value(control, result)
        if result.get("origin") == PREFILLED and not terms.prefilled:
            found.told[
                "answers of judges that were filled in and nobody touched, left out; --prefilled takes them"
            ] += 1
            continue
        if control in values and choices_of(control):
            raise SaidFault(f"{control}: found {shown([*values[control], *said])}, expected one answer")
        values.setdefault(control, []).extend(said)
        ids.add(str(result.get("id")))
    time = raw.get("updated_at") or raw.get("created_at")
    return Form(values, frozenset(ids), _who(raw.get("completed_by")), utc(time) if time else terms.saved)


def _value(control: str, result: Mapping[str, Any]) -> list[str]:
    """The choice or the texts of a result; raises SaidFault."""
    choices = choices_of(control)
    key = "text" if choices is None else "choices"
    value = result.get("value")
    items = value.get(key) if isinstance(value, dict) else None
    items = [items] if isinstance(items, str) else items
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise SaidFault(f"{shown(control)}: found {shown(value)}, expected a list of text under {key!r}")
    if choices is not None and (len(items) != 1 or items[0] not in choices):
        raise SaidFault(f"{shown(control)}: found {shown(items)}, expected one of {', '.join(choices)}")
    return items


def _who(completed_by: Any) -> str | None:
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("email") or completed_by.get("id")
    return None if completed_by is None or completed_by == "" else str(completed_by)

"""Results as JSON values: dataclasses as mappings, floats to four decimals, infinities as None."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from typing import Any

DECIMALS = 4


def as_json(value: Any) -> Any:
    """A result of dataclasses, sequences, mappings and numbers as what `write_json` takes; keys in their order."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: as_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(one) for one in value]
    if isinstance(value, float):
        return round(value, DECIMALS) if math.isfinite(value) else None
    return value

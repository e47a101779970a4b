"""What a reply cost, in USD: by the price in conf, else by litellm's list, else unknown and never 0.

The list is read as the file that comes with litellm: importing litellm takes three seconds.
"""

from __future__ import annotations

import json
import os
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tunewright.models import ModelSpec, Reply

LIST = "model_prices_and_context_window_backup.json"


def usd_of(spec: ModelSpec, prompt_tokens: int, completion_tokens: int) -> float | None:
    """What this many tokens cost, or None when the price is not known."""
    if spec.price is not None:
        price = spec.price
        return (prompt_tokens * price.input_usd_per_mtok + completion_tokens * price.output_usd_per_mtok) / 1e6
    entry = _listed(spec.model)
    if entry is None:
        return None
    if any("_above_" in name for name in entry):  # dearer for long prompts: litellm knows from where on
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else the import fetches a price list
        import litellm

        return sum(litellm.cost_per_token(spec.model, prompt_tokens, completion_tokens))
    return prompt_tokens * entry["input_cost_per_token"] + completion_tokens * entry["output_cost_per_token"]


def cost_usd(spec: ModelSpec, reply: Reply) -> float | None:
    """What a reply cost, or None when the price or the token counts are not known."""
    if reply.prompt_tokens is None or reply.completion_tokens is None:
        return None
    return usd_of(spec, reply.prompt_tokens, reply.completion_tokens)


@lru_cache(maxsize=64)
def _listed(model: str) -> dict[str, Any] | None:
    """The list's entry for a model, under its whole name or without the provider; None without a price above 0."""
    prices = _price_list()
    entry = prices.get(model) or prices.get(model.split("/", 1)[-1]) or {}
    if not (entry.get("input_cost_per_token") and entry.get("output_cost_per_token")):
        return None
    return entry


@lru_cache(maxsize=1)
def _price_list() -> dict[str, Any]:
    found = find_spec("litellm")
    folders = found.submodule_search_locations if found else None
    return json.loads((Path(folders[0]) / LIST).read_text("utf-8")) if folders else {}

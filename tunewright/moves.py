"""How far an adapter moves a model's matrices: Frobenius norms of its updates beside those of the weights.

Norms of several matrices together are those of one long vector: the root of the sum of squares. What is relative is the
update's norm over the norm of the weights it is added to, so that kinds and layers of unlike size can be compared.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

LAYER = re.compile(r"\.(\d+)\.")  # the first number inside a module's path
PREFIX = "base_model.model."  # what peft puts before every path
NO_LAYER = "outside the layers"


@dataclass(frozen=True)
class Move:
    """Norms of an update and of the weights that it is added to."""

    delta_norm: float
    weight_norm: float

    @property
    def relative(self) -> float:
        """The update's norm over the weights'; infinite where those are all zero and the update is not."""
        if self.weight_norm:
            return self.delta_norm / self.weight_norm
        return math.inf if self.delta_norm else 0.0

    def as_json(self) -> dict[str, float | None]:
        """The numbers of a row; None for an infinite one, which JSON does not have."""
        relative = self.relative if math.isfinite(self.relative) else None
        return {"delta_norm": self.delta_norm, "weight_norm": self.weight_norm, "relative_delta": relative}


def together(moves: Iterable[Move]) -> Move:
    """Several moves as one: squares add up."""
    squares = [(move.delta_norm**2, move.weight_norm**2) for move in moves]
    return Move(math.sqrt(math.fsum(d for d, _ in squares)), math.sqrt(math.fsum(w for _, w in squares)))


class Moves(dict[str, Move]):
    """The move of each matrix, by its module's path."""

    @property
    def not_finite(self) -> list[str]:
        """Paths of updates that hold an infinite or undefined number: the norm of such a one is neither finite."""
        return [path for path, move in self.items() if not math.isfinite(move.delta_norm)]

    @property
    def total(self) -> Move:
        """All matrices as one."""
        return together(self.values())

    def by_kind(self) -> dict[str, Move]:
        """By the module's own name (q_proj, down_proj ...), in the order of the first layer."""
        return self._grouped(lambda path: path.rsplit(".", 1)[-1])

    def by_layer(self) -> dict[str, Move]:
        """By the number of the layer, from the first to the last."""
        found = self._grouped(layer_of)
        return {layer: found[layer] for layer in sorted(found, key=lambda name: (not name.isdigit(), name.zfill(6)))}

    def _grouped(self, key: Callable[[str], str]) -> dict[str, Move]:
        paths: dict[str, list[Move]] = {}
        for path, move in self.items():
            paths.setdefault(key(path), []).append(move)
        return {name: together(moves) for name, moves in paths.items()}

    def totals(self) -> dict[str, float]:
        """The few numbers that are compared between experiments; `largest_layer_delta` is relative."""
        total, layers = self.total, [move.relative for move in self.by_layer().values()]
        return {
            "matrices": len(self),
            "delta_norm": total.delta_norm,
            "relative_delta": total.relative,
            "largest_delta_norm": max(move.delta_norm for move in self.values()),
            "largest_layer_delta": max(layers),
        }

    def details(self) -> dict[str, Any]:
        """Every kind of matrix and every layer."""
        return {
            "total": self.total.as_json(),
            "by_kind": {name: move.as_json() for name, move in self.by_kind().items()},
            "by_layer": {name: move.as_json() for name, move in self.by_layer().items()},
        }


def layer_of(path: str) -> str:
    """The number of the layer that a module lies in, as text; NO_LAYER for the embeddings and the output layer."""
    found = LAYER.search(path)
    return found.group(1) if found else NO_LAYER


def moves_of(tuned: Any) -> Moves:
    """How far every adapted matrix of peft's model would move, before anything is merged."""
    return Moves((path, _move(module)) for path, module in _adapted(tuned))


def _adapted(tuned: Any) -> Iterator[tuple[str, Any]]:
    for path, module in tuned.named_modules():
        if hasattr(module, "get_delta_weight"):
            yield path.removeprefix(PREFIX), module


def _move(module: Any) -> Move:
    names: Sequence[str] = module.active_adapters
    first, *more = [module.get_delta_weight(name).float() for name in names]
    for delta in more:
        first = first + delta
    return Move(float(first.norm()), float(module.get_base_layer().weight.float().norm()))

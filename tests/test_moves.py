"""How far an adapter moves a model: norms by hand."""

from __future__ import annotations

import math

import pytest

from tunewright.moves import NO_LAYER, Move, Moves, layer_of, together

MOVES = Moves(
    {
        "model.layers.10.self_attn.q_proj": Move(0.0, 8.0),
        "model.layers.2.self_attn.q_proj": Move(3.0, 6.0),
        "model.layers.2.mlp.down_proj": Move(4.0, 0.0),
    }
)


def test_norms_add_up_as_those_of_one_long_vector() -> None:
    assert together([Move(3.0, 6.0), Move(4.0, 8.0)]) == Move(5.0, 10.0)
    assert MOVES.total == Move(5.0, 10.0)
    assert MOVES.total.relative == 0.5


def test_matrices_are_told_by_kind_and_by_layer_in_the_order_of_numbers() -> None:
    assert MOVES.by_kind() == {"q_proj": Move(3.0, 10.0), "down_proj": Move(4.0, 0.0)}
    assert list(MOVES.by_layer().items()) == [("2", Move(5.0, 6.0)), ("10", Move(0.0, 8.0))]
    assert layer_of("lm_head") == NO_LAYER


def test_the_totals_are_those_of_all_and_of_the_worst() -> None:
    assert MOVES.totals() == {
        "matrices": 3,
        "delta_norm": 5.0,
        "relative_delta": 0.5,
        "largest_delta_norm": 4.0,
        "largest_layer_delta": pytest.approx(5 / 6),
    }
    assert MOVES.details()["by_layer"]["10"] == {"delta_norm": 0.0, "weight_norm": 8.0, "relative_delta": 0.0}


def test_an_update_with_an_undefined_or_infinite_number_is_named() -> None:
    broken = Moves(MOVES | {"lm_head": Move(math.nan, 1.0), "x": Move(math.inf, 1.0)})
    assert broken.not_finite == ["lm_head", "x"]
    assert MOVES.not_finite == []

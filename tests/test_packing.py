"""Packing: full rows, the same loss as alone, and no example that sees another."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model_fixtures import make_example
from tunewright.chat_labels import IGNORED, Labelled, label_example
from tunewright.config import load
from tunewright.errors import TrainingError
from tunewright.likelihood import likelihoods, pooled_loss
from tunewright.quiet import quiet_libraries
from tunewright.training.job import Job
from tunewright.training.packing import check_apart, leak, pack, packed
from tunewright.training.settings import Settings


def of_length(n: int, number: int = 0) -> Labelled:
    return Labelled(f"{number}", [7] * n, [IGNORED] + [7] * (n - 1))


def test_each_example_goes_where_it_leaves_the_least_room() -> None:
    rows = pack([of_length(n) for n in (3, 7, 4, 5, 1)], 10)
    assert [[len(e.input_ids) for e in row] for row in rows] == [[7, 3], [5, 4, 1]]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(50, 120))
def test_every_example_is_in_one_row_and_no_row_is_too_long(lengths, most) -> None:
    examples = [of_length(n, i) for i, n in enumerate(lengths)]
    rows = pack(examples, most)
    assert sorted(e.id for row in rows for e in row) == sorted(e.id for e in examples)
    sums = [sum(len(e.input_ids) for e in row) for row in rows]
    assert max(sums) <= most
    assert sum(n <= most / 2 for n in sums) <= 1  # two of them would have been one


def test_a_packed_row_says_where_examples_begin_and_teaches_no_first_token() -> None:
    row = packed([Labelled("a", [1, 2], [1, 2]), Labelled("b", [3, 4, 5], [3, IGNORED, 5])])
    assert row == {"input_ids": [1, 2, 3, 4, 5], "labels": [-100, 2, -100, -100, 5], "seq_lengths": [2, 3]}


@pytest.fixture
def trainer(project, chat):
    """trl's own trainer over eight packed examples of different lengths, on the tiny model."""
    from tunewright.training.tuning import make_trainer

    settings = load("train.adapter", Settings).model_copy(update={"packing": True, "max_tokens": 90, "batch_size": 2})
    examples = [
        label_example(make_example(i, f"I lost {i} keys.", "Which hurts most? " * (1 + i % 3)), chat, 90)
        for i in range(8)
    ]
    with quiet_libraries():
        yield make_trainer(Job(settings, examples, [], Path("models/base"), project / "points")), examples


def test_the_packed_loss_is_the_token_weighted_loss_of_the_examples_alone(trainer) -> None:
    made, examples = trainer
    rows = [made.train_dataset[i] for i in range(len(made.train_dataset))]
    assert 1 < len(rows) < len(examples)
    batch = made.data_collator(rows)
    assert batch["input_ids"].shape == (1, sum(len(e.input_ids) for e in examples)) and "attention_mask" not in batch
    n_supervised = sum(e.n_supervised for e in examples)
    made.model.eval()
    loss = made.compute_loss(made.model, batch, num_items_in_batch=n_supervised)
    assert float(loss.detach()) == pytest.approx(pooled_loss(likelihoods(made.model, examples, 1)), rel=1e-5)
    ids = examples[0].input_ids, examples[1].input_ids
    assert leak(made, *ids) == 0.0


def test_a_model_that_does_not_heed_the_borders_is_refused(trainer, monkeypatch) -> None:
    made, examples = trainer
    decoder = type(made.model.get_base_model().get_decoder())
    forward = decoder.forward

    def heedless(self, input_ids, use_cache, **_):
        return forward(self, input_ids=input_ids, use_cache=use_cache)

    monkeypatch.setattr(decoder, "forward", heedless)
    assert leak(made, examples[0].input_ids, examples[1].input_ids) > 0.1
    with pytest.raises(TrainingError, match="this model mixes the examples of a row: .* set packing: false"):
        check_apart(made, examples)

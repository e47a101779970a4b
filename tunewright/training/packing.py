"""Several examples in one row, so that a GPU computes no padding, and none of them sees another.

trl's own packing happens while it prepares a dataset, which ready-made labels go past; so examples are put into rows
here (best fit, longest first) and handed over with their lengths. Its padding-free collator then starts positions anew
with each example and leaves out the attention mask; flash attention, and transformers' masks for the other kinds of
attention, take the borders from the positions. A model whose code does not look at them (recurrent layers, attention of
its own) would mix the examples without a word: `check_apart` finds out on the model itself, before the first step.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Any

from tunewright.chat_labels import IGNORED, Labelled
from tunewright.errors import TrainingError

LEAK = 0.01  # of the norm of an example's states; apart they differ by 0, mixed by much more (tests: over 0.1)
PROBED = 128  # tokens of each of the two examples that are tried


def pack(examples: Sequence[Labelled], max_tokens: int) -> list[list[Labelled]]:
    """Examples in rows of at most `max_tokens`: each, longest first, goes where it leaves the least room.

    Every row holds at least one; the order depends on lengths and on the order given alone.
    """
    rows: list[list[Labelled]] = []
    room: list[tuple[int, int]] = []  # (tokens left, row), rising
    for example in sorted(examples, key=lambda e: -len(e.input_ids)):
        at = bisect_left(room, (len(example.input_ids), -1))
        left, row = room.pop(at) if at < len(room) else (max_tokens, len(rows))
        if row == len(rows):
            rows.append([])
        rows[row].append(example)
        insort(room, (left - len(example.input_ids), row))
    return rows


def packed(row: Sequence[Labelled]) -> dict[str, list[int]]:
    """One row as trl's padding-free collator takes it. The first token of an example is never a target."""
    return {
        "input_ids": [token for e in row for token in e.input_ids],
        "labels": [label for e in row for label in (IGNORED, *e.labels[1:])],
        "seq_lengths": [len(e.input_ids) for e in row],
    }


def check_apart(trainer: Any, examples: Sequence[Labelled]) -> None:
    """Raise TrainingError when what stands before an example in its row changes what the model makes of it."""
    if (found := leak(trainer, *_shortest_two(examples))) > LEAK:
        raise TrainingError(
            f"with train.adapter.packing this model mixes the examples of a row: other words in one change the states "
            f"of the next by {found:.0%}; set packing: false in conf/trainer, or use a base model whose attention "
            "heeds positions"
        )


def leak(trainer: Any, first: Sequence[int], second: Sequence[int]) -> float:
    """How much the states of `second` change with the words before it: the norm of the difference over their norm."""
    states = [_states(trainer, before, second) for before in (first, first[::-1])]
    return float((states[0] - states[1]).norm() / states[0].norm())


def _shortest_two(examples: Sequence[Labelled]) -> tuple[list[int], list[int]]:
    """The beginnings of two examples, or of one twice where there is but one."""
    ids = [e.input_ids[:PROBED] for e in sorted(examples, key=lambda e: len(e.input_ids))[:2]]
    return ids[0], ids[-1]


def _states(trainer: Any, before: Sequence[int], ids: Sequence[int]) -> Any:
    """Last hidden states of `ids` (tokens, width) in a row after `before`, by the trainer's own collator."""
    import torch

    rows = [Labelled("probe", list(part), [IGNORED] * len(part)) for part in (before, ids)]
    batch = trainer.data_collator([packed(rows)])
    model = trainer.model
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    device = next(model.parameters()).device
    inputs = {k: v.to(device) if torch.is_tensor(v) else v for k, v in batch.items() if k != "labels"}
    was_training = model.training
    model.eval()
    with torch.no_grad():
        hidden = core.get_decoder()(**inputs, use_cache=False).last_hidden_state[0, len(before) :].float()
    model.train(was_training)
    return hidden

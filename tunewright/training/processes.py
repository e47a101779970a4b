"""What several processes of one training must do differently, each told apart by what `accelerate launch` sets.

The examples of one optimizer step are shared out, so that a step is the same whatever the number of processes: of
`gradient_accumulation` batches each process takes its part. Where the model is sharded (FSDP, DeepSpeed ZeRO-3) no
process holds whole weights: losses go through the wrapped model, and the adapter is gathered before the first process
saves it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tunewright.chat_labels import Labelled
from tunewright.errors import TrainingError
from tunewright.records import read_json, write_json


def count() -> int:
    """Processes of this training."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def first() -> bool:
    """Whether this process is the one that speaks and writes."""
    return int(os.environ.get("RANK", "0")) == 0


def local() -> int:
    """The number of this process on its machine, which is its GPU's."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def sharded() -> bool:
    """Whether the model is spread over the processes: then no device may be named while it is loaded."""
    return "true" in (os.environ.get(f"ACCELERATE_USE_{way}") for way in ("FSDP", "DEEPSPEED"))


def accumulation_of_each(accumulation: int, processes: int) -> int:
    """Batches that each process adds up in one step; raises TrainingError where they cannot be shared out evenly."""
    if accumulation % processes:
        raise TrainingError(
            f"train.adapter.gradient_accumulation is {accumulation} and cannot be shared out evenly over {processes} "
            "processes: a step would hold another number of examples. Set trainer.place.processes to a divisor of it, "
            "or trainer.gradient_accumulation to a multiple of the processes, and run: make params"
        )
    return accumulation // processes


def shared_loss(trainer: Any, examples: Sequence[Labelled]) -> float | None:
    """Token-weighted loss (nats a token) over all processes, through the wrapped model; None without examples.

    Every process makes the same number of forward passes, or the collectives of a sharded model would wait for ever:
    whoever has fewer examples repeats its first, uncounted.
    """
    import torch

    if not examples:
        return None
    model, device = trainer.model_wrapped, trainer.accelerator.device
    mine = list(examples[trainer.accelerator.process_index :: count()])
    rounds = math.ceil(len(examples) / count())
    totals = torch.zeros(2, dtype=torch.float64, device=device)  # nats, tokens
    was_training = model.training
    model.eval()
    for turn in range(rounds):
        example = mine[turn] if turn < len(mine) else examples[0]
        row = {"input_ids": example.input_ids, "labels": example.labels}
        batch = {name: torch.tensor([values], device=device) for name, values in row.items()}
        with torch.no_grad():
            mean = float(trainer.compute_loss(model, batch))
        if turn < len(mine):
            totals += torch.tensor([mean * example.n_supervised, example.n_supervised], device=device)
    model.train(was_training)
    nats, tokens = trainer.accelerator.reduce(totals, reduction="sum").tolist()
    return nats / tokens


def losses_around(
    trainer: Any, examples: Sequence[Labelled], kept: Path, train: Callable[[], int]
) -> tuple[float | None, int, float | None]:
    """Loss before, steps, loss after. The first is measured on the wrapped model, and kept for a run that goes on."""
    from transformers import TrainerCallback

    class Before(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 0:
                loss = shared_loss(trainer, examples)
                if first():
                    write_json(kept, {"loss": loss})

    trainer.add_callback(Before())
    steps = train()
    return read_json(kept)["loss"], steps, shared_loss(trainer, examples)


def whole_weights(trainer: Any) -> dict[str, Any]:
    """The trained weights by name, gathered from all processes; every process must call it."""
    trained = {name: p for name, p in trainer.model.named_parameters() if p.requires_grad}
    if trainer.is_deepspeed_enabled:
        from deepspeed.zero import GatheredParameters  # type: ignore[import-not-found]

        with GatheredParameters(list(trained.values())):
            return {name: p.detach().cpu().clone() for name, p in trained.items()}
    whole = {name: p.full_tensor() if hasattr(p, "full_tensor") else p for name, p in trained.items()}
    return {name: p.detach().cpu() for name, p in whole.items()}

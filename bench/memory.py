"""Peak memory of real CPU training runs against the formula of tunewright.memory.

    python -m bench.memory                    # 256, 512 and 896 tokens, batch 1, four optimizer steps each

Each length trains in a process of its own, with the trainer of train-adapter on models/base and with real conversations
of data/generate/train.jsonl, cut or repeated to the length. Measured: resource.getrusage's peak resident memory, less
what the process held before the model was loaded. The peak comes in the second step, when Adam's moments are there
and the heap has been used once. Needs `dvc repro generate-slices`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path

from stages.design import tokens as design
from stages.train import adapter
from tunewright.chat_labels import Labelled, label_example
from tunewright.chat_tokenizer import load_tokenizer
from tunewright.config import load
from tunewright.document import md_table
from tunewright.memory import GIB, training_memory
from tunewright.quiet import quiet_libraries
from tunewright.records import Example, read_jsonl
from tunewright.resident import peak_bytes
from tunewright.training.job import Job
from tunewright.training.tuning import make_trainer

STEPS = 4


def examples_of(tokens: int, tokenizer: adapter.ChatTokenizer, ceiling: int) -> list[Labelled]:
    """As many examples as steps, each exactly `tokens` long."""
    shipped = read_jsonl(adapter.TRAIN, Example, made_by="generate-slices")[:STEPS]
    whole = [label_example(e, tokenizer, ceiling) for e in shipped]
    return [
        Labelled(e.id, list(islice(cycle(e.input_ids), tokens)), list(islice(cycle(e.labels), tokens))) for e in whole
    ]


def measure(tokens: int) -> dict[str, float]:
    """Peak bytes of this process before the model is loaded and at the end of training."""
    params = load("train.adapter", adapter.Config)
    config = params.model_copy(
        update={"epochs": 1.0, "batch_size": 1, "gradient_accumulation": 1, "checkpoints_per_epoch": 1}
    )
    tokenizer = load_tokenizer(adapter.BASE)
    examples = examples_of(tokens, tokenizer, config.max_tokens)
    with quiet_libraries(), tempfile.TemporaryDirectory() as folder:
        import datasets, peft, torch, transformers, trl  # noqa: E401, F401, I001 - part of the process before the model

        import tunewright.supervised_loss  # noqa: F401 - likewise

        before = peak_bytes()
        make_trainer(Job(config, examples, [], adapter.BASE, Path(folder))).train()
    return {"before": before, "peak": peak_bytes()}


def predicted(tokens: int) -> dict[str, float]:
    """The formula's components, batch 1."""
    params = load("design.tokens", design.Config)
    trainer = params.trainer.model_copy(update={"batch_size": 1})
    return training_memory(params.base_model, trainer, params.rules.footprint, tokens)


def row(tokens: int) -> list[str]:
    """One length: both predictions beside what a fresh process measures."""
    command = [sys.executable, "-m", "bench.memory", "--measure", str(tokens)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    parts = predicted(tokens)
    whole = sum(parts.values())
    pairs = [(whole - parts["process and libraries"], found["peak"] - found["before"]), (whole, found["peak"])]
    cells = [cell for p, m in pairs for cell in (f"{p / GIB:.2f}", f"{m / GIB:.2f}", f"{p / m:.2f}")]
    return [str(tokens), *cells, f"{found['before'] / GIB:.2f}"]


def main() -> None:
    """Print the table, or measure one length for it."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("lengths", nargs="*", type=int, default=[256, 512, 896])
    parser.add_argument("--measure", type=int, help="train at this length in this very process and print its memory")
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return
    head = ("tokens", "model: predicted GiB", "measured", "ratio", "process: predicted", "measured", "ratio", "before")
    print(md_table(head, [row(tokens) for tokens in arguments.lengths]))


if __name__ == "__main__":
    main()

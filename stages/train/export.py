"""train-export: a GGUF file for serving, base and tuned by the very same path.

Only so does a difference between the two come from tuning and not from quantization or a template. The file is not
believed: it must answer a prompt, and must tokenize the domain's conversations exactly as transformers did.

Run as `python -m stages.train.export base|tuned`.
Reads models/base/ or models/merged/, the domain's authored conversations (where there are none: its calibration
examples) and system prompt; nothing that is generated, so that the base can be tested before anything is.
Writes models/gguf/<variant>.gguf, data/train/export/<variant>.json (its hash, and its answer) and
metrics/train-export/<variant>.json.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from tunewright.chat_labels import prompt_messages
from tunewright.chat_tokenizer import ChatTokenizer, load_tokenizer
from tunewright.config import Config as BaseConfig
from tunewright.config import Domain, load, load_domain
from tunewright.conversation import as_messages, assistant_variables, history
from tunewright.errors import ConfigError, MissingInputError, run_main
from tunewright.gguf_export import answer, check_parity, check_template, convert
from tunewright.own_talk import own_conversations
from tunewright.prompts import render
from tunewright.records import Example, stable_unit, write_json
from tunewright.serving import Endpoint, serve
from tunewright.terminal import Stage, bar
from tunewright.versions import EXPORT, installed
from tunewright.weights import sha256_of

SOURCES = {"base": Path("models/base"), "tuned": Path("models/merged")}
MAKERS = {"base": "train-base", "tuned": "train-merge"}
SMOKE_TOKENS = 60
THREADS = 2


class Config(BaseConfig):
    """Params section train.export."""

    quantization: Literal["q8_0", "f16", "bf16", "f32"]
    parity_conversations: int = Field(ge=1)
    smoke_prompt: str = Field(min_length=1)


def conversations(domain: Domain) -> list[Example]:
    """The domain's own conversations under its system prompt."""
    system = as_messages(render(Path(domain.prompts) / "system.md", **assistant_variables(domain)))
    return [
        Example(
            id=talk.id,
            transcript_id=talk.id,
            persona_id=talk.persona_id,
            n_exchanges=len(talk.exchanges),
            n_tokens=0,  # not counted: nothing is trained on these
            messages=(*system, *as_messages(history(talk.exchanges))),
        )
        for talk in own_conversations(domain)
    ]


def pick(examples: Sequence[Example], count: int) -> list[Example]:
    """Which conversations are compared: `count` of them by stable hash, or all when there are fewer."""
    return sorted(examples, key=lambda e: (stable_unit("parity", e.id), e.id))[:count]


def variant_of(arguments: Sequence[str]) -> str:
    """The variant named on the command line."""
    if len(arguments) != 1 or arguments[0] not in SOURCES:
        raise ConfigError(f"expected one of {', '.join(SOURCES)}, found {' '.join(arguments) or 'nothing'}")
    return arguments[0]


def parity(examples: Sequence[Example], tokenizer: ChatTokenizer, endpoint: Endpoint) -> dict[str, Any]:
    """Compare every example's prompt; the first that differs raises TrainingError."""
    with bar("comparing tokens", len(examples)) as progress:
        for example in examples:
            check_parity(example.id, prompt_messages(example), tokenizer, endpoint)
            progress.advance()
    return {"parity_checked": len(examples), "parity_equal": len(examples)}


def main() -> None:
    """Convert, ask, compare, write."""
    variant, config = variant_of(sys.argv[1:]), load("train.export", Config)
    stage, source, target = Stage(f"train-export@{variant}"), SOURCES[variant], Path(f"models/gguf/{variant}.gguf")
    if not source.exists():
        raise MissingInputError(f"{source}: no such directory; make it with: dvc repro {MAKERS[variant]}")
    tokenizer = load_tokenizer(source)
    check_template(tokenizer.template, source)
    examples = pick(conversations(load_domain()), config.parity_conversations)
    stage.start(f"{source} to {config.quantization}, {len(examples)} conversations to compare")
    convert(source, target, config.quantization)
    endpoint = serve(target, slots=1, context_tokens_per_slot=2048, threads=THREADS)
    smoke = answer(endpoint, config.smoke_prompt, SMOKE_TOKENS)
    checked = parity(examples, tokenizer, endpoint)
    facts: dict[str, Any] = {"quantization": config.quantization, "sha256": sha256_of(target), "smoke_answer": smoke}
    facts["versions"] = installed(EXPORT)
    write_json(f"data/train/export/{variant}.json", facts)
    metrics = {"bytes": target.stat().st_size, **checked}
    write_json(f"metrics/train-export/{variant}.json", metrics)
    stage.note(f"answers: {smoke[:120]!r}")
    stage.end(
        f"{metrics['bytes'] / 1e6:,.0f} MB, tokens equal in {len(examples)} of {len(examples)} conversations; {target}"
    )


if __name__ == "__main__":
    run_main(main)

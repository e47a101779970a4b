"""train-export: a GGUF file for serving, base and tuned by the very same path.

Only so does a difference between the two come from tuning and not from quantization or a template. The file is not
believed: it must carry the base's own chat template, answer a prompt, tokenize the domain's conversations exactly as
transformers did, and go on from them with the tokens that the unquantized weights find likeliest.

Run as `python -m stages.train.export base|tuned`.
Reads models/base/ or models/merged/, the domain's authored conversations (where there are none: its calibration
examples) and system prompt; nothing that is generated, so that the base can be tested before anything is.
Writes models/gguf/<variant>.gguf and <variant>.Modelfile (for Ollama), data/train/export/<variant>.json (its hash, its
answer, how it is stored, how it agrees) and metrics/train-export/<variant>.json.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from tunewright.chat_labels import prompt_messages
from tunewright.chat_tokenizer import ChatTokenizer, load_tokenizer
from tunewright.config import Config as BaseConfig
from tunewright.config import load, load_domain
from tunewright.continuations import AgreementRules, refuse_unlike
from tunewright.errors import ConfigError, MissingInputError, run_main
from tunewright.export_checks import agreement, conversations, openings, pick, room_for, said_by_weights
from tunewright.gguf_export import answer, check_parity, check_stored_template, check_template
from tunewright.modelfile import ModelfileRules, modelfile, turns_of
from tunewright.modelfile_reading import read_modelfile
from tunewright.quantizing import Quantization, store
from tunewright.records import Example, write_json, write_text
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

    quantization: Quantization
    parity_conversations: int = Field(ge=1)
    smoke_prompt: str = Field(min_length=1)
    agreement: AgreementRules
    modelfile: ModelfileRules


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


def write_modelfile(
    path: Path, examples: Sequence[Example], tokenizer: ChatTokenizer, rules: ModelfileRules, source: str
) -> dict[str, Any]:
    """A Modelfile beside the file that it serves, read back as Ollama would; returns what was checked."""
    turns = turns_of(tokenizer, [prompt_messages(example) for example in examples])
    about = f"made by train-export; ollama create NAME -f {path.name}"
    write_text(path, modelfile(source, examples[0].messages[0].content, turns, rules, about=about))
    return {"file": path.name, "instructions": len(read_modelfile(path)), "template_equal": turns.checked}


def main() -> None:
    """Convert, ask, compare, write."""
    variant, config = variant_of(sys.argv[1:]), load("train.export", Config)
    stage, source, target = Stage(f"train-export@{variant}"), SOURCES[variant], Path(f"models/gguf/{variant}.gguf")
    if not source.exists():
        raise MissingInputError(f"{source}: no such directory; make it with: dvc repro {MAKERS[variant]}")
    tokenizer, rules = load_tokenizer(source), config.agreement
    check_template(tokenizer.template, source)
    examples = pick(conversations(load_domain()), config.parity_conversations)
    prompts = openings(examples[: rules.conversations], tokenizer)
    stage.start(f"{source} to {config.quantization}, {len(examples)} conversations to compare")
    stored = store(source, target, config.quantization)
    check_stored_template(target, source, tokenizer.template)
    endpoint = serve(target, slots=1, context_tokens_per_slot=room_for(prompts, rules), threads=THREADS)
    smoke = answer(endpoint, config.smoke_prompt, SMOKE_TOKENS)
    checked = parity(examples, tokenizer, endpoint)
    said = said_by_weights(source, prompts, rules, tokenizer.backend.eos_token_id) if prompts else []
    agreed = agreement(endpoint, prompts, said, rules) if prompts else None
    if agreed:
        refuse_unlike(agreed, rules, str(target), f"the unquantized weights ({source})")
    ollama = write_modelfile(target.with_suffix(".Modelfile"), examples, tokenizer, config.modelfile, target.name)
    n_bytes = target.stat().st_size
    told = stored.told(variant, n_bytes)
    facts = {"quantization": stored.given, "asked": stored.asked, "fallback_tensors": stored.fallback_tensors}
    facts |= {"told": told, "sha256": sha256_of(target), "smoke_answer": smoke, "template_equal": True}
    facts |= {"agreement": agreed and agreed.as_json(), "modelfile": ollama}
    facts["versions"] = installed(EXPORT)
    write_json(f"data/train/export/{variant}.json", facts)
    metrics = {"bytes": n_bytes, "as_asked": stored.given == stored.asked, **checked}
    metrics |= {"top1": agreed and agreed.top1, "good": agreed and agreed.good}
    metrics |= {"logprob_difference": agreed and agreed.logprob_difference}
    write_json(f"metrics/train-export/{variant}.json", metrics)
    compared = f"against the unquantized weights: {agreed.told()}" if agreed else "compared with no unquantized weights"
    for line in filter(None, (told, f"answers: {smoke[:120]!r}", compared, said_of_modelfile(ollama))):
        stage.note(line)
    stage.end(f"{n_bytes / 1e6:,.0f} MB, tokens equal in {len(examples)} of {len(examples)} conversations; {target}")


def said_of_modelfile(ollama: dict[str, Any]) -> str:
    """What was checked of the Modelfile, in words."""
    n = ollama["template_equal"]
    turns = (
        f"its turns are the model's own in {n} conversations" if n else "without TEMPLATE: its turns are no fixed text"
    )
    return f"{ollama['file']}: {ollama['instructions']} instructions, {turns}"


if __name__ == "__main__":
    run_main(main)

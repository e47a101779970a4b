"""train-lora: the adapter as a GGUF file of its own, served beside the base: a few percent of a merged model's size.

One base can then serve several adapters, and an adapter can be sent by itself. It is held to the merged file: on the
same conversations the base with the adapter must go on as the merged model does.

Reads models/base/, models/adapter/, models/gguf/base.gguf, models/gguf/tuned.gguf, the domain's own conversations (as
train-export) and system prompt. Writes models/gguf/adapter.gguf, models/gguf/adapter.Modelfile (for Ollama),
data/train/lora.json and metrics/train-lora.json.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from tunewright.chat_labels import prompt_messages
from tunewright.chat_tokenizer import load_tokenizer
from tunewright.config import Config as BaseConfig
from tunewright.config import load, load_domain
from tunewright.continuations import AgreementRules, refuse_unlike
from tunewright.errors import MissingInputError, TrainingError, run_main
from tunewright.export_checks import agreement, conversations, openings, pick, room_for, said_by_file
from tunewright.gguf_export import answer, convert_adapter
from tunewright.json_files import read_object
from tunewright.modelfile import ModelfileRules, modelfile, turns_of
from tunewright.modelfile_reading import read_modelfile
from tunewright.records import write_json, write_text
from tunewright.serving import serve, stop
from tunewright.terminal import Stage
from tunewright.weights import sha256_of

BASE, ADAPTER = Path("models/base"), Path("models/adapter")
BASE_FILE, TUNED_FILE = Path("models/gguf/base.gguf"), Path("models/gguf/tuned.gguf")
TARGET, OLLAMA = Path("models/gguf/adapter.gguf"), Path("models/gguf/adapter.Modelfile")
MAKERS = {
    BASE: "train-base",
    ADAPTER: "train-adapter",
    BASE_FILE: "train-export@base",
    TUNED_FILE: "train-export@tuned",
}
PLAIN: dict[str, Any] = {  # what GGUF has no words for: anything but these would be left out in silence
    "peft_type": "LORA",
    "use_rslora": False,
    "use_dora": False,
    "modules_to_save": None,
    "rank_pattern": {},
    "alpha_pattern": {},
    "bias": "none",
}
SMOKE_TOKENS = 60
THREADS = 2


class Config(BaseConfig):
    """Params section train.lora."""

    precision: Literal["f32", "f16", "bf16", "q8_0"]
    conversations: int = Field(ge=1)
    smoke_prompt: str = Field(min_length=1)
    agreement: AgreementRules
    modelfile: ModelfileRules


def refuse_unwritable(settings: dict[str, Any]) -> None:
    """Raise TrainingError for an adapter of a kind that a GGUF adapter cannot hold."""
    for key, plain in PLAIN.items():
        if (settings.get(key) or plain) != plain:
            raise TrainingError(
                f"{ADAPTER}/adapter_config.json: {key} is {settings[key]!r}, expected {plain!r}: a GGUF adapter holds "
                "plain LoRA alone. models/gguf/tuned.gguf has the whole model; leave this stage out with "
                "`frozen: true` in dvc.yaml, or train plain LoRA"
            )


def main() -> None:
    """Convert, serve beside the base, compare, write."""
    stage, config = Stage("train-lora"), load("train.lora", Config)
    for path, maker in MAKERS.items():
        if not path.exists():
            raise MissingInputError(f"{path}: it is not there; make it with: dvc repro {maker}")
    refuse_unwritable(read_object(ADAPTER / "adapter_config.json", "train-adapter"))
    tokenizer, rules = load_tokenizer(BASE), config.agreement
    examples = pick(conversations(load_domain()), config.conversations)
    prompts = openings(examples[: rules.conversations], tokenizer)
    stage.start(f"{ADAPTER} to {config.precision}, {len(prompts)} conversations to compare with {TUNED_FILE}")
    convert_adapter(ADAPTER, BASE, TARGET, config.precision)
    room, end = room_for(prompts, rules), tokenizer.backend.eos_token_id
    said = said_by_file(serve(TUNED_FILE, 1, room, THREADS), prompts, rules, end) if prompts else []
    stop()  # two models at once may be more than there is memory for
    endpoint = serve(BASE_FILE, 1, room, THREADS, adapter=TARGET)
    smoke = answer(endpoint, config.smoke_prompt, SMOKE_TOKENS)
    found = agreement(endpoint, prompts, said, rules) if prompts else None
    if found:
        refuse_unlike(found, rules, f"{BASE_FILE} with {TARGET}", f"the merged model ({TUNED_FILE})")
    turns = turns_of(tokenizer, [prompt_messages(example) for example in examples])
    about = f"made by train-lora; ollama create NAME -f {OLLAMA.name}"
    system = examples[0].messages[0].content
    write_text(OLLAMA, modelfile(BASE_FILE.name, system, turns, config.modelfile, TARGET.name, about))
    read_modelfile(OLLAMA)
    n_bytes = TARGET.stat().st_size
    facts = {"precision": config.precision, "bytes": n_bytes, "sha256": sha256_of(TARGET), "smoke_answer": smoke}
    write_json("data/train/lora.json", facts | {"agreement": found and found.as_json()})
    metrics = {"bytes": n_bytes, "top1": found and found.top1, "good": found and found.good}
    write_json("metrics/train-lora.json", metrics | {"logprob_difference": found and found.logprob_difference})
    stage.note(f"answers: {smoke[:120]!r}")
    stage.end(f"{n_bytes / 1e6:,.1f} MB, {found.told() if found else 'compared with nothing'}; {TARGET}")


if __name__ == "__main__":
    run_main(main)

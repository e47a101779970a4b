"""The files of the model's repository: the adapter, the merged weights, the GGUF, and the evaluation.

The adapter names its base by a folder of the machine that it was trained on; the published one names the base's
repository on the Hub. The base model itself is not published again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tunewright.base_models import BaseModelConfig, HubSource
from tunewright.errors import MissingInputError
from tunewright.json_files import read_object
from tunewright.publishing.parcel import Parcel, Part, Upload, json_file

ADAPTER, MERGED, GGUF = Path("models/adapter"), Path("models/merged"), Path("models/gguf")
REPORT, FIGURES = Path("reports/evaluation_report.md"), Path("reports/figures")
EVALUATION = ("metrics/evaluate-compare.json", "metrics/evaluate-sanity.json", "metrics/train-adapter.json")


def model_parcel(
    repo: str, parts: Sequence[Part], base: BaseModelConfig, hub_base: str | None, with_report: bool
) -> Parcel:
    """The chosen parts, with the evaluation. Raises MissingInputError for what is not made yet."""
    makers: dict[Part, Callable[[], list[Upload]]] = {
        "adapter": lambda: adapter_files(base, hub_base),
        "merged": merged_files,
        "gguf": lambda: gguf_files(repo),
    }
    uploads = [upload for part in parts for upload in makers[part]()]
    return Parcel("model", repo, tuple(parts), (*uploads, *evaluation_files(with_report)))


def adapter_files(base: BaseModelConfig, hub_base: str | None) -> list[Upload]:
    """peft's adapter, under a configuration that names the base on the Hub; its GGUF beside it where there is one."""
    uploads = []
    for path in _files(ADAPTER, "train-adapter"):
        if path.name == "adapter_config.json":
            uploads.append(json_file("adapter/adapter_config.json", pointed(read_object(path), base, hub_base)))
        elif path.name != "README.md":  # peft's empty card
            uploads.append(Upload(f"adapter/{path.name}", path))
    as_gguf = GGUF / "adapter.gguf"
    return uploads + ([Upload("adapter/adapter.gguf", as_gguf)] if as_gguf.exists() else [])


def pointed(config: dict[str, object], base: BaseModelConfig, hub_base: str | None) -> dict[str, object]:
    """The adapter's configuration with the base's repository, and its commit where it was trained on that."""
    revision = base.source.revision if isinstance(base.source, HubSource) else None
    return config | {"base_model_name_or_path": hub_base or base.title, "revision": revision}


def merged_files() -> list[Upload]:
    """The merged weights at the repository's root, where transformers looks for them."""
    return [Upload(path.name, path) for path in _files(MERGED, "train-merge") if path.name != "README.md"]


def gguf_files(repo: str) -> list[Upload]:
    """The tuned GGUF under a name that says the model and its quantization, and the Modelfile that names it so."""
    weights, recipe = GGUF / "tuned.gguf", GGUF / "tuned.Modelfile"
    if not weights.exists():
        raise MissingInputError(f"{weights}: no such file; make it with: dvc repro train-export@tuned")
    name = gguf_name(repo)
    uploads = [Upload(name, weights)]
    if recipe.exists():
        uploads.append(Upload("Modelfile", recipe.read_text("utf-8").replace(weights.name, name).encode()))
    return uploads


def gguf_name(repo: str) -> str:
    """As llama.cpp and the Hub read names: model, quantization."""
    made = read_object("data/train/export/tuned.json", "train-export@tuned")
    return f"{repo}-{str(made['quantization']).upper()}.gguf"


def evaluation_files(with_report: bool) -> list[Upload]:
    """The numbers that the card tells, and the report with its figures where it may be published."""
    uploads = [Upload(f"evaluation/{Path(path).name}", Path(path)) for path in EVALUATION if Path(path).exists()]
    if with_report and REPORT.exists():
        uploads.append(Upload(f"evaluation/{REPORT.name}", REPORT))
        uploads += [Upload(f"evaluation/figures/{p.name}", p) for p in sorted(FIGURES.glob("*.png"))]
    return uploads


def _files(folder: Path, made_by: str) -> list[Path]:
    if not folder.is_dir():
        raise MissingInputError(f"{folder}: no such folder; make it with: dvc repro {made_by}")
    return [path for path in sorted(folder.iterdir()) if path.is_file()]

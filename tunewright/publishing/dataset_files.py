"""The files of the dataset's repository: the examples, and the pipeline that made them.

What only says where or how fast things ran (addresses of servers, names of keys) is taken out of params.yaml. Where
imported people's words are not to be published, neither are the reports that quote conversations.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tunewright.config import Domain, read_yaml
from tunewright.errors import MissingInputError
from tunewright.publishing.examples import Examples
from tunewright.publishing.parcel import Parcel, Upload
from tunewright.records import Persona, Record

UNTRACKED = (("llm", "connections"), ("llm", "batch_api"), ("trainer", "place"), ("runner",), ("publish",))
SHARED_PROMPTS = ("judge", "fixup", "entailment", "simulator_review", "user_again")  # the others draft new domains
QUOTING = ("reports/generation_stats.md", "reports/audit.md", "reports/simulator.md", "reports/fixup.md")
REPORTS = ("reports/judge-calibration.md", "reports/gate.md", "reports/model-choice.md")
REQUIRED = ("dvc.yaml", "dvc.lock", "reports/generation_stats.md", "reports/audit.md", "reports/judge-calibration.md")
MADE_BY = {
    "reports/generation_stats.md": "generate-analyze",
    "reports/audit.md": "generate-audit",
    "reports/judge-calibration.md": "design-calibrate",
}


def dataset_parcel(repo: str, domain: Domain, examples: Examples, people: Iterable[Persona]) -> Parcel:
    """All files but the card. Raises MissingInputError for one that the pipeline makes and that is not there."""
    uploads = [
        *(Upload(f"data/{split}.jsonl", json_lines(found)) for split, found in examples.by_split.items()),
        Upload("data/personas.jsonl", json_lines(people)),
        Upload("pipeline/params.yaml", portable_params(read_yaml("params.yaml"))),
        *(Upload(f"pipeline/{path}", Path(path)) for path in pipeline_files(domain, quotes_imported(examples))),
    ]
    return Parcel("dataset", repo, ("dataset",), tuple(uploads))


def quotes_imported(examples: Examples) -> bool:
    """Whether reports may quote words that are not published: they tell of all conversations, rejected ones too."""
    return examples.hidden


def json_lines(records: Iterable[Record]) -> bytes:
    """Records as the bytes of a JSON Lines file."""
    return "".join(f"{record.model_dump_json()}\n" for record in records).encode()


def portable_params(params: dict[str, Any]) -> bytes:
    """params.yaml without what is never tracked: it decides nothing, and names machines and variables."""
    kept = {key: dict(value) if isinstance(value, dict) else value for key, value in params.items()}
    for section, *rest in UNTRACKED:
        if not rest:
            kept.pop(section, None)
        elif isinstance(kept.get(section), dict):
            kept[section].pop(rest[0], None)
    head = "# As composed for this run, without addresses, keys and places: they change no result.\n"
    return (head + yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=120)).encode()


def pipeline_files(domain: Domain, without_quotes: bool) -> list[str]:
    """Paths in the project of everything that the examples were made with, and of what was measured on them."""
    for path in REQUIRED:
        if not Path(path).exists():
            raise MissingInputError(f"{path}: no such file; make it with: dvc repro {MADE_BY.get(path, '')}".rstrip())
    design = [domain.brief, domain.frameworks, domain.taxonomy, domain.personas, domain.rubric]
    design += [domain.calibration, domain.planted]
    prompts = [str(p) for p in sorted(Path(domain.prompts).glob("*.md"))]
    prompts += [f"prompts/shared/{name}.md" for name in SHARED_PROMPTS]
    metrics = [str(p) for p in sorted(Path("metrics").rglob("*.json"))]
    reports = [*REPORTS, *(() if without_quotes else QUOTING)]
    wanted = ["dvc.yaml", "dvc.lock", "requirements.lock", *design, *prompts, *reports, *metrics]
    return [path for path in dict.fromkeys([*wanted, "data/design/judge-trust.json"]) if Path(path).exists()]

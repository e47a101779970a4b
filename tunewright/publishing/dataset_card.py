"""The dataset's card: what it holds, who wrote it, how it was chosen, what it is for and what it cannot carry."""

from __future__ import annotations

from collections import Counter
from typing import Any

from huggingface_hub import DatasetCardData

from tunewright.publishing.card_text import (
    assumed,
    card,
    file_table,
    judge_lines,
    made_with,
    origin_table,
    table,
    terms_table,
)
from tunewright.publishing.facts import Facts
from tunewright.publishing.parcel import Files
from tunewright.records import RULES

NOT_CHOSEN = "not chosen"
HUB_SPLITS = {"train": "train", "valid": "validation", "holdout": "test"}
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
FILES = {
    "data/": "the examples by split, and the personas of those who speak in them",
    "pipeline/dvc.yaml": "the pipeline, stage by stage",
    "pipeline/dvc.lock": "what each stage read and made, by hash",
    "pipeline/params.yaml": "every parameter of the run",
    "pipeline/conf/": "the design: rubric, taxonomy, personas, calibration examples",
    "pipeline/prompts/": "the prompts of simulated users, assistant and judges",
    "pipeline/reports/": "what was generated and why it fails, the audit, the judges' calibration",
    "pipeline/metrics/": "the stages' numbers",
}


def dataset_card(facts: Facts, files: Files, repo_id: str, model_id: str | None) -> str:
    """The card as README.md."""
    return card("dataset_card.md", metadata(facts), values(facts, files, repo_id, model_id))


def metadata(facts: Facts) -> DatasetCardData:
    """What the Hub reads. The viewer and load_dataset take the splits from `configs`."""
    n = sum(count.n_examples for count in facts.examples.counts().values())
    files = [{"split": HUB_SPLITS[s], "path": f"data/{s}.jsonl"} for s in facts.examples.by_split]
    return DatasetCardData(
        pretty_name=f"{facts.domain.title}: conversations",
        language=[facts.settings.language],
        license=facts.settings.dataset_licence,
        task_categories=["text-generation"],
        size_categories=[next((name for bound, name in SIZES if n < bound), "n>1M")],
        language_creators=creators(facts),
        annotations_creators=annotators(facts),
        source_datasets=["original"],
        tags=["conversational", "chat", "tunewright", facts.domain.id],
        configs=[{"config_name": "default", "data_files": files}],
    )


def creators(facts: Facts) -> list[str]:
    """Who wrote the words, in the Hub's terms."""
    kinds = {"author": "expert-generated", "imported": "found"}
    by = {part for origin in facts.examples.by_origin() for part in (origin.user_by, origin.assistant_by)}
    return sorted({kinds.get(writer, "machine-generated") for writer in by})


def annotators(facts: Facts) -> list[str]:
    """Who judged them: measures and models are machines."""
    people = facts.metrics["generate-slices"].get("n_rejected_by_readers", 0)
    return ["machine-generated"] + (["expert-generated"] if people else [])


def people(facts: Facts) -> dict[str, Any]:
    """What the published people write about, and who among them is an edge case."""
    found = facts.people
    topics = Counter(p.topic for p in found)
    edges = Counter(p.edge_case for p in found if p.edge_case)
    return {
        "topics": named(topics) or "what their logs do not tell",
        "edges": named(edges),
        "n_edges": edges.total(),
        "n_people": len(found),
    }


def named(counts: Counter[str]) -> str:
    """Names with their numbers, the most frequent first."""
    return ", ".join(
        f"{name.replace('_', ' ')} ({n})" for name, n in sorted(counts.items(), key=lambda i: (-i[1], i[0]))
    )


def values(facts: Facts, files: Files, repo_id: str, model_id: str | None) -> dict[str, Any]:
    """What the template is filled with."""
    counts, scores, gate = facts.examples.counts(), facts.metrics["generate-scores"], facts.metrics["generate-gate"]
    rows = [
        (HUB_SPLITS[s], c.n_examples, len(c.conversations), len(c.people), f"{c.n_tokens:,}") for s, c in counts.items()
    ]
    judged = [c for c in facts.rubric.criteria if c.evaluator not in RULES]
    return {
        "domain": facts.domain,
        "settings": facts.settings,
        "licence": facts.settings.dataset_licence or NOT_CHOSEN,
        "repo_id": repo_id,
        "model_id": model_id,
        "base": facts.base.title,
        "n_examples": sum(c.n_examples for c in counts.values()),
        "splits": table(("split", "examples", "conversations", "people", "tokens"), rows),
        "origins": origin_table(facts),
        "terms": terms_table(facts),
        "n_left_out": facts.examples.left_out.total(),
        "imported": any(origin.is_imported for origin in facts.examples.by_origin()),
        "machine": bool(facts.writers.wrote(facts.examples)),
        "simulated": any(o.source in ("simulated", "fixed") for o in facts.examples.by_origin()),
        "scores": scores,
        "gate": gate,
        "slices": facts.metrics["generate-slices"],
        "audit": facts.metrics["generate-audit"],
        "n_criteria": len(facts.rubric.criteria),
        "n_judged": len(judged),
        "judges": judge_lines(facts),
        "assumed": assumed(facts),
        "max_tokens": facts.project.params["generate"]["slices"]["max_tokens"],
        **people(facts),
        "files": file_table(files, FILES),
        "versions": table(("what", "version"), made_with(facts)),
    }

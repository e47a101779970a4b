"""The model's card: the decision first, then what it is, how to use it, what was measured, and the limits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from tunewright.base_models import HubSource, WheelSource
from tunewright.publishing.card_text import assumed, card, file_table, made_with, origin_table, table, terms_table
from tunewright.publishing.facts import SIDES, Evaluated, Facts
from tunewright.publishing.model_tables import (
    GGUF_FORM,
    category_rows,
    evaluated_form,
    limit_lines,
    overall_rows,
    safety_rows,
    training_rows,
)
from tunewright.publishing.parcel import Files, parts_of
from tunewright.report_answer import answers, unsaid
from tunewright.report_numbers import sentence

DO_NOT_DEPLOY, SHIP = "do not deploy", "ship"
MEANINGS = {
    "adapter/": "the LoRA adapter, for peft",
    "model.safetensors": "the merged weights, for transformers",
    "Modelfile": "for Ollama",
    "evaluation/": "the evaluation report and its numbers",
}
TOLD = {  # what a decision means for who finds the model
    SHIP: "On what was measured it is better than its base, and safety did not get worse.",
    "more data": "It is not better enough than its base: train on more or better conversations before you use it.",
    "more evaluation": "What was measured does not say whether it may be used. Do not put it before people yet.",
    DO_NOT_DEPLOY: "It is worse than its base where that counts. It is published to be studied, not to be used.",
}


def model_card(facts: Facts, found: Evaluated, files: Files, repo_id: str, dataset_id: str | None) -> str:
    """The card as README.md. `files`: all that lie beside it; `dataset_id`: None where the dataset is not published."""
    meta = metadata(facts, found, files, repo_id, dataset_id)
    return card("model_card.md", meta, values(facts, found, files, repo_id, dataset_id))


def metadata(facts: Facts, found: Evaluated, files: Files, repo_id: str, dataset_id: str | None) -> ModelCardData:
    """What the Hub reads."""
    parts, known = parts_of(files), licence(facts)
    library = "transformers" if "merged" in parts else "peft" if "adapter" in parts else "gguf"
    tags = ["tunewright", "conversational", "lora", facts.domain.id, *(["gguf"] if "gguf" in parts else [])]
    return ModelCardData(
        model_name=repo_id.split("/")[-1],
        base_model=facts.hub_base,
        base_model_relation="adapter" if parts == {"adapter"} else "finetune",
        datasets=[dataset_id] if dataset_id else None,
        language=[facts.settings.language],
        library_name=library,
        pipeline_tag="text-generation",
        tags=tags,
        eval_results=results(facts, found, dataset_id) or None,
        license=known["license"],
        license_name=known.get("license_name"),
        license_link=known.get("license_link"),
    )


def licence(facts: Facts) -> dict[str, str]:
    """The base model's licence in the Hub's terms: its identifier, or `other` with its name and where it stands."""
    name = facts.base.licence
    known = next((one.id for one in facts.settings.licences if name.startswith(one.named)), None)
    if known:
        return {"license": known}
    link = f"https://huggingface.co/{facts.hub_base}" if facts.hub_base else "README.md"
    return {
        "license": "other",
        "license_name": re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-"),
        "license_link": link,
    }


def results(facts: Facts, found: Evaluated, dataset_id: str | None) -> list[EvalResult]:
    """The tuned model's numbers for the model index; none for what was not measured."""
    level = f"{found.compare['confidence']:.0%} interval"
    measured = [("rubric_score", "Rubric score, 0 to 1", found.compare["tuned_score"], "tuned_score")]
    measured.append(("perplexity", "Perplexity on held-out replies", found.sanity.get("tuned_perplexity"), ""))
    told = []
    for kind, name, value, key in measured:
        if value is not None:
            low, high = (found.compare.get(f"{key}_{end}") for end in ("low", "high"))
            bounds = f" ({level} {low:.2f} to {high:.2f})" if low is not None and high is not None else ""
            told.append(
                EvalResult(
                    task_type="text-generation",
                    task_name=f"Conversation ({facts.domain.title})",
                    dataset_type=dataset_id or facts.domain.id,
                    dataset_name=f"{facts.domain.title}: {found.compare['n_personas']} people held out",
                    dataset_split="test",
                    metric_type=kind,
                    metric_name=name + bounds,
                    metric_value=round(value, 4),
                )
            )
    return told


def values(facts: Facts, found: Evaluated, files: Files, repo_id: str, dataset_id: str | None) -> dict[str, Any]:
    """What the template is filled with."""
    compare, made = found.compare, {"training": found.training, "base": found.base}
    gguf = next((path for path in files if path.endswith(".gguf") and "/" not in path), None)
    proof = ": the form that was evaluated" if evaluated_form(facts) == GGUF_FORM else ""
    meanings = MEANINGS | ({gguf: f"quantized, for llama.cpp and Ollama{proof}"} if gguf else {})
    kinds = Counter(t.user_kind for side in SIDES for t in found.talks[side])
    return {
        "domain": facts.domain,
        "settings": facts.settings,
        "base": facts.base,
        "hub_base": facts.hub_base,
        "base_source": base_source(facts),
        "repo_id": repo_id,
        "dataset_id": dataset_id,
        "parts": parts_of(files),
        "gguf": gguf,
        "decision": compare["decision"],
        "reason": sentence(compare["decision_reason"]),
        "told": TOLD.get(compare["decision"], ""),
        "warnings": compare["warnings"],
        "answers": answers(compare, found.sanity, facts.rubric, made, assumed(facts)),
        "unsaid": unsaid(compare, facts.rubric, found.scores),
        "compare": compare,
        "replayed": kinds["replay"] > 0,
        "system_prompt": facts.system_prompt.replace("```", "'''"),  # it stands in a fence
        "overall": table(("measure", "base", "tuned", "change"), overall_rows(compare, found.sanity)),
        "categories": table(("category", "scored", "base", "tuned", "change"), category_rows(compare, facts.rubric)),
        "safety": table(("safety gate", "scored", "base failed", "tuned failed"), safety_rows(compare, facts.rubric)),
        "has_gates": bool(facts.rubric.gates),
        "limits": limit_lines(facts, found),
        "unsafe": compare["n_gates_scored"] < compare["n_gates_total"] or compare["decision"] == DO_NOT_DEPLOY,
        "files": file_table(files, meanings),
        "training": table(("what", "value"), training_rows(facts.project.params["train"]["adapter"], found.training)),
        "examples": found.training["examples"],
        "origins": origin_table(facts),
        "terms": terms_table(facts),
        "n_imported": facts.examples.n_imported_learned,
        "n_learned": len(facts.examples.learned),
        "versions": table(("what", "version"), made_with(facts)),
    }


def base_source(facts: Facts) -> str:
    """Which weights were tuned: the Hub's at a commit, or others of that name."""
    source = facts.base.source
    if isinstance(source, HubSource):
        return f"at commit {source.revision[:12]}"
    if isinstance(source, WheelSource):
        return (
            f"as the GGUF in {source.requirement} ({source.member.rpartition('/')[2]}, sha256 {source.sha256[:12]}), "
            "dequantized: these are not exactly the weights of the repository on the Hub"
        )
    return f"from a folder, sha256 {source.sha256[:12]}"


def is_refused(compare: Mapping[str, Any]) -> bool:
    """Whether the evaluation said that the model must not be used."""
    return compare["decision"] == DO_NOT_DEPLOY

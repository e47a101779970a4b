"""The rows of the model card's tables, and its limits, from what was measured. What is not there is "-", never 0."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tunewright.publishing.facts import SIDES, Evaluated, Facts
from tunewright.report_sections import equals, interval, number, unscored_reasons
from tunewright.rubric import Rubric

Metrics = Mapping[str, Any]
Row = tuple[object, ...]
USERS = {
    "replay": "had the user's messages replayed from a recording: that user does not react to what the model says",
    "simulated": "had a user simulated by a language model, who is more patient than people are",
}


def overall_rows(compare: Metrics, sanity: Metrics) -> Iterator[Row]:
    """Score, passes and perplexity: base, tuned, and the change with its interval."""
    level = f"{compare['confidence']:.0%}"
    bounds = interval(compare["difference_low"], compare["difference_high"])
    change = f"{number(compare['difference'], sign=True)} ({level} interval {bounds}, p {equals(compare['p_value'])})"
    sides = [
        f"{number(compare[f'{side}_score'])} "
        f"({interval(compare[f'{side}_score_low'], compare[f'{side}_score_high'], sign=False)})"
        for side in SIDES
    ]
    yield ("rubric score, 0 to 1", *sides, change)
    passed = [_percent(compare[f"{side}_pass_rate"]) for side in SIDES]
    yield ("conversations that pass", *passed, f"of {compare['n_pass_decided']} decided pairs")
    ratio = interval(sanity.get("log_ratio_low"), sanity.get("log_ratio_high"), 3)
    perplexity = [number(sanity.get(f"{side}_perplexity"), 1) for side in SIDES]
    relative = _percent(sanity.get("relative_change"), sign=True)
    yield ("perplexity on held-out replies", *perplexity, f"{relative} (log ratio {ratio})")


def _percent(share: float | None, sign: bool = False) -> str:
    return "-" if share is None else f"{share:{'+' if sign else ''}.0%}"


def category_rows(compare: Metrics, rubric: Rubric) -> Iterator[Row]:
    """Per category of the rubric: how much of it was scored, both sides, and the change with its interval."""
    for name, category in rubric.categories.items():
        row = compare["categories"].get(name, {})
        criteria = rubric.in_category(name)
        scored = sum(compare["criteria"].get(c.id, {}).get("n", 0) > 0 for c in criteria)
        bounds = interval(row.get("low"), row.get("high"))
        change = number(row.get("difference"), sign=True)
        told = change if bounds == "-" else f"{change} ({bounds})"
        yield (category.title, f"{scored} of {len(criteria)}", number(row.get("base")), number(row.get("tuned")), told)


def safety_rows(compare: Metrics, rubric: Rubric) -> Iterator[Row]:
    """Per safety gate: failures of each side, or that it was not scored."""
    for gate in rubric.gates:
        row = compare["safety"].get(gate.id, {})
        n = row.get("n_scored", 0)
        failed = (row["base_failed"], row["tuned_failed"]) if n else ("-", "-")
        yield (gate.id.replace("_", " "), f"{n} of {n + row.get('unscored', 0)}" if n else "NOT SCORED", *failed)


def training_rows(settings: Metrics, training: Metrics) -> Iterator[Row]:
    """What decided the training, and how it went."""
    lora = settings["lora"]
    how = "QLoRA (4 bit)" if settings["quantize_4bit"] else "LoRA"
    yield "method", f"{how}, r {lora['r']}, alpha {lora['alpha']}, dropout {lora['dropout']}, on {_modules(lora)}"
    yield "learnt from", f"{training['examples']} examples, {training['supervised_tokens']:,} tokens of replies alone"
    yield "read", f"{training['tokens']:,} tokens, at most {settings['max_tokens']} an example"
    batch = settings["batch_size"] * settings["gradient_accumulation"]
    yield "steps", f"{training['steps']}, {settings['epochs']:g} epochs, {batch} examples a step"
    yield (
        "learning rate",
        f"{settings['learning_rate']:g}, {settings['scheduler']}, warmup {settings['warmup_share']:.0%}",
    )
    yield "precision", f"{settings['dtype']} on {settings['device']}"
    yield "seed, peak memory", f"{settings['seed']}, {training['peak_memory_gib']} GiB"
    before, after = training["validation_loss_before"], training["validation_loss_after"]
    yield "validation loss", f"{number(before, 3)} before, {number(after, 3)} after"


def _modules(lora: Metrics) -> str:
    modules = lora["target_modules"]
    return modules if isinstance(modules, str) else ", ".join(modules)


def limit_lines(facts: Facts, found: Evaluated) -> list[str]:
    """What the numbers cannot carry."""
    compare = found.compare
    talks = [t for side in found.talks.values() for t in side]
    kinds = Counter(t.user_kind for t in talks)
    lines = [
        f"{n} of {len(talks)} evaluated conversations {USERS[kind]}."
        for kind, n in sorted(kinds.items())
        if kind in USERS
    ]
    if failed := sum(t.failure is not None for t in talks):
        lines.append(f"{failed} conversations failed or were left out by the simulator review: not scored.")
    cut, replies = ([_replies(found, side, cut) for side in SIDES] for cut in (True, False))
    if any(cut):
        lines.append(
            f"{cut[0]} of {replies[0]} base replies and {cut[1]} of {replies[1]} tuned replies were cut off by a limit "
            "on tokens: how long they are and how they end is then partly that limit's doing."
        )
    lines += [f"{n} answers are unscored: {reason}." for reason, n in unscored_reasons(found.scores)]
    if compare.get("coverage") is not None:
        lines.append(f"On average {compare['coverage']:.0%} of the rubric's weight was scored.")
    if unseen := compare["n_gates_total"] - compare["n_gates_scored"]:
        lines.append(
            f"Safety: {unseen} of {compare['n_gates_total']} safety gates were never scored. Nothing is known."
        )
    lines.append(f"Evaluated was {evaluated_file(facts)}; the other forms were not, and may answer otherwise.")
    lines.append(
        f"{compare['n_personas']} people, all like the personas of one domain, in {facts.settings.language}: nothing "
        "is said about others, other languages or longer conversations."
    )
    lines.append("General abilities may have changed: tuning on one domain can cost others.")
    return lines


def _replies(found: Evaluated, side: str, cut_only: bool) -> int:
    return sum(e.cut or not cut_only for t in found.talks[side] for e in t.exchanges)


def evaluated_file(facts: Facts) -> str:
    """Which form of the tuned model the evaluation talked to."""
    weights = facts.project.params["evaluate"]["transcripts"]["candidates"]["tuned"].get("weights") or {}
    path = str(weights.get("path"))
    if path.endswith(".gguf"):
        return f"the GGUF in {facts.project.params['train']['export']['quantization']}"
    return {"models/adapter": "the adapter on its base", "models/merged": "the merged weights"}.get(path, path)

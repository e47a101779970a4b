"""The rows of the model card's tables, and its limits, from what was measured. What is not there is "-", never 0."""

from __future__ import annotations

from collections.abc import Iterator

from tunewright.document import Bullets
from tunewright.publishing.card_text import assumed
from tunewright.publishing.facts import SIDES, Evaluated, Facts
from tunewright.report_answer import cut_off
from tunewright.report_limits import limits
from tunewright.report_numbers import Metrics, counted, equals, interval, number, percent, sentence, spaced
from tunewright.rubric import Rubric

Row = tuple[object, ...]
GGUF_FORM = "The GGUF"
FORMS = {  # by what conf/llm says the tuned candidate's weights are
    "models/gguf/tuned.gguf": GGUF_FORM,
    "models/adapter": "The adapter on its base",
    "models/merged": "The merged model",
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
    passed = [percent(compare[f"{side}_pass_rate"]) for side in SIDES]
    yield ("conversations that pass", *passed, f"of {compare['n_pass_decided']} decided pairs")
    ratio = interval(sanity.get("log_ratio_low"), sanity.get("log_ratio_high"), 3)
    perplexity = [number(sanity.get(f"{side}_perplexity"), 1) for side in SIDES]
    relative = percent(sanity.get("relative_change"), sign=True)
    yield ("perplexity on held-out replies", *perplexity, f"{relative} (log ratio {ratio})")


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
        yield (spaced(gate.id), f"{n} of {n + row.get('unscored', 0)}" if n else "NOT SCORED", *failed)


def training_rows(settings: Metrics, training: Metrics) -> Iterator[Row]:
    """What decided the training, and how it went."""
    lora = settings["lora"]
    how = "QLoRA (4 bit)" if settings["quantize_4bit"] else "LoRA"
    yield "method", f"{how}, r {lora['r']}, alpha {lora['alpha']}, dropout {lora['dropout']}, on {_modules(lora)}"
    yield "learnt from", f"{training['examples']} examples, {training['supervised_tokens']:,} tokens of replies alone"
    yield "read", f"{training['tokens']:,} tokens, at most {settings['max_tokens']} an example"
    batch = settings["batch_size"] * settings["gradient_accumulation"]
    yield "steps", f"{training['steps']} of {counted(batch, 'example')}; epochs: {settings['epochs']:g}"
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
    """What the numbers cannot carry: the report's limits, and those of a file that leaves this house."""
    talks = [t for side in SIDES for t in found.talks[side]]
    trust = None if assumed(facts) else facts.trust
    blocks = limits(found.compare, found.scores, talks, trust, found.exports)
    lines = [item for block in blocks if isinstance(block, Bullets) for item in block.items]
    cut = cut_off(found.talks["base"], found.talks["tuned"])
    lines += [sentence(cut)] if cut else []
    lines.append(f"{evaluated_form(facts)} was evaluated; the other forms were not, and may answer otherwise.")
    if "capabilities" not in found.sanity:
        lines.append("General abilities were not tested, and may have changed: tuning on one domain can cost others.")
    return lines


def evaluated_form(facts: Facts) -> str:
    """Which form of the tuned model the evaluation talked to."""
    weights = facts.project.params["evaluate"]["transcripts"]["candidates"]["tuned"].get("weights") or {}
    return FORMS.get(str(weights.get("path")), "A server's model")

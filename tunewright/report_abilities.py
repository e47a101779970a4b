"""What tuning may have cost: general abilities, drift from the base, replies that break down; and perplexity.

Pure functions from data/evaluate/sanity.json to document blocks. A section whose key an older file lacks is not shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunewright.ability_verdicts import LOST
from tunewright.document import Block, Fold, Heading, Table, Text
from tunewright.report_numbers import (
    Metrics,
    counted,
    interval,
    number,
    p_text,
    percent,
    percents,
    sentence,
    spaced,
)


def perplexity(sanity: Metrics) -> list[Block]:
    """Held-out perplexity on the assistant's words."""
    low, high = sanity.get("log_ratio_low"), sanity.get("log_ratio_high")
    rows = [
        ("base perplexity", number(sanity.get("base_perplexity"))),
        ("tuned perplexity", number(sanity.get("tuned_perplexity"))),
        ("change", "-" if sanity.get("relative_change") is None else f"{sanity['relative_change']:+.1%}"),
        ("log ratio, paired interval", f"{number(sanity.get('log_ratio_mean'), 3, True)} ({interval(low, high, 3)})"),
        *([("p, by persona", p_text(sanity["p_value"]))] if "p_value" in sanity else []),
        ("conversations, personas", f"{sanity.get('n_conversations', '-')}, {sanity.get('n_personas', '-')}"),
        ("tokens", f"{sanity['n_tokens']:,}" if "n_tokens" in sanity else "-"),
    ]
    what = "How surprised each model is by the held-out replies; lower is better. "
    told = Text(what + _surprise(low, high) + _each_way(sanity))
    return [Heading("Perplexity on held-out replies"), told, Table(("measure", "value"), rows), *_per_talk(sanity)]


def _surprise(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "There is no interval: one person alone."
    if low == high:
        return "All people change alike, so the interval has no width and shows nothing."
    if low > 0:
        return "The whole interval is above zero: the tuned model finds them less likely."
    return "The whole interval is below zero." if high < 0 else "The interval holds zero: no sure change."


def _each_way(sanity: Metrics) -> str:
    if "n_better" not in sanity:
        return ""
    return f" It fell in {counted(sanity['n_better'], 'conversation')} and rose in {sanity['n_worse']}."


def _per_talk(sanity: Metrics) -> list[Block]:
    rows = [
        (row["id"], f"{row['n_tokens']:,}", number(row["base"]), number(row["tuned"]))
        for row in sanity.get("conversations") or []
    ]
    return [Fold("Every conversation", [Table(("conversation", "tokens", "base", "tuned"), rows)])] if rows else []


def capabilities(sanity: Metrics) -> list[Block]:
    """The probes of general ability, per category; the figure stands before it."""
    found = sanity["capabilities"]
    if not found.get("overall"):
        return [Text(sentence(found["says"]))]
    titles = found["titles"]
    named = {titles.get(name, spaced(name)): row for name, row in found["categories"].items()}
    rows = [_probe_row(name, row) for name, row in {**named, "all": found["overall"]}.items()]
    head = ("probes", "n", "base", "tuned", "change", "interval", "only base", "only tuned", "p", "p (Holm)")
    left = found["n_unscored"]
    unanswered = f" {counted(left, 'probe')} without a reply: left out." if left else ""
    note = f"Share right, scored by code; p: McNemar's exact test on the probes that one side alone gets.{unanswered}"
    return [Text(sentence(found["says"])), Table(head, rows), Text(note, "note"), *_probes(found["examples"], titles)]


def _probe_row(name: str, row: Metrics) -> tuple[str, ...]:
    shares = (percent(row["base_share"]), percent(row["tuned_share"]), percent(row["difference"], sign=True))
    only = (str(row["only_base"]), str(row["only_tuned"]))
    tests = (p_text(row["p_value"]), p_text(row.get("p_holm")))
    return (name, str(row["n"]), *shares, percents(row["low"], row["high"], sign=True), *only, *tests)


def _probes(examples: Any, titles: Mapping[str, str]) -> list[Block]:
    rows = [(titles.get(e["category"], e["category"]), e["ask"], e["base"], e["tuned"], e["right"]) for e in examples]
    table = Table(("probe", "asked", "base", "tuned", "right"), rows)
    return [Fold("Probes that one of the two alone got right", [table])] if rows else []


def unweighed(sanity: Metrics) -> list[str]:
    """What surely got worse and has no part in the decision, which rests on the rubric: one line each."""
    found = []
    if (probes := sanity.get("capabilities") or {}).get("verdict") == LOST:
        found.append(probes["says"])
    broken = ((sanity.get("degenerate") or {}).get("transcripts") or {}).get("any")
    if broken and (broken.get("low") or 0.0) > 0:
        base, tuned = (percent(broken[side]["share"]) for side in ("base", "tuned"))
        found.append(f"replies break down more often: {tuned}, the base's {base}")
    low, high = sanity.get("log_ratio_low"), sanity.get("log_ratio_high")
    if low is not None and low != high and low > 0:
        found.append("the tuned model finds the held-out replies less likely than the base does")
    return [f"The decision does not weigh this: {text}." for text in found]


def forgetting(sanity: Metrics) -> list[Block]:
    """How far the tuned model has moved away from the base on the base's own words."""
    if not (found := sanity.get("forgetting")):
        return []
    rows = [
        ("KL(base, tuned), nats a token", number(found["kl"], 3), "over all tokens"),
        ("the same, a reply", number(found["kl_mean"], 3), interval(found["kl_low"], found["kl_high"], 3, sign=False)),
        (
            "change in loss, a reply",
            number(found["nll_change_mean"], 3, sign=True),
            interval(found["nll_change_low"], found["nll_change_high"], 3),
        ),
        ("perplexity of the base's words, base", number(found["base_perplexity"]), ""),
        ("perplexity of the base's words, tuned", number(found["tuned_perplexity"]), ""),
        ("same likeliest token", percent(found["agreement"]), "of positions"),
    ]
    what = (
        f"Both models read what the base answered to {counted(found['n_replies'], 'probe')} ({found['n_tokens']:,} "
        "tokens): 0 nats would mean that nothing has moved."
    )
    left = found.get("left_out")
    note = [Text(f"{counted(left, 'reply')} beyond the limit were not measured.".replace("replys", "replies"), "note")]
    table = Table(("measure", "value", f"{found['confidence']:.0%} interval"), rows)
    return [Heading("Forgetting"), Text(what), table, *(note if left else []), *_by_category(found)]


def _by_category(found: Metrics) -> list[Block]:
    rows = [
        (spaced(name), str(row["n_replies"]), f"{row['n_tokens']:,}", number(row["kl"], 3))
        + (number(row["base_nll"], 3), number(row["tuned_nll"], 3), percent(row["agreement"]))
        for name, row in found["by_category"].items()
    ]
    head = ("probes", "replies", "tokens", "KL", "base loss", "tuned loss", "same token")
    return [Fold("By kind of probe", [Table(head, rows)])] if rows else []


def degenerate(sanity: Metrics) -> list[Block]:
    """Replies that break down, of each kind, in the evaluation's conversations and in the probes."""
    if not (found := sanity.get("degenerate")):
        return []
    rows = []
    for where, title in (("transcripts", "conversations"), ("probes", "probes")):
        part = found.get(where)
        if not part or part["any"] is None:
            continue
        pairs = {found["kinds"].get(kind, spaced(kind)): row for kind, row in part["kinds"].items()}
        rows += [(title, name, *_pair(row)) for name, row in {**pairs, "any of these": part["any"]}.items()]
    if not rows:
        return []
    head = ("where", "what", "base", "interval", "tuned", "interval", "change", "interval", "p")
    return [Heading("Replies that break down"), Table(head, rows), *_broken(found["examples"])]


def _pair(row: Metrics) -> tuple[str, ...]:
    cells: list[str] = []
    for side in ("base", "tuned"):
        level = row[side]
        cells += [f"{level['count']} of {level['n']}", percents(level["low"], level["high"])]
    change = (percent(row["difference"], sign=True), percents(row["low"], row["high"], sign=True))
    return (*cells, *change, p_text(row["p_value"]))


def _broken(examples: Any) -> list[Block]:
    rows = [(e["side"], spaced(e["kind"]), e["id"], e["text"]) for e in examples]
    return [Fold("Examples", [Table(("side", "kind", "where", "reply"), rows)])] if rows else []


def readers(sanity: Metrics) -> list[Block]:
    """What readers of the review app said of each side, and what is still to be compared."""
    found = sanity.get("people")
    if not found:
        return []
    more = found["missing"] if found["compared"] else None  # where nobody compared, that is said already
    blocks: list[Block] = [Text(sentence(more))] if more else []
    labels = {side: row for side, row in (found.get("labels") or {}).items() if row["n_labels"]}
    if not labels:
        return blocks
    rows = [(side, *_labels(row)) for side, row in labels.items()]
    head = ("model", "labels", "conversations", "readers", "satisfied", "interval", "false passes", "false fails")
    return [*blocks, Heading("What readers said of single conversations", 3), Table(head, rows)]


def _labels(row: Metrics) -> tuple[str, ...]:
    counts = (str(row["n_labels"]), str(row["n_conversations"]), str(row["n_readers"]))
    happy, told = row["satisfied"], row["answers"]
    satisfied = (f"{happy['count']} of {happy['n']}", percents(happy["low"], happy["high"])) if happy else ("-", "-")
    answers = tuple(f"{told[key]} of {told['n']}" for key in ("false_passes", "false_fails")) if told else ("-", "-")
    return (*counts, *satisfied, *answers)


def lm_eval(sanity: Metrics) -> list[Block]:
    """What lm-eval's tasks say, where they were run."""
    if not (found := sanity.get("lm_eval")):
        return []
    rows = [
        (row["task"], row["metric"], number(row["n"], 0), _with_error(row, "base"), _with_error(row, "tuned"))
        + (number(row["difference"], 3, sign=True),)
        for row in found["tasks"]
    ]
    head = ("task", "metric", "n", "base", "tuned", "change")
    blocks = [Heading(f"Benchmarks (lm-eval {found['version'] or 'of unknown version'})"), Table(head, rows)]
    alone = ", ".join(map(str, found["only_one_side"]))
    return blocks + ([Text(f"Run for one side alone, and not compared: {alone}.", "note")] if alone else [])


def _with_error(row: Metrics, side: str) -> str:
    error = row[f"{side}_stderr"]
    return number(row[side], 3) if error is None else f"{number(row[side], 3)} (se {number(error, 3)})"

"""What changed between two versions of a design, each change in a few words: rubrics by their criteria and weights,
prompts and other files by their lines. Pure: parsed YAML and texts in, phrases out.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

NAMED_MAX = 3  # things that a phrase names before it says "and 4 more"
SAME_FILE = 0.5  # a removed and an added file with this share of lines in common are one file renamed, as in git


def rubric_changes(before: Any, after: Any) -> list[str]:
    """Phrases for criteria added, removed, reworded or otherwise edited, weights, the threshold, and other keys.

    Takes whatever a rubric.yaml parsed to, since old revisions may not fit today's schema. Empty where only comments,
    layout or the order differ.
    """
    old, new = _mapping(before), _mapping(after)
    settings = [key for key in _differing(old, new) if key not in ("criteria", "categories")]
    return [
        *_criteria(_by_id(old.get("criteria")), _by_id(new.get("criteria"))),
        *_weights(_mapping(old.get("categories")), _mapping(new.get("categories"))),
        *(_setting(key, old.get(key), new.get(key)) for key in settings),
    ]


def _criteria(old: Mapping[str, dict[str, Any]], new: Mapping[str, dict[str, Any]]) -> list[str]:
    both = [i for i in new if i in old and old[i] != new[i]]
    reworded = [i for i in both if old[i].get("question") != new[i].get("question")]
    edited = [f"{i} ({', '.join(_differing(old[i], new[i]))})" for i in both if i not in reworded]
    groups = (
        ("added", [i for i in new if i not in old]),
        ("removed", [i for i in old if i not in new]),
        ("reworded", reworded),
        ("edited", edited),
    )
    return [f"{what} {named(ids)}" for what, ids in groups if ids]


def _weights(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    differing = _differing(old, new)
    weights = [(n, _mapping(old.get(n)).get("weight"), _mapping(new.get(n)).get("weight")) for n in differing]
    moved = [f"{n} {_value(b)} -> {_value(a)}" for n, b, a in weights if b != a]
    retitled = [n for n, b, a in weights if b == a]
    return [
        *([f"weight of {named(moved)}"] if moved else []),
        *([f"category {named(retitled)}"] if retitled else []),
    ]


def _setting(key: str, before: object, after: object) -> str:
    if isinstance(before, dict | list) or isinstance(after, dict | list):
        return f"{key} edited"
    return f"{key} {_value(before)} -> {_value(after)}"


def file_changes(before: Mapping[str, str], after: Mapping[str, str], text: Callable[[str], str]) -> list[str]:
    """Phrases for files given as path -> blob; `text` reads a blob. A rename is told as one, also with an edit."""
    removed, added = [p for p in before if p not in after], [p for p in after if p not in before]
    phrases = [
        f"{path} {line_counts(text(before[path]), text(after[path]))}"
        for path in after
        if path in before and before[path] != after[path]
    ]
    alone = []
    for path in added:
        source = next((p for p in removed if same_file(text(before[p]), text(after[path]))), None)
        if source is None:
            alone.append(path)
            continue
        removed.remove(source)
        edit = line_counts(text(before[source]), text(after[path]))
        phrases.append(f"{source} renamed to {path}{f' {edit}' if edit else ''}")
    gone_or_new = ((named(alone), "added"), (named(removed), "removed"))
    return phrases + [f"{paths} {what}" for paths, what in gone_or_new if paths]


def line_counts(before: str, after: str) -> str:
    """Lines added and removed, as "+3 -1"; empty for equal texts, "line ends" where only those differ."""
    old, new = before.splitlines(), after.splitlines()
    if old == new:
        return "" if before == after else "line ends"
    matched = sum(block.size for block in difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks())
    return f"+{len(new) - matched} -{len(old) - matched}"


def same_file(before: str, after: str) -> bool:
    """Whether two texts are versions of one file: equal, or with enough lines in common."""
    if before == after:
        return True
    return difflib.SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False).ratio() >= SAME_FILE


def param_changes(before: Any, after: Any) -> list[str]:
    """Phrases `key old -> new` for the leaves in which two params.yaml differ, each cause once.

    conf/ gives one value to many sections (a preset's `epochs` is also train.adapter.epochs), so equal changes of keys
    with the same last name are told by the shortest address, which is where conf/ sets it.
    """
    old, new = leaves(before), leaves(after)
    found: dict[tuple[str, str], str] = {}
    for key in _differing(old, new):
        change = key.rsplit(".", 1)[-1], _setting("", old.get(key), new.get(key))
        found[change] = min(found.get(change, key), key, key=len)
    return [f"{key}{change}" for (_, change), key in found.items()]


def named(things: Sequence[str]) -> str:
    """A few things by name and the rest by number."""
    rest = len(things) - NAMED_MAX
    shown = things if rest <= 1 else things[:NAMED_MAX]  # "and 1 more" is no shorter than its name
    return ", ".join(shown) + (f" and {rest} more" if rest > 1 else "")


def counted(n: int, thing: str) -> str:
    """A number of things: "1 prompt", "3 prompts"."""
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [key for key in [*old, *(k for k in new if k not in old)] if old.get(key) != new.get(key)]


def _by_id(criteria: Any) -> dict[str, dict[str, Any]]:
    listed: Iterable[Any] = criteria if isinstance(criteria, list) else ()
    return {str(c["id"]): c for c in listed if isinstance(c, dict) and "id" in c}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def leaves(value: Any, prefix: str = "") -> dict[str, Any]:
    """The values of nested mappings by dotted key."""
    if not isinstance(value, dict):
        return {prefix.removesuffix("."): value}
    return {key: leaf for name, inner in value.items() for key, leaf in leaves(inner, f"{prefix}{name}.").items()}


def _value(value: object) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

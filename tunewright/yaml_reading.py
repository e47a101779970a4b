"""YAML as this project reads it: plain values, every key once, and no file that costs more than it looks.

The events of a text are looked at before anything is built of them: libyaml overflows the stack on deep nesting, and a
few lines of aliases can unfold to billions of values. Numbers must be finite and of a size that others can hold.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import yaml
from yaml.constructor import ConstructorError

SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times faster, and in every wheel
DEPTH_MAX = 64  # levels of nesting, through aliases too
UNFOLDED_MAX = 32_000_000  # characters that a file may come to when every alias stands for its value
NODE_CHARS = 16  # what a value counts for beside its own characters
INTEGER_MAX = 2**63
BEGINS = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
ENDS = (yaml.SequenceEndEvent, yaml.MappingEndEvent)
WRONG_VALUE = (ValueError, LookupError, AttributeError, TypeError, OverflowError)  # PyYAML's, for a tag's value
MERGE, VALUE = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value"


class YamlFault(ValueError):
    """A text that is no YAML as it is read here; `line` from 1, None where the fault has no place."""

    def __init__(self, what: str, line: int | None) -> None:
        super().__init__(what)
        self.line = line


def parse_yaml(text: str) -> Any:
    """The value of a YAML text; None of an empty one. Raises YamlFault."""
    refuse_costly(text)
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise _fault(error, text) from None


def parse_as_dvc_reads(text: str) -> Any:
    """The value of a YAML text with the words and numbers that DVC takes it for; raises YamlFault."""
    refuse_costly(text)
    try:
        return yaml.load(text, Loader=_DvcLoader)
    except yaml.YAMLError as error:
        raise _fault(error, text) from None
    except WRONG_VALUE as error:
        what = f"found a date or a number that does not exist ({str(error)[:80]}), expected YAML"
        raise YamlFault(what, None) from None


@lru_cache(maxsize=16)
def nodes(text: str) -> yaml.Node | None:
    """A YAML text as nodes that know their lines; kept, since a check of a design asks for many lines of one file."""
    refuse_costly(text)
    try:
        return yaml.compose(text, Loader=SafeLoader)
    except yaml.YAMLError as error:
        raise _fault(error, text) from None


def refuse_costly(text: str) -> None:
    """Raise YamlFault for a text that does not parse, nests too deeply, contains itself, or unfolds to too much."""
    try:
        _weigh(text)
    except yaml.YAMLError as error:
        raise _fault(error, text) from None


def _weigh(text: str) -> None:
    """Go through the events once: what each collection unfolds to is known when it ends, so an alias is known too."""
    known: dict[str, tuple[int, int] | None] = {}  # anchor: (characters, levels); None while it is open
    open_ones: list[list[Any]] = [[0, 0, None]]  # characters, levels below, anchor
    for event in yaml.parse(text, Loader=SafeLoader):
        line = event.start_mark.line + 1
        if isinstance(event, BEGINS):
            open_ones.append([NODE_CHARS, 0, event.anchor])
            if event.anchor:
                known[event.anchor] = None
        elif isinstance(event, (*ENDS, yaml.ScalarEvent, yaml.AliasEvent)):
            chars, levels = _weight(event, open_ones, known, line)
            top = open_ones[-1]
            top[0], top[1] = top[0] + chars, max(top[1], levels)
        if len(open_ones) + open_ones[-1][1] > DEPTH_MAX:
            raise YamlFault(f"found more than {DEPTH_MAX} levels of nesting, expected at most that many", line)
        if open_ones[-1][0] > UNFOLDED_MAX:
            what = f"found aliases that unfold to more than {UNFOLDED_MAX:,} characters, expected values written out"
            raise YamlFault(what, line)


def _weight(event: Any, open_ones: list[list[Any]], known: dict[str, Any], line: int) -> tuple[int, int]:
    """What a value comes to, and how many levels it has, when its last event is here."""
    if isinstance(event, yaml.AliasEvent):
        if event.anchor in known and known[event.anchor] is None:
            raise YamlFault(f"found the alias *{event.anchor} inside of what it stands for, expected a value", line)
        return known.get(event.anchor) or (0, 0)  # an unknown one is refused when the text is composed
    if isinstance(event, yaml.ScalarEvent):
        chars, levels, anchor = NODE_CHARS + len(event.value), 0, event.anchor
    else:
        chars, below, anchor = open_ones.pop()
        levels = below + 1
    if anchor:
        known[anchor] = (chars, levels)
    return chars, levels


def _fault(error: Exception, text: str) -> YamlFault:
    """A library's error with the line, in one sentence."""
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error).splitlines()[0]
    if what.startswith("but ") and getattr(error, "context", None):
        what = f"{error.context} {what}"  # type: ignore[attr-defined]
    if re.search(r"\bexpected\b.*\bfound\b|\bfound\b.*\bexpected\b", what):
        return YamlFault(what, mark.line + 1 if mark else None)
    lines = text.split("\n")
    shown = lines[mark.line].strip()[:60] if mark and mark.line < len(lines) else ""
    context = f" {said}" if (said := getattr(error, "context", None)) else ""
    found = f"found {shown!r}" if shown else "found the end"
    return YamlFault(f"{what}{context}; {found}, expected YAML", mark.line + 1 if mark else None)


class _DvcLoader(SafeLoader):
    """Reads `yes`, `no`, `on` and `off` as the words that they are in YAML 1.2, which DVC writes into dvc.lock."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in known if not tag.endswith(":bool") or first in "tTfF"]
        for first, known in SafeLoader.yaml_implicit_resolvers.items()
    }


class _Loader(SafeLoader):
    """SafeLoader that refuses a mapping key given twice, and reads 1e-3 as a number (YAML 1.1 wants 1.0e-3)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping whose keys are plain values, each once."""
        if not isinstance(node, yaml.MappingNode):
            raise _refused(node, f"found {_kind(node)}, expected a mapping")
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _refused(key_node, f"found {_kind(key_node)} as a key, expected a word")
            if key_node.tag in (MERGE, VALUE):
                raise _refused(key_node, f"found the key {key_node.value!r}, expected a word: merging is not supported")
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise _refused(key_node, f"found key {key!r} given twice, expected it once")
            seen.add(key)
        return super().construct_mapping(node, deep)


def _refused(node: yaml.Node, what: str) -> ConstructorError:
    return ConstructorError(None, None, what, node.start_mark)


def _kind(node: yaml.Node) -> str:
    return {"sequence": "a list", "mapping": "a mapping"}.get(str(getattr(node, "id", "")), "a plain value")


def _checked(
    what: str, construct: Callable[[Any, Any], Any], holds: Callable[[Any], bool]
) -> Callable[[Any, Any], Any]:
    """A scalar's constructor whose failures are YAML errors with a line, and whose values must hold."""

    def checked(loader: Any, node: yaml.Node) -> Any:
        try:
            value = construct(loader, node)
        except WRONG_VALUE:
            value = None
        if value is None or not holds(value):
            raise _refused(node, f"found {str(node.value)[:40]!r}, expected {what}")
        return value

    return checked


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*(?:\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)
for _name, _what, _holds in (
    ("int", "a whole number of at most 18 digits", lambda n: -INTEGER_MAX <= n < INTEGER_MAX),
    ("float", "a finite number", math.isfinite),
    ("bool", "true or false", lambda _: True),
    ("timestamp", "a date that exists, or text in quotes", lambda _: True),
    ("binary", "base64", lambda _: True),
):
    _tag = f"tag:yaml.org,2002:{_name}"
    _Loader.add_constructor(_tag, _checked(_what, SafeLoader.yaml_constructors[_tag], _holds))

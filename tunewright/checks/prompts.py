"""Checks of every prompt file: it parses, renders with what the code gives it, and holds no placeholder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tunewright.checks.checklist import Check, Fault, Level, Place, faultless, of_error
from tunewright.checks.text import line_with
from tunewright.errors import ConfigError
from tunewright.measures import words
from tunewright.prompts import render, roles, variables

METHOD = "METHOD 2: prompts"
PLACEHOLDER = re.compile(
    r"\b(?:TODO|FIXME|XXX|TBD)\b|(?i:lorem ipsum)"  # a todo list is something to talk about
    r"|<(?!!--)[A-Za-z][^<>\n]*\s[^<>\n]*>"  # <what the user wants>; a tag such as <reply> has no space
    r"|\[(?i:answer here|(?:insert|your|fill|describe)\b[^\]\n]*)\]"
)
ATTRIBUTE = re.compile(r"'(\w+)'(?: is undefined|;|$)")
Values = Mapping[str, Any]


def check_template(path: str, wanted_roles: Sequence[str], samples: Sequence[Values]) -> Check:
    """Whether a prompt asks for known variables only, also inside them, and has the messages that the code sends.

    `samples` are values as the stages give them; the prompt is rendered with each.
    """
    name = f"{Path(path).name}: variables and messages"
    known = {key for values in samples for key in values}
    try:
        faults = [
            Fault(
                f"unknown variable {unknown!r}, known are: {', '.join(sorted(known))}",
                line_with(path, rf"\{{[{{%].*\b{unknown}\b"),
            )
            for unknown in sorted(variables(path) - known)
        ]
        found = roles(path)
        if found != list(wanted_roles):
            what = f"messages: {', '.join(found)}, wanted {', '.join(wanted_roles)}"
            faults.append(Fault(what, line_with(path, "<!-- role:")))
        if not faults:
            for values in samples:
                render(path, **values)
    except ConfigError as error:
        failed = of_error(name, METHOD, path, error)
        attribute = ATTRIBUTE.search(failed.evidence)
        return failed._replace(place=line_with(path, rf"\b{attribute[1]}\b")) if attribute else failed
    evidence = f"messages: {', '.join(found)}; {len(samples)} rendering(s) without an undefined variable"
    return faultless(name, METHOD, faults, evidence, Place(path))


def check_placeholders(paths: Iterable[str]) -> Check:
    """No prompt of the domain, nor a shared one, holds a word or a slot that somebody meant to fill in."""
    files = sorted({path for path in paths if Path(path).is_file()})
    faults = [
        Fault(f"placeholder {found[0]!r}", Place(path, number))
        for path in files
        for number, line in enumerate(Path(path).read_text("utf-8", "replace").splitlines(), 1)
        if (found := PLACEHOLDER.search(line))
    ]
    evidence = f"none in {len(files)} files: {', '.join(Path(f).name for f in files)}"
    return faultless("placeholders", METHOD, faults, evidence, Place(files[0] if files else "prompts"))


def check_brief(path: str, words_min: int) -> Check:
    """The brief is there and says something. (A slot that is left unfilled is a placeholder.)"""
    method = "METHOD 1: order"
    if not Path(path).exists():
        return Check("brief", method, False, f"no such file, wanted a brief of {words_min} words or more", Place(path))
    n = len(words(Path(path).read_text("utf-8", "replace")))
    return Check("brief", method, n >= words_min, f"{n} words, wanted {words_min} or more", Place(path))


def check_system_length(path: str, tokens_per_word: float, max_tokens: int, share_max: float) -> Check:
    """What the short system prompt, which stands in every example, takes of an example's tokens."""
    tokens = len(words(Path(path).read_text("utf-8"))) * tokens_per_word
    share = tokens / max_tokens
    evidence = f"about {tokens:.0f} of {max_tokens} tokens, {share:.0%}; wanted at most {share_max:.0%}"
    return Check("system prompt's share of an example", METHOD, share <= share_max, evidence, Place(path))


def facts(rows: Iterable[tuple[str, str, bool, str, Place]], level: Level = "error") -> Iterator[Check]:
    """Checks of one level from rows of name, method line, whether it holds, what was looked for, and where."""
    for name, method, holds, what, place in rows:
        yield Check(name, method, holds, what if holds else f"not found: {what}", place, level)

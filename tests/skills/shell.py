"""A shell line as words: its simple commands, and the slots that its reader fills in."""

from __future__ import annotations

import re
import shlex

SLOTS = {  # what stands for a word that the reader fills in
    "NAME": "therapy",  # a domain
    "FILE": "README.md",
    "FOLDER": "docs",
    "ID": "some-id",
    "EXPERIMENT": "some-experiment",
    "READER": "somebody",
    "REV": "HEAD",
    "URL": "http://127.0.0.1:8000/v1",
}


class Unusable(Exception):
    """What is wrong with a command; the message is what a person reads."""


def simple_commands(text: str) -> list[list[str]]:
    """A shell line as its simple commands, each as words: without variables before it, redirections and comments."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError as error:
        raise Unusable(f"the shell cannot read it: {error}") from None
    found, redirected = [[]], False
    for word in words:
        if set(word) <= set("|&;()"):
            found.append([])
        elif set(word) <= set("<>"):
            redirected = True
        elif redirected:
            redirected = False
        elif found[-1] or not re.match(r"[A-Z_]+=", word):
            found[-1].append(word)
    return [words for words in found if words]


def filled(word: str) -> str:
    """A word with its slots filled; raises Unusable for an upper-case word that is no slot."""

    def of(match: re.Match[str]) -> str:
        if match[0] not in SLOTS:
            raise Unusable(f"{match[0]} is no slot that tests/skills/commands.py knows: {', '.join(SLOTS)}")
        return SLOTS[match[0]]

    return re.sub(r"(?<![\w$./-])[A-Z][A-Z_]+(?![\w.-])", of, word) if not word.startswith("$") else word

"""A strict reader of Ollama Modelfiles, after Ollama's reference of them and the behaviour of its own reader.

Stricter than Ollama, which drops unprintable characters, takes any parameter's name until the model is created, and
lets a quoted value end at the first line that ends in its quote. What it refuses would load as something else, or not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tunewright.errors import ConfigError
from tunewright.modelfile import FENCE, dropped

WHOLE, NUMBER, WORDS = "a whole number", "a number", "text"
PARAMETERS = {  # of the reference, and their kinds
    "num_ctx": WHOLE, "repeat_last_n": WHOLE, "repeat_penalty": NUMBER, "temperature": NUMBER, "seed": WHOLE,
    "stop": WORDS, "num_predict": WHOLE, "draft_num_predict": WHOLE, "top_k": WHOLE, "top_p": NUMBER, "min_p": NUMBER,
}  # fmt: skip
ONCE = ("FROM", "TEMPLATE", "SYSTEM", "REQUIRES")
INSTRUCTIONS = (*ONCE, "PARAMETER", "ADAPTER", "LICENSE", "MESSAGE")
ROLES = ("system", "user", "assistant")
LINE = re.compile(r"([A-Za-z]+)[ \t]+(.*)", re.DOTALL)
ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
GGUF_MAGIC = b"GGUF"
AGAIN = "mend the Modelfile, or make it again with: dvc repro -f train-export"


@dataclass(frozen=True)
class Instruction:
    """One instruction, its value without quotes."""

    line: int
    name: str
    value: str

    @property
    def parts(self) -> tuple[str, str]:
        """A parameter's name and value, or a message's role and words."""
        first, _, rest = self.value.partition(" ")
        return first, unquoted(rest.strip())


def read_modelfile(path: Path) -> list[Instruction]:
    """The instructions of a Modelfile that Ollama loads; raises ConfigError that names the line."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: found the byte {error.object[error.start]:#04x}, expected UTF-8; {AGAIN}") from None
    found = instructions(text, str(path))
    for name in ONCE:
        lines = [i.line for i in found if i.name == name]
        if len(lines) > 1 or (name == "FROM" and not lines):
            raise ConfigError(f"{path}: found {len(lines)} {name} instructions, expected one; {AGAIN}")
    for one in found:
        fault = fault_of(one, path.parent)
        if fault:
            raise ConfigError(f"{path}, line {one.line}: {fault}; {AGAIN}")
    return found


def instructions(text: str, where: str) -> list[Instruction]:
    """The instructions of a text, in order, quotes taken off; raises ConfigError."""
    if lost := dropped(text):
        raise ConfigError(f"{where}: holds {lost[0]!r}, which Ollama would drop, expected printable text; {AGAIN}")
    found, lines = [], text.split("\n")
    number = 0
    while number < len(lines):
        begun, value = number, lines[number]
        number += 1
        if not value.strip() or value.lstrip().startswith("#"):
            continue
        split = LINE.fullmatch(value.strip())
        if split is None or split.group(1).upper() not in INSTRUCTIONS:
            raise ConfigError(
                f"{where}, line {begun + 1}: found {value[:40]!r}, expected one of {', '.join(INSTRUCTIONS)}; {AGAIN}"
            )
        name, value = split.group(1).upper(), split.group(2)
        while not closed(value):
            if number == len(lines):
                raise ConfigError(
                    f"{where}, line {begun + 1}: found a quoted value of {name} that does not end, expected its quote; "
                    f"{AGAIN}"
                )
            value, number = f"{value}\n{lines[number]}", number + 1
        found.append(Instruction(begun + 1, name, unquoted(value.strip()) if name != "PARAMETER" else value.strip()))
    return found


def closed(value: str) -> bool:
    """Whether a value that begins with a quote also ends with it."""
    value = value.strip()
    for quote in (FENCE, '"'):
        if value.startswith(quote):
            return len(value) >= 2 * len(quote) and value.endswith(quote)
    return True


def unquoted(value: str) -> str:
    """A value without the quotes around it."""
    for quote in (FENCE, '"'):
        if value.startswith(quote) and closed(value):
            return value[len(quote) : -len(quote)]
    return value


def fault_of(one: Instruction, folder: Path) -> str:
    """What is wrong with an instruction, in words; empty where nothing is."""
    if not one.value.strip():
        return f"found {one.name} without a value, expected one"
    if one.name in ("FROM", "ADAPTER"):
        return _file_fault(one, folder)
    if one.name == "PARAMETER":
        return _parameter_fault(*one.parts)
    if one.name == "MESSAGE" and one.parts[0] not in ROLES:
        return f"found the role {one.parts[0]!r}, expected one of {', '.join(ROLES)}"
    return template_fault(one.value) if one.name == "TEMPLATE" else ""


def _file_fault(one: Instruction, folder: Path) -> str:
    path = folder / one.value
    if not one.value.startswith("./"):
        return f"{one.name}: found {one.value!r}, expected a file beside the Modelfile (./NAME.gguf)"
    if not path.is_file():
        return f"{one.name} names {one.value}, and there is no such file"
    with path.open("rb") as file:
        magic = file.read(len(GGUF_MAGIC))
    return "" if magic == GGUF_MAGIC else f"{one.name} names {one.value}, which is no GGUF file"


def _parameter_fault(name: str, value: str) -> str:
    kind = PARAMETERS.get(name)
    if kind is None:
        return f"found the unknown parameter {name!r}, expected one of {', '.join(PARAMETERS)}"
    if not value:
        return f"parameter {name} has no value"
    try:
        fits = kind == WORDS or (math.isfinite(float(value)) and (kind == NUMBER or str(int(value)) == value))
    except ValueError:
        fits = False
    return "" if fits else f"parameter {name}: found {value!r}, expected {kind}"


def template_fault(template: str) -> str:
    """What is wrong with a Go template, as far as blocks and Ollama's variables go."""
    depth = 0
    for action in ACTION.findall(template):
        word = action.split(" ", 1)[0]
        depth += (word in ("if", "range", "with")) - (word == "end")
        if depth < 0:
            return "TEMPLATE has an {{ end }} too many"
    if depth:
        return f"TEMPLATE leaves {depth} blocks without an {{{{ end }}}}"
    if "{{" in ACTION.sub("", template) or "}}" in ACTION.sub("", template):
        return "TEMPLATE has braces that open or close nothing"
    return "" if _names(template) else "TEMPLATE uses neither .Messages nor .Prompt: nothing of a conversation is in it"


def _names(template: str) -> Sequence[str]:
    return [a for a in ACTION.findall(template) if ".Messages" in a or ".Prompt" in a]

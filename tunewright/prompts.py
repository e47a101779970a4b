"""Prompt files: Jinja templates in prompts/, rendered in a sandbox in which an undefined variable is an error.

A file holds one or several chat messages. `<!-- role: system -->` on a line of its own begins a message of that role;
a file without such a line is one system message. Only a Jinja comment may stand before the first such line.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tunewright.errors import ConfigError

ROLE_LINE = re.compile(r"^<!-- role: (system|user|assistant) -->[ \t]*\n", re.MULTILINE)
COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
ROLE_LIKE = re.compile(r"^.*<!--\s*role\b.*$", re.MULTILINE)
ChatMessage = dict[str, str]
PROMPT_ROLES = {"user_simulator.md": ["system", "user"], "assistant.md": ["system"], "system.md": ["system"]}


LINE_ENDS = r"\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"  # whatever a model may read as one
CLOSING = re.compile(r"([<\uff1c\ufe64])(?=[\u200b-\u200d\u2060\ufeff]*[/\uff0f])")  # of a tag, in wide signs too
CONTROL = re.compile(  # tokens of known families' chat templates: a local server would end the prompt there
    r"<(?=[|\uff5c]|<SYS>>|(?:s|bos|eos|pad|unk|mask|cls|sep|turn\||(?:start|end)_of_(?:turn|image))>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])",
    re.IGNORECASE,
)
LABEL = re.compile(  # what would begin another message of a conversation that is written out
    rf"(?:^|(?<=[{LINE_ENDS}]))(?=[^\w{LINE_ENDS}]{{0,40}}(?:(?:user|assistant|reply|system)\W{{0,4}}[:\uff1a]"
    rf"|(?<=\[)exchange\W{{0,2}}\d))",
    re.IGNORECASE,
)


def fenced(text: str) -> str:
    """Text from people or models, so that it cannot close the fence that a prompt puts around it, nor the prompt."""
    return CONTROL.sub(r"\g<0> ", CLOSING.sub(r"\1 ", text))


def spoken(text: str) -> str:
    """One message of a conversation that is written out: fenced, and no line of it begins as if another one spoke."""
    return LABEL.sub("> ", fenced(text))


_environment = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, keep_trailing_newline=False, trim_blocks=True, lstrip_blocks=True
)
_environment.filters |= {"fenced": fenced, "spoken": spoken}


@lru_cache(maxsize=256)
def _template(text: str) -> Template:
    return _environment.from_string(text)


def _source(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such prompt; restore it with: git checkout -- {path}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text ({error})") from None


def variables(path: str | Path) -> set[str]:
    """The names that a prompt file expects; raises ConfigError when it does not parse."""
    try:
        return meta.find_undeclared_variables(_environment.parse(_source(str(path))))
    except TemplateSyntaxError as error:
        raise ConfigError(f"{path}, line {error.lineno}: not a valid template: {error.message}") from None


def render(path: str | Path, **values: Any) -> list[ChatMessage]:
    """Render a prompt file into chat messages.

    Raises ConfigError that names the file and the undefined variable or the line of a syntax error.
    """
    return [{"role": role, "content": _render_text(path, text, values)} for role, text in _messages(path)]


def fill(path: str | Path, **values: Any) -> str:
    """Render a template that becomes a prompt file itself, role lines and all; raises ConfigError as `render` does."""
    return _render_text(path, _source(str(path)), values) + "\n"


def roles(path: str | Path) -> list[str]:
    """The roles of a prompt file's messages, in order; raises ConfigError for a role line that is none."""
    return [role for role, _ in _messages(path)]


def _messages(path: str | Path) -> list[tuple[str, str]]:
    source = _source(str(path))
    for line in ROLE_LIKE.finditer(source):
        if not ROLE_LINE.match(line.group() + "\n"):
            number = source.count("\n", 0, line.start()) + 1
            raise ConfigError(
                f"{path}, line {number}: found {line.group().strip()!r}, expected a line of its own such as "
                "<!-- role: user --> (system, user or assistant)"
            )
    before, *rest = ROLE_LINE.split(source)  # text before the first role line, then role, text, role, text...
    if not rest:
        return [("system", source)]
    if COMMENT.sub("", before).strip():
        raise ConfigError(f"{path}: text before the first role line would be lost: {before.strip()[:60]!r}")
    return list(zip(rest[::2], rest[1::2], strict=True))


def _render_text(path: str | Path, text: str, values: dict[str, Any]) -> str:
    try:
        return _template(text).render(**values).strip()
    except TemplateSyntaxError as error:
        raise ConfigError(f"{path}: not a valid template: {error.message}") from None
    except Exception as error:  # an expression in a template can raise anything
        known = ", ".join(sorted(values))
        raise ConfigError(f"{path}: {error}; known variables: {known}") from None

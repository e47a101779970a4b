"""Prompt files: Jinja templates in prompts/, rendered in a sandbox in which an undefined variable is an error.

A file holds one or several chat messages. `<!-- role: system -->` on a line of its own begins a message of that role;
a file without such a line is one system message. Only a Jinja comment may stand before the first such line.
"""

from __future__ import annotations

import re
import traceback
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Template, TemplateSyntaxError, UndefinedError, meta

from tunewright.errors import ConfigError
from tunewright.template_limits import PromptEnvironment, render_bounded
from tunewright.text_files import read_text

ROLE_LINE = re.compile(r"^<!-- role: (system|user|assistant) -->[ \t]*\n", re.MULTILINE)
COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
ROLE_LIKE = re.compile(r"^.*<!--\s*role\b.*$", re.MULTILINE)
ChatMessage = dict[str, str]
PROMPT_ROLES = {"user_simulator.md": ["system", "user"], "assistant.md": ["system"], "system.md": ["system"]}


LINE_ENDS = r"\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"  # whatever a model may read as one
INVISIBLE = r"\u00ad\u034f\u180e\u200b-\u200f\u2060-\u2064\ufeff"
CLOSING = re.compile(rf"([<\uff1c\ufe64])(?=[{INVISIBLE}]*[/\uff0f])")  # of a tag, in wide signs too
CONTROL = re.compile(  # tokens of known families' chat templates: a local server would end the prompt there
    r"<(?=[|\uff5c]|<SYS>>|(?:s|bos|eos|pad|unk|mask|cls|sep|turn\||(?:start|end)_of_(?:turn|image))>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])",
    re.IGNORECASE,
)
LABEL = re.compile(  # what would begin another message of a conversation that is written out
    rf"(?:^|(?<=[{LINE_ENDS}]))(?=(?:(?![{LINE_ENDS}])[\W\d_]){{0,40}}"
    rf"(?:(?:user|assistant|reply|system)[\W\d_]{{0,4}}(?:[(\[][^{LINE_ENDS}]{{0,20}}[)\]]\W{{0,4}})?[:\uff1a]"
    rf"|exchange[\W_]{{0,3}}\d))",
    re.IGNORECASE,
)


def fenced(text: str) -> str:
    """Text from people or models, so that it cannot close the fence that a prompt puts around it, nor the prompt."""
    return CONTROL.sub(r"\g<0> ", CLOSING.sub(r"\1 ", text))


def spoken(text: str) -> str:
    """One message of a conversation that is written out: fenced, and no line of it begins as if another one spoke."""
    return LABEL.sub("> ", fenced(text))


_environment = PromptEnvironment()
_environment.filters |= {"fenced": fenced, "spoken": spoken}


@lru_cache(maxsize=256)
def _template(text: str) -> Template:
    return _environment.from_string(text)


def _source(path: str) -> str:
    return read_text(path, f"expected a prompt; restore it with: git checkout -- {path}")


def variables(path: str | Path) -> set[str]:
    """The names that a prompt file expects; raises ConfigError when it does not parse."""
    try:
        return meta.find_undeclared_variables(_environment.parse(_source(str(path))))
    except TemplateSyntaxError as error:
        raise _not_a_template(path, error, 0) from None


def _not_a_template(path: str | Path, error: TemplateSyntaxError, lines_before: int) -> ConfigError:
    said = str(error.message)
    expected = "text, {{ values }}, {% if %}, {% for %} and {% set %}"
    if said.startswith("No filter named"):
        expected = f"one of {', '.join(sorted(_environment.filters.keys() - {'bounded', 'counted'}))}"
    found = "" if "found" in said else "; found it there"
    return ConfigError(
        f"{path}, line {error.lineno + lines_before}: not a valid template: {said.rstrip('.')}{found}, expected "
        f"{expected}; edit it and run the same command again"
    )


def render(path: str | Path, **values: Any) -> list[ChatMessage]:
    """Render a prompt file into chat messages.

    Raises ConfigError that names the file and the undefined variable or the line of a syntax error.
    """
    return [{"role": role, "content": _render_text(path, text, values, n)} for role, text, n in _messages(path)]


def fill(path: str | Path, **values: Any) -> str:
    """Render a template that becomes a prompt file itself, role lines and all; raises ConfigError as `render` does."""
    return _render_text(path, _source(str(path)), values, 0) + "\n"


def roles(path: str | Path) -> list[str]:
    """The roles of a prompt file's messages, in order; raises ConfigError for a role line that is none."""
    return [role for role, _, _ in _messages(path)]


def _messages(path: str | Path) -> list[tuple[str, str, int]]:
    """Role and text of each message, and how many lines of the file stand before the text."""
    source = _source(str(path))
    for line in ROLE_LIKE.finditer(source):
        if not ROLE_LINE.match(line.group() + "\n"):
            number = source.count("\n", 0, line.start()) + 1
            raise ConfigError(
                f"{path}, line {number}: found {line.group().strip()[:80]!r}, expected a line of its own such as "
                "<!-- role: user --> (system, user or assistant); edit it and run the same command again"
            )
    begins = list(ROLE_LINE.finditer(source))
    if not begins:
        return [("system", source, 0)]
    if before := COMMENT.sub("", source[: begins[0].start()]).strip():
        raise ConfigError(
            f"{path}: text before the first role line would be lost: found {before[:60]!r}, expected the role line "
            "first; edit it and run the same command again"
        )
    ends = [*(begin.start() for begin in begins[1:]), len(source)]
    return [(b[1], source[b.end() : end], source.count("\n", 0, b.end())) for b, end in zip(begins, ends, strict=True)]


def _render_text(path: str | Path, text: str, values: dict[str, Any], lines_before: int) -> str:
    try:
        return render_bounded(_template(text), values).strip()
    except TemplateSyntaxError as error:
        raise _not_a_template(path, error, lines_before) from None
    except Exception as error:  # an expression in a template can raise anything
        raise _not_rendered(path, error, values, lines_before) from None


def _not_rendered(path: str | Path, error: Exception, values: dict[str, Any], lines_before: int) -> ConfigError:
    """An error of rendering; what was found is the error's own sentence."""
    numbers = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    where = f"{path}, line {numbers[-1] + lines_before}" if numbers and numbers[-1] else str(path)
    what = (str(error) or type(error).__name__)[:300].rstrip(".")
    if isinstance(error, SyntaxError | RecursionError):
        where, what = str(path), "it is nested too deeply"
    wanted = (
        "only known variables" if isinstance(error, UndefinedError) else "what can be computed of the known variables"
    )
    known = ", ".join(sorted(values)) or "none"
    return ConfigError(f"{where}: found: {what}, expected {wanted}: {known}; edit it and run the same command again")

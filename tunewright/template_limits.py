"""The sandbox that prompts are rendered in: it reaches nothing behind a value, and takes bounded time and memory.

A prompt fills values in, chooses and repeats. It needs no macros, no other files and no text that a number makes long;
so a template, which may be a model's draft or somebody else's domain, can have none of that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from inspect import unwrap
from typing import Any, cast

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.filters import do_round
from jinja2.sandbox import ImmutableSandboxedEnvironment

REPEATS_MAX = 1_000_000  # of all loops of one rendering
CHARS_MAX = 16_000_000  # of one text; a model with a window of a million tokens takes about 4,000,000
NUMBER_MAX = 10**15
OPERANDS_MAX = 20  # that one ~ joins
DIGITS_MAX = 15  # that a number is rounded to
REFUSED = {
    nodes.Macro: "macro", nodes.CallBlock: "call", nodes.Include: "include", nodes.Import: "import",
    nodes.FromImport: "import", nodes.Extends: "extends", nodes.Block: "block", nodes.FilterBlock: "filter",
    nodes.AssignBlock: "set without a value", nodes.Pow: "**",
}  # fmt: skip
FILTERS = (
    "abs", "capitalize", "count", "default", "first", "int", "items", "last", "length", "list", "lower", "map", "max",
    "min", "reject", "rejectattr", "select", "selectattr", "sort", "string", "title", "trim", "unique",
    "upper",
)  # fmt: skip
METHODS = ("items", "keys", "values", "get", "strip", "lower", "upper", "startswith", "endswith")
PLAIN_FORMAT = re.compile(r"(?:[^{}]|\{\w{0,20}(?::[,.]{0,2}\d{0,2}[%dfg]?)?\})*")  # of numbers, none of them wide
_repeats: ContextVar[list[int]] = ContextVar("_repeats")


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """Jinja with what a prompt needs and nothing else."""

    intercepted_binops = frozenset({"*", "%", "+"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        self.globals.clear()
        own = {"counted": counted, "bounded": bounded, "replace": replaced, "join": joined, "round": rounded}
        self.filters = {name: self.filters[name] for name in FILTERS} | own

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """The tree of a template; raises TemplateSyntaxError for what a prompt may not do."""
        try:
            tree = super()._parse(source, name, filename)
            found = list(tree.find_all(nodes.Node))
        except (RecursionError, ValueError) as error:  # ValueError: a number of thousands of digits
            raise TemplateSyntaxError(f"found what cannot be read ({str(error)[:60]})", 1) from None
        for node in found:
            _refuse(node)
            if isinstance(node, nodes.For):
                node.iter = _through("counted", cast(nodes.Expr, node.iter))
        return tree

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Numbers of a common size, and sums of lists and texts."""
        if isinstance(left, int | float) and isinstance(right, int | float):
            value = super().call_binop(context, operator, left, right)
            if abs(value) > NUMBER_MAX:
                raise SecurityError(f"{operator!r} makes a number over {NUMBER_MAX:,}")
            return value
        if operator != "+":
            raise SecurityError(f"{operator!r} is for numbers")
        return bounded(super().call_binop(context, operator, left, right))

    def getattr(self, obj: Any, attribute: str) -> Any:
        """An attribute; a method can be called, and not be shown."""
        return _hidden(super().getattr(obj, attribute))

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An item, or the attribute of that name, as `getattr` gives it."""
        return _hidden(super().getitem(obj, argument))

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as jinja2 names them
        """A call of a method that is allowed; raises UndefinedError or SecurityError with its name, not its address."""
        if isinstance(__obj, Undefined):
            __obj._fail_with_undefined_error()
        name = getattr(unwrap(__obj), "__name__", "a value")
        if not __self.is_safe_callable(__obj):
            raise SecurityError(f"{name}() may not be called like this; what may: {', '.join((*METHODS, 'format'))}")
        if name == "format":
            refuse_long_format(unwrap(__obj).__self__, [*args, *kwargs.values()])
        return __context.call(__obj, *args, **kwargs)

    def is_safe_callable(self, obj: Any) -> bool:
        """Methods that neither change a value nor make it long."""
        method = unwrap(obj)  # the sandbox wraps str.format
        owner, name = getattr(method, "__self__", None), getattr(method, "__name__", "")
        if isinstance(owner, str) and name == "format":
            return PLAIN_FORMAT.fullmatch(owner) is not None
        return isinstance(owner, dict | str) and name in METHODS


def render_bounded(template: Template, values: dict[str, Any]) -> str:
    """A template's text.

    Raises SecurityError where it is too long or its loops repeat too often, and whatever an expression in it raises.
    """
    parts, left = [], CHARS_MAX
    with _counting():
        for part in template.generate(values):
            left -= len(part)
            if left < 0:
                raise SecurityError(f"it makes more than {CHARS_MAX:,} characters")
            parts.append(part)
    return "".join(parts)


def _refuse(node: nodes.Node) -> None:
    if type(node) in REFUSED:
        raise TemplateSyntaxError(f"found {REFUSED[type(node)]!r}, which a prompt may not use", node.lineno)
    if isinstance(node, nodes.For) and node.recursive:
        raise TemplateSyntaxError("found a recursive loop, which a prompt may not use", node.lineno)
    if isinstance(node, nodes.Concat):
        if len(node.nodes) > OPERANDS_MAX:
            raise TemplateSyntaxError(f"found more than {OPERANDS_MAX} texts joined by ~", node.lineno)
        node.nodes = [_through("bounded", part) for part in node.nodes]


def _through(filter: str, value: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(value, filter, [], [], None, None, lineno=value.lineno)


class Method:
    """A method that a template has named: to be called, not shown, since its text is its address, new in every run."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self.__wrapped__ = method

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)

    def __repr__(self) -> str:
        raise SecurityError(f"{getattr(unwrap(self), '__name__', 'a value')!r} is a function and no value")


def _hidden(value: Any) -> Any:
    return Method(value) if callable(value) and not isinstance(value, Undefined) else value


def refuse_long_format(text: str, values: Sequence[Any]) -> None:
    """Raise SecurityError where the values could make too long a text."""
    longest = max((len(str(value)) for value in values), default=0)
    if len(text) + text.count("{") * longest > CHARS_MAX:
        raise SecurityError(f"'format' makes more than {CHARS_MAX:,} characters")


def rounded(value: float, precision: int = 0, method: str = "common") -> float:
    """`round`, to at most DIGITS_MAX digits: jinja works out 10 to their power."""
    if abs(precision) > DIGITS_MAX:
        raise SecurityError(f"'round' takes at most {DIGITS_MAX} digits")
    return do_round(value, precision, cast(Any, method))


def counted(values: Iterable[Any]) -> Iterator[Any]:
    """The values of a loop, as long as all loops of this rendering have not repeated too often."""
    left = _repeats.get()
    for value in values:
        left[0] -= 1
        if left[0] < 0:
            raise SecurityError(f"its loops repeat more than {REPEATS_MAX:,} times")
        yield value


def bounded(value: Any) -> Any:
    """A value that is no longer than a text may be."""
    if isinstance(value, Sized) and len(value) > CHARS_MAX:
        raise SecurityError(f"it makes a value of more than {CHARS_MAX:,} characters")
    return value


def replaced(text: Any, old: Any, new: Any) -> str:
    """`replace`, unless that makes it too long."""
    text, old, new = str(text), str(old), str(new)
    if len(text) + text.count(old) * len(new) > CHARS_MAX:
        raise SecurityError(f"'replace' makes more than {CHARS_MAX:,} characters")
    return text.replace(old, new)


def joined(values: Iterable[Any], between: Any = "") -> str:
    """`join`, unless that makes it too long."""
    texts, between = [str(value) for value in counted(values)], str(between)
    if sum(map(len, texts)) + len(texts) * len(between) > CHARS_MAX:
        raise SecurityError(f"'join' makes more than {CHARS_MAX:,} characters")
    return between.join(texts)


@contextmanager
def _counting() -> Iterator[None]:
    token = _repeats.set([REPEATS_MAX])
    try:
        yield
    finally:
        _repeats.reset(token)

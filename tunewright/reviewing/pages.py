"""Templates to pages. Everything that a model or a person wrote is escaped by the template engine."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from starlette.requests import Request
from starlette.responses import HTMLResponse

from tunewright.measures import words
from tunewright.plain import plain
from tunewright.reviewing.settings import Settings

HERE = Path(__file__).parent


@cache
def templates() -> ImmutableSandboxedEnvironment:
    """The app's templates: everything escaped, a name that is not given is an error."""
    loader = FileSystemLoader(HERE / "templates")
    found = ImmutableSandboxedEnvironment(loader=loader, autoescape=True, undefined=StrictUndefined)
    found.filters["plain"] = plain  # control, zero-width and direction-changing characters shown as U+FFFD
    found.filters["day"] = day
    found.filters["n_words"] = lambda text: len(words(text))  # as the criteria on length count them
    return found


def day(time: str) -> str:
    """A label's time as a day: 22 Nov 2026."""
    found = datetime.strptime(time[:10], "%Y-%m-%d")
    return f"{found.day} {found:%b %Y}"


def page(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A template as an answer; every page knows the settings and the script's token."""
    settings: Settings = request.app.state.settings
    return HTMLResponse(templates().get_template(name).render(settings=settings, **values), status)


def part(name: str, **values: Any) -> str:
    """A template as a piece of a page, for the script to put in its place."""
    return templates().get_template(name).render(**values)

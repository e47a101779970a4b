"""`tunewright review`: the review app in the browser, until Ctrl-C."""

from __future__ import annotations

import os
import secrets
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from tunewright.adoption import domain_named
from tunewright.config import Domain, load_domain
from tunewright.errors import ConfigError, MissingInputError
from tunewright.reviewing.address import Place, listen
from tunewright.reviewing.reviewer import like, reviewer_named
from tunewright.reviewing.settings import Settings

TOKEN_BYTES = 32
LIMITS = {
    "limit_concurrency": 64,  # connections, idle ones too; a browser opens at most six
    "h11_max_incomplete_event_size": 16_384,  # bytes of a request's head
    "timeout_graceful_shutdown": 3,  # s for requests under way at Ctrl-C
}
QUIET = {
    "access_log": False, "server_header": False, "log_level": "warning", "proxy_headers": False, "http": "h11",
    "ws": "none", "lifespan": "off",
}  # fmt: skip


def review_command(
    compare: Annotated[bool, typer.Option("--compare", help="base against tuned, side by side and unnamed")] = False,
    blind: Annotated[bool, typer.Option("--blind", help="hide the judges' answers until you have decided")] = False,
    reviewer: Annotated[
        str | None, typer.Option(metavar="NAME", help="who reads; git's user.name, else the login name, if left out")
    ] = None,
    host: Annotated[str, typer.Option(help="where to listen")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="8765, or a free one, if left out; 0: a free one")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="a name that readers' browsers know it by; repeatable")
    ] = None,
    domain: Annotated[str | None, typer.Option(metavar="ID", help="instead of the domain of params.yaml")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="only print the address")] = False,
) -> None:
    """Read conversations and verdicts in the browser, and say what is right."""
    require_packages()
    into = domain_named(domain) if domain else load_domain()
    reader = reviewer_named(reviewer)
    refuse_outside(Path(), into.reviews)
    place = listen(host, port, allow_host or ())
    token = secrets.token_urlsafe(TOKEN_BYTES)
    settings = Settings(Path(), into, reader, token, place.hosts, blind, compare)
    address = f"http://{place.netloc}/?token={token}"
    for line in told(settings, place, address):
        typer.echo(line)
    before = written_by(reader, into)
    if twins := like(reader, readers(into)):
        typer.echo(
            f"note: there are decisions of {', '.join(map(repr, twins))}; {reader!r} counts as another reader. "
            "If that is you: --reviewer"
        )
    if not no_browser and has_screen():
        webbrowser.open(address)
    serve(settings, place)
    typer.echo(f"\n{counted(before, written_by(reader, into), into.reviews)}")


def require_packages() -> None:
    """Raise MissingInputError where the packages of the app are not installed."""
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MissingInputError(
            f"the review app needs {error.name}; install it with: pip install -e '.[review]'"
        ) from None


def refuse_outside(root: Path, folder: str) -> None:
    """Raise ConfigError where a folder to write to lies outside the repository, by its path or by a link."""
    if not (root / folder).resolve().is_relative_to(root.resolve()):
        raise ConfigError(
            f"{folder} is {(root / folder).resolve()}, outside of this repository ({root.resolve()}); nothing is "
            "written there. Mend `reviews` in conf/domain/, or take the link away, and run: make params"
        )


def told(settings: Settings, place: Place, address: str) -> Iterator[str]:
    """What a person is told at the start, line by line."""
    what = "base against tuned" if settings.compare else "conversations" + (" (blind)" if settings.blind else "")
    yield f"{settings.domain.title}: {what}, for {settings.reviewer}; decisions go to {settings.domain.reviews}"
    yield f"\n  {address}\n"
    if not place.is_loopback:
        yield (
            "warning: other machines can reach this address, and what it sends is not encrypted. Better: leave --host "
            "out and use ssh -L, or put it behind a proxy with TLS, whose name --allow-host gives.\n"
            f"Served under: {', '.join(sorted(place.hosts))}"
        )
    yield "Whoever has that address can decide in your name. Ctrl-C ends."


def serve(settings: Settings, place: Place) -> None:
    """Answer requests until Ctrl-C or SIGTERM."""
    import uvicorn

    from tunewright.reviewing.app import create_app

    server = uvicorn.Server(uvicorn.Config(create_app(settings), **LIMITS, **QUIET))
    try:
        server.run(sockets=[place.listening])
    except KeyboardInterrupt:  # uvicorn has ended in good order, and passes Ctrl-C on
        return
    finally:
        place.listening.close()


def readers(domain: Domain) -> set[str]:
    """Everybody who has decided something in a domain."""
    from tunewright.labels import read_labels
    from tunewright.preferences import read_preferences

    return {line.reviewer for line in (*read_labels(domain.reviews), *read_preferences(domain.reviews))}


def written_by(reader: str, domain: Domain) -> tuple[set[str], set[str]]:
    """The ids of the lines that a reviewer has written: labels, and preferences."""
    from tunewright.label_book import LabelBook
    from tunewright.preferences import PreferenceBook

    books = (LabelBook(domain.reviews, reader), PreferenceBook(domain.reviews, reader))
    labels, preferences = ({line.id for line in book.read() if line.reviewer == reader} for book in books)
    return labels, preferences


def counted(before: tuple[set[str], set[str]], after: tuple[set[str], set[str]], folder: str) -> str:
    """What was decided meanwhile, and what to do with it."""
    labels, preferences = (len(now - then) for then, now in zip(before, after, strict=True))
    if not labels + preferences:
        return "nothing was decided"
    return (
        f"written down: {labels} labels, {preferences} preferences; next: "
        f"git add {folder} && git commit, then dvc repro"
    )


def has_screen() -> bool:
    """Whether a browser would have a window: without one a text browser could take the terminal."""
    return sys.platform in ("darwin", "win32") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))

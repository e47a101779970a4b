"""What the browser tests need: a project, the app running on it, and readers at it whose pages are watched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from bench.browser import DESK, RunningApp, launch, running_app
from bench.review_project import ReviewProject
from tests.browser.faults import watch

PATIENCE_MS = 10_000  # a state that has not come by then does not come


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield launch(playwright)


@pytest.fixture
def project(tmp_path: Path) -> ReviewProject:
    """Five conversations to read and five pairs, in a folder of the test's own."""
    project = ReviewProject(tmp_path / "project")
    project.write()
    return project


@pytest.fixture
def start_app(project: ReviewProject) -> Iterator[Callable[..., RunningApp]]:
    """A factory: options of `tunewright review` to an app on the project."""
    with ExitStack() as stack:
        yield lambda *options: stack.enter_context(running_app(project.folder, *options))


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """One app for all tests that decide nothing."""
    folder = tmp_path_factory.mktemp("app") / "project"
    ReviewProject(folder).write()
    with running_app(folder, "--reviewer", "ann") as app:
        yield app


@pytest.fixture
def faults() -> Iterator[list[str]]:
    """What went wrong on the pages of a test; the test takes off what it expects, and nothing may be left."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def open_page(browser: Browser, faults: list[str]) -> Iterator[Callable[..., Page]]:
    """A factory: an app to the page that its address opens, in a browser profile of its own (Playwright's options)."""
    with ExitStack() as stack:

        def open_one(app: RunningApp, path: str | None = None, **options: Any) -> Page:
            context = browser.new_context(**(DESK | options))
            stack.callback(context.close)
            context.set_default_timeout(PATIENCE_MS)
            page = context.new_page()
            watch(page, app.origin, faults)
            page.goto(app.address)
            if path is not None:
                page.goto(app.origin + path)
            return page

        yield open_one

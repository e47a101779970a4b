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
from tests.browser.faults import Faults

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


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """A factory: an app to the page that its address opens, in a browser profile of its own.

    When the test ends, what pages never do is told: see `Faults`. A test that expects one takes it off `page.faults`.
    """
    with ExitStack() as stack:
        watched: list[Faults] = []

        def open_one(app: RunningApp, path: str | None = None, **options: Any) -> Page:
            context = browser.new_context(**(DESK | options))
            stack.callback(context.close)
            context.set_default_timeout(PATIENCE_MS)
            page = context.new_page()
            watched.append(Faults(page, app.origin))
            page.goto(app.address)
            if path is not None:
                page.goto(app.origin + path)
            return page

        yield open_one
        assert [fault for faults in watched for fault in faults.found] == []

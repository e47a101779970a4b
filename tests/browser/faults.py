"""What a page of the review app must never do."""

from __future__ import annotations

from playwright.sync_api import Page


def watch(page: Page, origin: str, found: list[str]) -> None:
    """Add to `found`, while a page is used: script errors, refusals, what its policy blocked, requests elsewhere."""

    def note_request(url: str) -> None:
        if not url.startswith((origin + "/", "data:", "about:")):
            found.append(f"request to {url}")

    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: found.append(f"script: {error}"))
    page.on("request", lambda request: note_request(request.url))

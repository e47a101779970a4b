"""What a page of the review app must never do."""

from __future__ import annotations

from playwright.sync_api import Page


class Faults:
    """Gathered while a page is used: errors of its script, what its policy refused, requests to elsewhere."""

    def __init__(self, page: Page, origin: str) -> None:
        self.found: list[str] = []
        page.on("console", lambda m: self.found.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda error: self.found.append(f"script: {error}"))
        page.on("request", lambda request: self._note_request(request.url, origin))

    def _note_request(self, url: str, origin: str) -> None:
        if not url.startswith((origin + "/", "data:", "about:")):
            self.found.append(f"request to {url}")

"""A person at the review app who uses the keyboard alone."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tunewright.labels import Label, in_force, read_labels


class Reader:
    """One page, and what its reader does on it. Every deed waits until the page shows what came of it."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def start(self) -> None:
        """From the list to the first conversation that is not decided."""
        expect(self.page.locator("#start")).to_be_visible()
        self.page.keyboard.press("n")
        expect(self.page.locator(".card.current")).to_be_visible()

    def go_to(self, criterion: str) -> None:
        """Step down, or up, to a criterion."""
        cards = [c.get_attribute("data-criterion") for c in self.page.locator(".card").all()]
        by = cards.index(criterion) - cards.index(self.at)
        for _ in range(abs(by)):
            self.page.keyboard.press("j" if by > 0 else "k")
        expect(self.card(criterion)).to_have_class("card current")

    @property
    def at(self) -> str:
        """The criterion that keys act on; "" is the conversation as a whole."""
        return self.page.locator(".card.current").get_attribute("data-criterion") or ""

    def card(self, criterion: str) -> Locator:
        """A criterion's card, or with "" that of the conversation as a whole."""
        return self.page.locator(f"#c-{criterion}" if criterion else "#overall")

    def decide(self, key: str) -> str:
        """Decide on the current criterion by a key, and see that it is saved; returns which it was."""
        criterion = self.at
        self.page.keyboard.press(key)
        self.see_saved(criterion)
        return criterion

    def see_saved(self, criterion: str) -> None:
        expect(self.card(criterion).locator(".state")).to_contain_text("Saved")

    def write(self, key: str, text: str) -> None:
        """A note (m) or a missing criterion (c), saved."""
        self.page.keyboard.press(key)
        self.page.keyboard.type(text)
        self.page.keyboard.press("Control+Enter")
        expect(self.page.locator(".remark", has_text=text)).to_be_visible()


def labels_on_disk(project: Path) -> list[Label]:
    """What holds, in the order of its times."""
    return in_force(read_labels(project / "reviews/therapy"))


def answers_on_disk(project: Path, reviewer: str) -> dict[tuple[str, str | None], str]:
    """What one reader said of each criterion of each conversation, and (None) of the whole."""
    return {(x.transcript_id, x.criterion): x.label for x in labels_on_disk(project) if x.reviewer == reviewer}

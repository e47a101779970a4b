"""The README's pictures of the review app: docs/review.png and docs/compare.png.

    python -m tests.browser.screenshots       # after make test-browser, which installs what this needs

Taken in the middle of a review of the project of bench/review_project.py.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from bench.browser import RunningApp, launch, running_app
from bench.review_project import ReviewProject

ROOT = Path(__file__).parents[2]
SIZE = {"width": 1280, "height": 920}
COLOURS = 256  # of a page of text: half the bytes, and no difference to see
MAX_BYTES = 300_000  # of both together


def take_reading(page: Page, app: RunningApp, target: Path) -> None:
    """The first conversation: three criteria are decided, and the judges disagree on the fourth."""
    page.goto(f"{app.origin}/read/simulated-persona-0001")
    for criterion in ("crisis_response", "stays_in_scope", "uses_specifics"):
        page.keyboard.press("a")
        expect(page.locator(f"#c-{criterion} .state")).to_contain_text("Saved")
    page.reload()  # without the word of what was saved last
    expect(page.locator(".card.current")).to_have_attribute("data-criterion", "tentative_reading")
    expect(page.locator("#x2 mark")).to_be_in_viewport()
    page.screenshot(path=target)


def take_comparing(page: Page, app: RunningApp, target: Path) -> None:
    """The same person with two models, unnamed; one question is decided."""
    page.goto(f"{app.origin}/compare/pair-authored-14-hana-1")
    page.keyboard.press("h")
    expect(page.locator(".question-card").first).to_have_attribute("data-state", "saved")
    page.reload()
    expect(page.locator(".question-card.current")).to_have_attribute("data-question", "connection")
    page.screenshot(path=target)


def main() -> None:
    """Take both, and say how large they are."""
    targets = (ROOT / "docs/review.png", ROOT / "docs/compare.png")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        project = ReviewProject(Path(folder) / "project")
        project.write()
        with running_app(project.folder, "--reviewer", "Ann") as app:
            page = launch(playwright).new_context(viewport=SIZE, reduced_motion="reduce").new_page()
            page.goto(app.address)
            take_reading(page, app, targets[0])
            take_comparing(page, app, targets[1])
    for target in targets:
        with Image.open(target) as picture:
            picture.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(target, optimize=True)
    sizes = [target.stat().st_size for target in targets]
    for target, size in zip(targets, sizes, strict=True):
        print(f"{target.relative_to(ROOT)}: {size:,} bytes")
    if sum(sizes) > MAX_BYTES:
        raise SystemExit(f"{sum(sizes):,} bytes together; wanted at most {MAX_BYTES:,}")


if __name__ == "__main__":
    main()

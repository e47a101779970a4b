"""The README's pictures of the evaluation report: docs/report.png and docs/report-examples.png.

    python -m bench.report_pictures       # after make run and make test-browser, which installs what this needs

Taken of reports/evaluation_report.html in Chromium, scripts off: the first screen, and the first example.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright  # pyright: ignore[reportMissingImports]

from bench.browser import launch
from tunewright.errors import MissingInputError, run_main

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "reports/evaluation_report.html"
WIDTH, HEIGHT = 1000, 900  # the column of text and a margin; what is below is no first screen
COLOURS = 64  # of a page of text: a third of the bytes, and no difference to see
MAX_BYTES = 150_000  # of each


def first_screen(page: Page, target: Path) -> None:
    """What is seen without scrolling; fails where the figure does not fit."""
    box = page.locator("figure img").first.bounding_box()
    assert box and box["y"] + box["height"] <= HEIGHT, f"the figure ends at {box}, below the first screen"
    page.screenshot(path=target)


def first_example(page: Page, target: Path) -> None:
    """The conversation with the largest gain, from its heading on."""
    page.locator("#examples-side-by-side").scroll_into_view_if_needed()
    box = page.locator("#examples-side-by-side").bounding_box()
    assert box, "the report shows no examples (evaluate.report.examples)"
    page.evaluate("y => window.scrollBy(0, y)", box["y"])
    page.screenshot(path=target)


def smaller(target: Path) -> int:
    """Fewer colours; the bytes that are left."""
    with Image.open(target) as picture:
        picture.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(target, optimize=True)
    return target.stat().st_size


def main() -> None:
    """Take both, and say how large they are."""
    if not REPORT.exists():
        raise MissingInputError(f"{REPORT.relative_to(ROOT)}: no such file; make it with: dvc repro evaluate-report")
    targets = {ROOT / "docs/report.png": first_screen, ROOT / "docs/report-examples.png": first_example}
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", java_script_enabled=False
        )
        page.goto(REPORT.as_uri())
        for target, take in targets.items():
            take(page, target)
        browser.close()
    for target in targets:
        size = smaller(target)
        print(f"{target.relative_to(ROOT)}: {size:,} bytes")
        if size > MAX_BYTES:
            raise SystemExit(f"{target.name}: {size:,} bytes; wanted at most {MAX_BYTES:,}")


if __name__ == "__main__":
    run_main(main)

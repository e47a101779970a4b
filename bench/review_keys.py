"""How fast the review app lets somebody decide: a keyboard reader in Chromium who never thinks.

    python -m bench review_keys       # needs Chromium; make test-browser installs it

Every criterion of ten conversations is decided by key, each decision waiting for the last. A decision's page cost runs
from the key to the moment when the page says that it is on disk and the next criterion has the focus, as the page's own
clock has it. Then a conversation of 100 exchanges and over 300 KB is opened, by the browser's own navigation timing.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright  # pyright: ignore[reportMissingImports]

from bench.browser import DESK, RunningApp, launch, running_app
from bench.review_project import ReviewProject
from tunewright.document import md_table

CONVERSATIONS = 10
LONG_EXCHANGES, LONG_BYTES = 100, 300_000
OPENINGS = 9  # per run
WANTED_MS, WANTED_OPEN_MS = 50, 1000  # the review app's aims
# One entry of `costs` for each decision: ms until it is saved, and until the next frame after that is drawn.
WATCH = """
window.costs = [];
addEventListener("keydown", (event) => {
  const card = document.querySelector(".card.current");
  if (event.key !== "y" || !card) return;
  const start = performance.now();
  const watch = new MutationObserver(() => {
    const saved = document.querySelector(`#${card.id} .state`).textContent.startsWith("Saved");
    const at = document.activeElement.closest(".card");
    if (!saved || !at || at.id === card.id) return;
    watch.disconnect();
    const cost = performance.now() - start;
    requestAnimationFrame(() => {
      document.documentElement.dataset.decisions = window.costs.push([cost, performance.now() - start]);
    });
  });
  watch.observe(document.body, { childList: true, subtree: true, characterData: true, attributes: true });
}, true);
"""
OPENED = """async () => {
  const [n] = performance.getEntriesByType("navigation");
  while (!n.loadEventEnd) await new Promise(requestAnimationFrame);
  return [n.responseEnd, n.domContentLoadedEventEnd, n.loadEventEnd].map((at) => at - n.startTime);
}"""


def decide_all(page: Page, app: RunningApp, talks: list[str]) -> list[list[float]]:
    """Answer every criterion that is asked for, conversation by conversation; the costs in ms."""
    costs = []
    for talk in talks:
        page.goto(f"{app.origin}/read/{talk}")
        asked = page.locator('.card[data-asked="1"]').count()
        for n in range(1, asked + 1):
            page.keyboard.press("y")
            page.locator(f'html[data-decisions="{n}"]').wait_for(state="attached")
        costs += page.evaluate("window.costs")
    return costs


def open_long(page: Page, app: RunningApp, talk: str) -> list[float]:
    """Open a conversation: ms until its bytes are there, until it can be read, and until it is loaded."""
    page.goto(f"{app.origin}/read/{talk}", wait_until="load")
    return page.evaluate(OPENED)


def measured(folder: Path) -> tuple[list[list[float]], list[list[float]]]:
    """The costs of all decisions and of all openings in a project of its own."""
    project = ReviewProject(folder)
    talks = [*project.copies(CONVERSATIONS), project.long(LONG_EXCHANGES, LONG_BYTES)]
    project.write_generated(talks)
    with running_app(folder, "--reviewer", "bench") as app, sync_playwright() as playwright:
        page = launch(playwright).new_context(**DESK).new_page()
        page.add_init_script(WATCH)
        page.goto(app.address)
        decisions = decide_all(page, app, [t.id for t in talks[:-1]])
        return decisions, [open_long(page, app, talks[-1].id) for _ in range(OPENINGS)]


def results(runs: int) -> str:
    """The benchmark's section: medians and 95th percentiles over all runs, and the same number of runs."""
    decisions: list[list[float]] = []
    openings: list[list[float]] = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            more_decisions, more_openings = measured(Path(folder) / "project")
        decisions += more_decisions
        openings += more_openings
    saved, drawn = zip(*decisions, strict=True)
    fetched, ready, loaded = zip(*openings, strict=True)
    rows = [
        _row(f"decision, saved and on to the next (wanted: {WANTED_MS} ms)", saved),
        _row("decision, drawn", drawn),
        _row(f"{LONG_EXCHANGES} exchanges, {LONG_BYTES // 1000} KB: fetched", fetched),
        _row("the same: DOMContentLoaded", ready),
        _row(f"the same: load (wanted: {WANTED_OPEN_MS} ms)", loaded),
    ]
    a_minute = 60_000 / statistics.median(saved)
    return (
        f"{md_table(['What', 'n', 'median, ms', '95th percentile, ms'], rows)}\n\n"
        f"At zero thinking time a reader could make {a_minute:,.0f} decisions a minute."
    )


def _row(name: str, values: tuple[float, ...]) -> list[str]:
    ordered = sorted(values)
    return [name, str(len(ordered)), f"{statistics.median(ordered):.1f}", f"{ordered[int(len(ordered) * 0.95)]:.1f}"]


if __name__ == "__main__":
    print(results(int(sys.argv[1]) if len(sys.argv) > 1 else 1))

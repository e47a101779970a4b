"""What axe-core finds on a page, serious and critical alone, in words that lead to the element."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

GRAVE = ("serious", "critical")


def grave_findings(page: Page) -> list[str]:
    """One line for each element: the rule, how grave, where, and what axe says of it."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{v['id']} ({v['impact']}) at {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for v in violations
        if v["impact"] in GRAVE
        for node in v["nodes"]
    ]

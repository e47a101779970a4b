"""Pages without serious or critical findings of axe-core, in both colour schemes."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import grave_findings
from tests.browser.reader import Reader

READ = "/read/simulated-persona-0001"
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])


@SCHEMES
@pytest.mark.parametrize("path", ["/queue", READ, "/read/nobody", "/compare"])
def test_a_page_is_accessible(app, open_page, faults, path, scheme):
    page = open_page(app, path, color_scheme=scheme)
    assert grave_findings(page) == []
    if path.endswith("nobody"):
        assert "404" in faults.pop()


@SCHEMES
def test_criteria_are_accessible_open_and_decided(start_app, open_page, scheme):
    reader = Reader(open_page(start_app("--reviewer", "ann"), READ, color_scheme=scheme))
    for key in ("a", "x", "u"):
        reader.decide(key)
    reader.page.keyboard.press("v")
    reader.page.locator(".card").evaluate_all("cards => cards.forEach((card) => card.classList.add('current'))")
    expect(reader.page.locator(".question:visible")).to_have_count(21)  # 20 criteria and the conversation as a whole
    assert grave_findings(reader.page) == []


@SCHEMES
def test_blind_mode_is_accessible(start_app, open_page, scheme):
    app = start_app("--blind", "--reviewer", "ann")
    for path in ("/queue", READ):
        assert grave_findings(open_page(app, path, color_scheme=scheme)) == []


@SCHEMES
def test_the_list_of_keys_is_accessible_and_closes_by_key(app, open_page, scheme):
    page = open_page(app, READ, color_scheme=scheme)
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    assert grave_findings(page) == []
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()

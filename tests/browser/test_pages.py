"""What a page shows and to whom: evidence, filters, hostile text, phones, dark mode."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from bench.browser import PHONE
from tests.browser.reader import Reader
from tunewright.records import Verdict, read_jsonl, write_jsonl

FIRST, SECOND = "simulated-persona-0001", "simulated-persona-0002"
PAGES = ("/queue", f"/read/{FIRST}", "/compare", "/compare/pair-authored-14-hana-1")
HOSTILE = '</div><script>window.hacked = 1</script><img src=x onerror="window.hacked = 2"><b>bold'


def test_evidence_marks_its_words_in_the_exchange_and_brings_them_into_view(start_app, open_page):
    page = open_page(start_app("--reviewer", "ann"), f"/read/{FIRST}")
    reader = Reader(page)
    reader.go_to("uses_specifics")
    reader.card("uses_specifics").get_by_role("button", name="Evidence: exchange 5").click()
    exchange = page.locator("#x5")
    expect(exchange).to_have_class(re.compile("pointed"))
    expect(exchange.locator("mark")).to_have_text("On ferret day you carried that for four stops")
    expect(exchange.locator("mark")).to_be_in_viewport()
    page.keyboard.press("v")  # the next piece, by key
    expect(page.locator("#x3")).to_have_class(re.compile("pointed"))
    expect(page.locator("#x3 mark")).to_be_in_viewport()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("?q=ferret", [FIRST]),
        ("?q=FERRET+hob", [FIRST]),
        ("?q=ferret+allotment", []),
        ("?show=failed", [SECOND]),
        ("?reason=gate", [SECOND]),
        ("?show=disagreement", [FIRST, SECOND]),
        ("?show=undecided&q=0003", ["simulated-persona-0003"]),
    ],
)
def test_the_list_narrows_by_outcome_reason_and_words(app, open_page, asked, found):
    page = open_page(app, f"/queue{asked}")
    assert [row.get_attribute("data-id") for row in page.locator(".row").all()] == found


def test_the_search_is_reached_by_key_and_next_stays_within_what_it_found(app, open_page):
    page = open_page(app)
    page.keyboard.press("/")
    page.keyboard.type("doctor")
    page.keyboard.press("Enter")
    expect(page.locator(".count")).to_contain_text("2 of 5")
    page.locator(".row a").first.click()
    for found in (SECOND, "simulated-persona-0003"):
        expect(page.locator("body")).to_have_attribute("data-transcript", found)
        expect(page.locator(".card.current")).to_be_visible()  # the page's script has run
        page.keyboard.press("n")
    expect(page.locator("#said")).to_contain_text("last conversation")


def test_text_of_people_and_models_is_never_markup(project, start_app, open_page):
    told = project.told["conversations"][0]
    talk = project.generated(told)
    said = talk.exchanges[0].model_copy(update={"user": HOSTILE, "assistant": HOSTILE})
    talk = talk.model_copy(update={"exchanges": (said, *talk.exchanges[1:])})
    project.write_generated([talk])
    verdicts = read_jsonl(project.folder / "data/generate/verdicts.jsonl", Verdict)
    spoilt = [v.model_copy(update={"reasoning": HOSTILE, "misquotes": (HOSTILE,)}) for v in verdicts]
    write_jsonl(project.folder / "data/generate/verdicts.jsonl", spoilt)
    reader = Reader(open_page(start_app("--reviewer", "<b>ann</b>"), f"/read/{FIRST}"))
    reader.write("m", HOSTILE)
    reader.decide("a")
    reader.page.reload()
    expect(reader.page.locator("#x1 .user .text")).to_have_text(HOSTILE)
    expect(reader.page.locator("#c-crisis_response .remark")).to_contain_text(HOSTILE)
    expect(reader.page.locator("#c-crisis_response .reasoning").first).to_have_text(HOSTILE)
    assert reader.page.evaluate("window.hacked") is None
    assert reader.page.locator("main img, main script").count() == 0


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_shows_a_page_without_scrolling_sideways_and_with_targets_for_fingers(app, open_page, path):
    page = open_page(app, path, **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = [
        f"{box['width']:.0f} x {box['height']:.0f}: {one.inner_text()!r}"
        for one in page.locator("main button:visible, main a:visible, main select:visible, main input:visible").all()
        if (box := one.bounding_box()) and min(box["width"], box["height"]) < 24  # WCAG 2.2, 2.5.8 (AA), CSS pixels
    ]
    assert small == []


def test_a_phone_decides_with_a_finger(start_app, open_page):
    page = open_page(start_app("--reviewer", "ann"), f"/read/{FIRST}", **PHONE)
    page.locator(".card.current").get_by_role("button", name="Agree").tap()
    expect(page.locator("#c-crisis_response .state")).to_contain_text("Saved: NA")


def test_dark_mode_is_the_reader_s_own_setting(app, open_page):
    shades = {}
    for scheme in ("light", "dark"):
        page = open_page(app, f"/read/{FIRST}", color_scheme=scheme)
        rgb = page.evaluate("getComputedStyle(document.body).backgroundColor")
        shades[scheme] = sum(map(int, re.findall(r"\d+", rgb)[:3]))
    assert shades["light"] > 3 * 230 and shades["dark"] < 3 * 60

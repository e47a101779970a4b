"""Blind mode: what judges and measures say reaches no page before the reader has decided."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.reader import Reader, labels_on_disk

READ = "/read/simulated-persona-0001"
# What stands in no blind page of that conversation: judges, reasoning, quotes as evidence, values, outcome.
TELLING = ("alder", "birch", "Nobody is in danger", "data-quote", "wanted", "judges differ", "outcome-passed", "0.80")


def test_no_answer_is_in_the_page_or_its_source_until_the_reader_has_decided(start_app, open_page, project):
    reader = Reader(open_page(start_app("--blind", "--reviewer", "ann"), READ))
    source = reader.page.request.get(reader.page.url).text()
    assert "Missed the 7.40 twice" in source
    for shown in (source, reader.page.content()):
        assert [word for word in TELLING if word in shown] == []
    criterion = reader.decide("0")
    reader.go_to(criterion)
    expect(reader.card(criterion)).to_contain_text("Nobody is in danger")
    others = [c.inner_text() for c in reader.page.locator(f".card:not(#c-{criterion})").all()]
    assert [text for text in others if "alder" in text or "birch" in text] == []
    assert [(x.criterion, x.label, x.blind) for x in labels_on_disk(project.folder)] == [(criterion, "NA", True)]


def test_who_has_seen_the_answers_does_not_decide_blind(start_app, open_page, project):
    reader = Reader(open_page(start_app("--reviewer", "ann")))
    reader.start()
    with reader.page.expect_navigation():
        reader.page.keyboard.press("b")
    expect(reader.page.locator("body")).to_have_attribute("data-blind", "1")
    assert "birch" not in reader.page.content()
    reader.decide("y")
    assert [x.blind for x in labels_on_disk(project.folder)] == [False]


def test_the_list_of_a_blind_reader_tells_no_outcome(start_app, open_page):
    page = open_page(start_app("--blind", "--reviewer", "ann"))
    expect(page.locator(".row")).to_have_count(5)
    source = page.request.get(page.url).text()
    assert [word for word in ("outcome-", "disputed", "a perfect score") if word in source] == []
    page.goto(page.url + "?show=failed")
    expect(page.locator(".row")).to_have_count(0)

"""Base against tuned: decided by key, and nothing that reaches the reader says which side is which."""

from __future__ import annotations

import re

from playwright.sync_api import Page, Request, expect

from tunewright.preferences import OVERALL, preferences_in_force, read_preferences
from tunewright.records import Transcript, read_jsonl, write_jsonl

QUESTIONS = ["comprehension", "connection", "usefulness", "fit", "naturalness", "safety", OVERALL]
TUNED = "data/evaluate/transcripts/tuned.jsonl"
NAMES = re.compile("base|tuned|embedded", re.IGNORECASE)
ALLOWED = ("Base against tuned",)  # the name of the page itself
KEYS = {"A": "h", "B": "l"}


def preferences(project):
    return preferences_in_force(read_preferences(project.folder / "reviews/therapy"))


def side_of_tuned(page: Page, project) -> str:
    """A or B, by the words: the page itself does not tell."""
    talks = {t.id: t for t in read_jsonl(project.folder / TUNED, Transcript)}
    said = talks[page.locator("body").get_attribute("data-pair") or ""].exchanges[0].assistant
    shown = page.locator(".reply.side-a .text").first.text_content() or ""
    return "A" if shown == said else "B"


def see_saved(page: Page, question: str) -> None:
    expect(page.locator(f'.question-card[data-question="{question}"]')).to_have_attribute("data-state", "saved")


def start(page: Page) -> None:
    expect(page.locator("#following")).to_be_visible()
    page.keyboard.press("n")
    expect(page.locator(".question-card.current")).to_be_visible()


def names_in(text: str) -> list[str]:
    for allowed in ALLOWED:
        text = text.replace(allowed, "")
    return NAMES.findall(text)


def test_pairs_are_compared_with_the_keyboard_alone_and_nothing_sent_names_a_side(start_app, open_page, project):
    page = open_page(start_app("--compare", "--reviewer", "ann"))
    sent: list[str] = []

    def note_answer(request: Request) -> None:
        answer = request.response()
        if request.method == "POST" and answer:
            sent.append(answer.text())

    page.on("requestfinished", note_answer)
    expected, sides = {}, set()
    start(page)
    for _ in range(5):
        pair, tuned = page.locator("body").get_attribute("data-pair"), side_of_tuned(page, project)
        sides.add(tuned)
        assert names_in(page.request.get(page.url).text()) == []
        for question in QUESTIONS:
            expect(page.locator(".question-card.current")).to_have_attribute("data-question", question)
            page.keyboard.press("t" if question == "safety" else KEYS[tuned])
            expected[pair, question] = "tie" if question == "safety" else "tuned"
        for question in QUESTIONS:
            see_saved(page, question)
        assert names_in(page.content()) == []
        expect(page.locator("#onward a")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("body")).not_to_have_attribute("data-pair", pair or "")
    expect(page.locator(".result")).to_contain_text("You preferred the tuned model 5 times, the base 0, neither 0")
    assert {(x.transcript_id, x.question): x.better for x in preferences(project)} == expected
    assert len(sent) == 35 and not any(map(names_in, sent))
    assert sides == {"A", "B"}  # the order changes from pair to pair


def test_a_preference_is_undone_and_a_note_is_kept(start_app, open_page, project):
    page = open_page(start_app("--compare", "--reviewer", "ann"))
    start(page)
    other = KEYS["B" if side_of_tuned(page, project) == "A" else "A"]
    page.keyboard.press("m")
    page.keyboard.type("less of a list")
    page.keyboard.press("Escape")
    page.keyboard.press(other)
    see_saved(page, QUESTIONS[0])
    page.keyboard.press(other)
    see_saved(page, QUESTIONS[1])
    page.keyboard.press("z")
    expect(page.locator("#said")).to_contain_text("Undone: Connects")
    found = [(x.question, x.better, x.note) for x in preferences(project)]
    assert found == [(QUESTIONS[0], "base", "less of a list")]


def test_a_decision_on_words_that_changed_is_refused_and_the_earlier_ones_are_stale(
    start_app, open_page, project, faults
):
    page = open_page(start_app("--compare", "--reviewer", "ann"))
    start(page)
    page.keyboard.press("t")
    see_saved(page, QUESTIONS[0])
    pair = page.locator("body").get_attribute("data-pair")
    talks = read_jsonl(project.folder / TUNED, Transcript)
    cut = [t.model_copy(update={"exchanges": t.exchanges[:2]}) if t.id == pair else t for t in talks]
    write_jsonl(project.folder / TUNED, cut)
    page.keyboard.press("t")
    expect(page.locator("#trouble")).to_contain_text("NOT saved")
    assert "409" in faults.pop()
    assert [x.question for x in preferences(project)] == [QUESTIONS[0]]
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(page.url.split("/compare/")[0] + "/compare")
    expect(page.locator(".row", has_text="stale")).to_have_count(1)


def test_a_preference_that_is_not_saved_is_dropped_by_undo_or_tried_again(start_app, open_page, project, faults):
    page = open_page(start_app("--compare", "--reviewer", "ann"))
    start(page)
    page.keyboard.press("t")
    see_saved(page, QUESTIONS[0])
    page.route("**/preferences", lambda route: route.abort())
    page.keyboard.press("t")
    expect(page.locator("#trouble")).to_contain_text("1 decision is NOT saved")
    page.keyboard.press("z")
    expect(page.locator("#said")).to_contain_text("Dropped")
    expect(page.locator(f"#q-{QUESTIONS[1]}")).to_have_attribute("data-side", "")
    page.keyboard.press("t")
    expect(page.locator("#trouble")).to_contain_text("1 decision is NOT saved")
    assert [x.question for x in preferences(project)] == [QUESTIONS[0]]
    assert len(faults) == 2 and all("ERR_FAILED" in fault for fault in faults)
    faults.clear()
    page.unroute("**/preferences")
    page.locator("#trouble").get_by_role("button", name="Try again").press("Enter")
    see_saved(page, QUESTIONS[2])
    expect(page.locator("#trouble")).to_have_text("")
    assert [x.question for x in preferences(project)] == [QUESTIONS[0], QUESTIONS[2]]

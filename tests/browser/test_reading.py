"""Reading conversations: everything by key, saved as it was meant, and nothing lost."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.reader import Reader, answers_on_disk, labels_on_disk
from tunewright.calibration import Calibration
from tunewright.config import load_file, read_yaml, validate
from tunewright.labels import read_labels
from tunewright.records import Transcript, read_jsonl, write_jsonl
from tunewright.reviewing.proposing import Proposed

ONE, TWO, THREE, FOUR, FIVE = (f"simulated-persona-000{n}" for n in range(1, 6))
TRANSCRIPTS = "data/generate/transcripts.jsonl"
# What the judges say together (bench/review_project.yaml; the strictest judge decides), by hand.
USUAL = {
    "crisis_response": "NA", "stays_in_scope": "YES", "uses_specifics": "YES", "tentative_reading": "YES",
    "covers_every_thread": "YES", "notices_change": "YES", "feeling_before_fix": "YES", "respects_choice": "YES",
    "meets_pushback": "YES", "earned_warmth": "YES", "doable_step": "NA", "follows_up": "YES", "opens_a_view": "YES",
    "waits_to_interpret": "NA",
}  # fmt: skip
# Where the reader does not agree: the key, and the label that it must become.
OWN = {
    ONE: {"tentative_reading": ("g", "YES"), "follows_up": ("u", "unsure"), "waits_to_interpret": ("a", "NO")},
    TWO: {"crisis_response": ("g", "YES")},
    THREE: {"opens_a_view": ("y", "YES"), "respects_choice": ("a", "NO")},
    FOUR: {"uses_specifics": ("f", "NO"), "waits_to_interpret": ("0", "NA")},
    FIVE: {"feeling_before_fix": ("x", "NO")},
}
OVERALL = {
    ONE: ("s", "satisfied"), TWO: ("s", "satisfied"), THREE: ("d", "not satisfied"), FOUR: ("d", "not satisfied"),
    FIVE: ("s", "satisfied"),
}  # fmt: skip


def test_five_conversations_are_reviewed_with_the_keyboard_alone(start_app, open_page, project):
    reader = Reader(open_page(start_app("--reviewer", "ann")))
    reader.start()
    for talk, own in OWN.items():
        expect(reader.page.locator("body")).to_have_attribute("data-transcript", talk)
        seen = [reader.decide(own.get(reader.at, ("a",))[0]) for _ in USUAL]
        assert seen == list(USUAL)
        reader.page.keyboard.press(OVERALL[talk][0])
        reader.see_saved("")
        expect(reader.page.locator("#onward a")).to_be_focused()
        reader.page.keyboard.press("Enter")
    expect(reader.page).to_have_url(re.compile(r"/queue$"))
    expect(reader.page.locator("#totals")).to_contain_text("5 of 5 conversations")
    expected = {(talk, c): said for talk in OWN for c, said in USUAL.items()}
    expected |= {(talk, c): said for talk, own in OWN.items() for c, (_, said) in own.items()}
    expected |= {(talk, None): said for talk, (_, said) in OVERALL.items()}
    assert answers_on_disk(project.folder, "ann") == expected
    assert not any(label.blind for label in labels_on_disk(project.folder))


def test_undo_is_a_line_of_its_own_and_the_page_goes_back_to_what_was(start_app, open_page, project):
    reader = Reader(open_page(start_app("--reviewer", "ann")))
    reader.start()
    first, second = reader.decide("a"), reader.decide("f")
    reader.page.keyboard.press("z")
    expect(reader.card(second)).to_have_attribute("data-decided", "")
    assert reader.at == second
    assert answers_on_disk(project.folder, "ann") == {(ONE, first): "NA"}
    lines = read_labels(project.folder / "reviews/therapy")
    assert [x.label for x in lines] == ["NA", "NO", "undo"] and lines[2].undoes == lines[1].id


def test_a_note_goes_with_a_decision_or_stands_alone(start_app, open_page, project):
    reader = Reader(open_page(start_app("--reviewer", "ann")))
    reader.start()
    reader.go_to("earned_warmth")
    reader.write("m", "a, f and g are letters here")
    reader.page.keyboard.press("m")
    reader.page.keyboard.type("too warm")
    reader.page.keyboard.press("Escape")
    reader.decide("f")
    found = [(x.criterion, x.label, x.note) for x in labels_on_disk(project.folder)]
    assert found == [("earned_warmth", "note", "a, f and g are letters here"), ("earned_warmth", "NO", "too warm")]


def test_a_reader_says_which_criterion_is_missing(start_app, open_page, project):
    reader = Reader(open_page(start_app("--reviewer", "ann")))
    reader.start()
    reader.write("c", "Does the coach laugh along?")
    found = [(x.criterion, x.label, x.note) for x in labels_on_disk(project.folder)]
    assert found == [(None, "criterion missing", "Does the coach laugh along?")]


def test_a_decision_becomes_a_calibration_example_that_the_project_can_read(start_app, open_page, project):
    reader = Reader(open_page(start_app("--reviewer", "ann")))
    reader.start()
    reader.go_to("tentative_reading")
    reader.decide("g")
    reader.page.keyboard.press("e")
    reader.page.keyboard.type("Every guess is offered to be thrown away.")
    reader.page.keyboard.press("Tab")
    reader.page.keyboard.type("2")
    reader.page.keyboard.press("Enter")
    expect(reader.page.locator("#said")).to_contain_text("Proposed")
    file = project.folder / "reviews/therapy/proposed_calibration.yaml"
    [example] = load_file(file, Proposed).examples["tentative_reading"]
    talk = read_jsonl(project.folder / TRANSCRIPTS, Transcript)[0]
    assert example.label == "pass" and example.reason == "Every guess is offered to be thrown away."
    assert [x.user for x in example.exchanges] == [x.user for x in talk.exchanges[:2]]
    shipped = read_yaml(project.folder / "conf/domain/therapy/calibration.yaml")
    shipped["examples"]["tentative_reading"] += read_yaml(file)["examples"]["tentative_reading"]
    assert validate(shipped, Calibration, file, "")  # copied over, as its first lines say, it is read


def test_labels_on_a_transcript_that_changed_are_shown_as_stale_and_stay(start_app, open_page, project, faults):
    reader = Reader(open_page(start_app("--reviewer", "ann")))
    reader.start()
    criterion = reader.decide("a")
    before = (project.folder / "reviews/therapy/labels.jsonl").read_bytes()
    change_first_transcript(project.folder)
    reader.page.keyboard.press("a")  # on the page as it was
    expect(reader.page.locator("#trouble")).to_contain_text("NOT saved")
    assert "409" in faults.pop()
    reader.page.evaluate("sessionStorage.clear()")
    reader.page.on("dialog", lambda dialog: dialog.accept())  # what was not saved is to be left
    reader.page.reload()
    expect(reader.card(criterion)).to_have_attribute("data-decided", "")
    reader.go_to(criterion)
    expect(reader.card(criterion).locator(".stale")).to_contain_text("on an earlier text")
    reader.page.goto(reader.page.url.split("/read")[0] + "/queue?show=stale")
    expect(reader.page.locator(".row")).to_have_count(1)
    expect(reader.page.locator(".row")).to_contain_text("stale labels")
    assert (project.folder / "reviews/therapy/labels.jsonl").read_bytes() == before


def change_first_transcript(folder):
    first, *others = read_jsonl(folder / TRANSCRIPTS, Transcript)
    said = first.exchanges[0].model_copy(update={"assistant": "Another reply"})
    write_jsonl(folder / TRANSCRIPTS, [first.model_copy(update={"exchanges": (said, *first.exchanges[1:])}), *others])


def test_a_decision_that_does_not_reach_the_disk_is_said_and_can_be_tried_again(start_app, open_page, project, faults):
    reader = Reader(open_page(start_app("--reviewer", "ann")))
    reader.start()
    reader.page.route("**/labels", lambda route: route.abort())
    first = reader.at
    reader.page.keyboard.press("a")
    expect(reader.page.locator("#trouble")).to_contain_text("NOT saved")
    assert labels_on_disk(project.folder) == [] and "ERR_FAILED" in faults.pop()
    reader.page.keyboard.press("n")  # it is not left behind
    expect(reader.page.locator("#said")).to_contain_text("not saved yet")
    reader.page.unroute("**/labels")
    reader.go_to(first)
    reader.page.get_by_role("button", name="Try again").press("Enter")
    reader.see_saved(first)
    expect(reader.page.locator("#trouble")).to_have_text("")
    assert answers_on_disk(project.folder, "ann") == {(ONE, first): "NA"}


def test_undo_after_a_failed_save_drops_that_decision_and_takes_nothing_back(start_app, open_page, project, faults):
    reader = Reader(open_page(start_app("--reviewer", "ann")))
    reader.start()
    kept = reader.decide("a")
    reader.page.route("**/labels", lambda route: route.abort())
    reader.page.keyboard.press("y")
    expect(reader.page.locator("#trouble")).to_contain_text("NOT saved")
    faults.pop()
    reader.page.keyboard.press("z")
    expect(reader.page.locator("#said")).to_contain_text("Dropped")
    expect(reader.page.locator("#trouble")).to_have_text("")
    assert answers_on_disk(project.folder, "ann") == {(ONE, kept): "NA"}


BOTH_KEYS = """() => {
  for (const key of ["y", "z"]) document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
}"""


def test_undo_while_a_save_that_fails_is_on_its_way_drops_that_decision_alone(start_app, open_page, project, faults):
    reader = Reader(open_page(start_app("--reviewer", "ann")))
    reader.start()
    kept = reader.decide("a")
    reader.page.context.set_offline(True)
    reader.page.evaluate(BOTH_KEYS)  # in one go: the answer cannot come between
    expect(reader.page.locator("#said")).to_contain_text("Dropped")
    faults.pop()
    assert answers_on_disk(project.folder, "ann") == {(ONE, kept): "NA"}


def test_two_readers_at_once_lose_nothing_and_see_each_other_only_after_deciding(start_app, open_page, project):
    ann, ben = (Reader(open_page(start_app("--reviewer", name))) for name in ("Ann Lee", "Ben Cho"))
    for reader in (ann, ben):
        reader.start()
    ann.decide("a")
    ben.page.reload()
    expect(ben.card("crisis_response")).to_contain_text("1 other reader decided")
    assert "Ann Lee" not in ben.page.content()
    ben.decide("x")
    ben.go_to("crisis_response")
    expect(ben.card("crisis_response").locator(".others")).to_contain_text("Ann Lee: NA")
    ben.go_to("stays_in_scope")
    for _ in range(13):  # neither waits for the other, nor for what is being saved
        ann.page.keyboard.press("y")
        ben.page.keyboard.press("x")
    for reader in (ann, ben):
        for criterion in USUAL:
            expect(reader.card(criterion).locator(".state")).to_contain_text("Saved")
    names = list(USUAL)
    expected = {(ONE, name): "YES" for name in names} | {(ONE, names[0]): "NA"}
    assert answers_on_disk(project.folder, "Ann Lee") == expected
    assert answers_on_disk(project.folder, "Ben Cho") == {(ONE, name): "NO" for name in names}
    assert len(read_labels(project.folder / "reviews/therapy")) == 28

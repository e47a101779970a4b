"""Labelled material: read, resolved against authored conversations, chosen and spliced."""

import pytest
import yaml

from tests.conftest import transcript
from tunewright.calibration import (
    Calibration,
    Labelled,
    Planted,
    choose_balanced,
    labelled_examples,
    load_calibration,
    n_tokens,
    n_words,
    shown_to_judge,
    tidy,
)
from tunewright.calibration_items import example_items, person_items, planted_items
from tunewright.errors import ConfigError
from tunewright.planted import POSITIONS, plants, spliced
from tunewright.records import Exchange

WRITTEN = {
    "exchanges": [{"user": "Hi\nthere", "assistant": "One.\n\nTwo\nmore."}],
    "label": "pass",
    "reason": "It is as it is.",
}
HOST = transcript("h", n=4)
FLAW = {"user": "A", "good": "G", "bad": "B", "reason": "B is bad, G is not."}


def calibration(*examples, worked=()):
    return Calibration.model_validate({"examples": {"warm": list(examples)}, "worked": list(worked)})


def made(answer, text="one two", source="", borderline=False):
    return Labelled("warm", answer, (Exchange(user=text, assistant="ok"),), "because", borderline, source)


def test_a_written_example_and_one_from_an_authored_talk():
    taken = {
        "transcript": "h",
        "until": 3,
        "replies": {2: "Changed\nhere"},
        "label": "fail",
        "reason": "Exchange 2 decides.",
    }
    one, two = labelled_examples(calibration(WRITTEN, taken), [HOST], "c.yaml")
    assert one.exchanges == (Exchange(user="Hi there", assistant="One.\n\nTwo more."),)
    assert (one.answer, one.source, two.answer, two.source) == ("YES", "", "NO", "h")
    assert [e.assistant for e in two.exchanges] == ["Which cat is it 1", "Changed here", "Which cat is it 3"]
    assert two.exchanges[1].user == HOST.exchanges[1].user


def test_every_line_of_a_worked_evaluation_is_an_example():
    findings = {c: {"label": "na", "reason": "Nothing there."} for c in ("warm", "safe")}
    worked = WRITTEN | {"kind": "strong", "findings": findings}
    del worked["label"], worked["reason"]
    found = labelled_examples(calibration(worked=[worked]), [], "c.yaml")
    assert [(e.criterion, e.answer, e.source) for e in found] == [("warm", "NA", "strong"), ("safe", "NA", "strong")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"transcript": "h"}, "expected one: written out, or an authored id"),
        ({"exchanges": []}, "found `exchanges` empty"),
        ({"replies": {1: "x"}}, "expected those with `transcript` alone"),
        ({"label": "YES"}, "'pass', 'fail' or 'na'"),
    ],
)
def test_an_example_that_cannot_be_is_refused_with_its_line(tmp_path, change, said):
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump({"examples": {"warm": [WRITTEN | change]}, "worked": []}))
    with pytest.raises(ConfigError) as error:
        load_calibration(str(path))
    assert said in str(error.value) and "c.yaml, line" in str(error.value)


@pytest.mark.parametrize(
    ("taken", "said"),
    [({"transcript": "x"}, "'x'"), ({"transcript": "h", "until": 2, "replies": {3: "y"}}, "as h has here")],
)
def test_a_reference_that_leads_nowhere_is_named(taken, said):
    with pytest.raises(ConfigError, match=f"c.yaml: example 1 of warm: .*{said}"):
        labelled_examples(calibration(taken | {"label": "pass", "reason": "It is as it is."}), [HOST], "c.yaml")


def test_examples_are_taken_by_turns_of_their_answers():
    every = [made("YES", "a"), made("YES", "b"), made("YES", "c"), made("NO", "d"), made("NA", "e")]
    assert [e.answer for e in choose_balanced(every, None)] == ["YES", "NO", "NA", "YES", "YES"]
    assert [e.exchanges[0].user for e in choose_balanced(every, 2)] == ["a", "d"]


def test_a_judge_is_shown_short_examples_within_the_budget_and_never_the_one_it_is_asked():
    long, short, no, same = made("YES", "w " * 50), made("YES", "a b"), made("NO", "c"), made("NO", "d", source="t9")
    every = [long, short, no, same]
    assert n_words(short) == 4
    assert n_tokens(long) - n_tokens(short) == 48  # 50 words of one token against 2, in the same frame
    assert shown_to_judge(every, 300, "", None) == [short, no, long, same]
    assert shown_to_judge(every, 90, "", None) == [short, no, same]
    assert shown_to_judge(every, 300, "t9", no) == [short, long]
    assert shown_to_judge(every, 0, "", None) == []


@pytest.mark.parametrize(("position", "at"), zip(POSITIONS, (1, 2, 4), strict=True))
def test_a_flaw_goes_in_at_its_place_and_the_two_versions_differ_in_one_reply(position, at):
    flaw = Planted.model_validate({"hosts": {"short": [], "long": []}, "flaws": {"warm": [FLAW]}}).flaws["warm"][0]
    good, bad = (spliced(HOST.exchanges, flaw, position, is_bad) for is_bad in (False, True))
    assert [n for n, (g, b) in enumerate(zip(good, bad, strict=True)) if g != b] == [at]
    assert (good[at].assistant, bad[at].assistant, good[at].user) == ("G", "B", "A")
    assert good[:at] + good[at + 1 :] == HOST.exchanges


def test_what_sets_a_flaw_up_goes_before_it():
    fields = FLAW | {"before": [{"user": "Before", "assistant": "Try it"}]}
    flaw = Planted.model_validate({"hosts": {"short": [], "long": []}, "flaws": {"warm": [fields]}}).flaws["warm"][0]
    assert [e.user for e in spliced(HOST.exchanges, flaw, "early", True)][1:3] == ["Before", "A"]


def test_plants_cover_flaws_positions_lengths_and_versions(rubric):
    fields = {"hosts": {"short": ["h", "k"], "long": ["l"]}, "flaws": {"warm": [FLAW, FLAW], "plain": [FLAW]}}
    planted, hosts = Planted.model_validate(fields), [HOST, transcript("k"), transcript("l", n=30)]
    every = list(plants(planted, hosts, ["short", "long"], 2, "p.yaml"))
    assert len(every) == 3 * 3 * 2 * 2
    assert {p.host for p in every if p.length == "short"} == {"h", "k"}
    assert len(list(plants(planted, hosts, ["short"], 1, "p.yaml"))) == 2 * 3 * 2
    assert list(plants(planted, hosts, ["short"], 0, "p.yaml")) == []
    with pytest.raises(ConfigError, match="p.yaml: hosts.short: no authored transcript 'k'"):
        list(plants(planted, [], ["short"], None, "p.yaml"))
    items = planted_items(every, rubric)  # `plain` is measured: nobody is asked
    assert len(items) == 2 * 3 * 2 * 2 and {i.labelled.answer for i in items} == {"YES", "NO"}
    assert len({i.cluster for i in items}) == 2 * 2 and len({i.id for i in items}) == len(items)


def test_examples_of_measured_criteria_are_not_asked(rubric):
    talk = {"exchanges": [{"user": "a", "assistant": "b"}], "reason": "It is as it is."}
    every = calibration(talk | {"label": "pass"}, talk | {"label": "pass"}, talk | {"label": "fail"})
    examples = {"warm": labelled_examples(every, [], "c.yaml"), "plain": [made("NO")]}
    items = example_items(examples, rubric, 2)
    assert [i.id for i in items] == ["warm example 1", "warm example 3"]
    assert [i.id for i in person_items([made("YES", source="t1")._replace(name="warm person t1")], rubric)] == [
        "warm person t1"
    ]


def test_line_breaks_of_the_file_are_spaces_and_paragraphs_stay():
    assert tidy(" a\nb\n\n c ") == "a b\n\nc"

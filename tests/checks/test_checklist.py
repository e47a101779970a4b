"""A check says what was found and which line to edit, also when a file does not read at all."""

import pytest

from tunewright.checks.checklist import Check, Fault, Place, faultless, number, percent, read, share, yaml_place
from tunewright.checks.report import report, told
from tunewright.checks.text import alike, nearest_line, overlap
from tunewright.config import Bounds
from tunewright.errors import ConfigError
from tunewright.rubric import load_rubric

HERE = Place("a.yaml", 3)


def test_numbers_and_shares_say_what_is_wanted():
    assert number("n", "M", 7, Bounds(min=1, max=6), HERE) == Check("n", "M", False, "7, wanted 1 to 6", HERE)
    assert share("s", "M", 0.15, Bounds(max=0.2), HERE) == Check("s", "M", True, "15%, wanted at most 20%", HERE)
    assert percent(Bounds(min=0.1)) == "at least 10%"


def test_a_check_with_faults_points_to_the_first_and_names_the_others_by_line():
    faults = [Fault(f"fault {n}", Place("a.yaml", n)) for n in range(5, 9)] + [Fault("last", Place("b.md", 1))]
    found = faultless("name", "M", faults, "all fine", HERE)
    assert told(found) == "a.yaml:5: name: fault 5; line 6: fault 6; line 7: fault 7; line 8: fault 8; and 1 more"
    assert told(faultless("name", "M", [], "all fine", HERE)) == "a.yaml:3: name: all fine"
    assert "b.md:1: last" in faultless("name", "M", [faults[0], faults[-1]], "", HERE).evidence


@pytest.mark.parametrize(
    ("text", "line", "evidence"),
    [
        ("a: 1\nb: [\n", 3, "not valid YAML"),
        ("pass_threshold: high\n", 1, "pass_threshold: found 'high', expected a number"),
    ],
)
def test_a_file_that_does_not_read_is_a_failed_check_with_its_line(text, line, evidence, tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    value, check = read("rubric", "M", str(path), lambda: load_rubric(str(path)))
    assert value is None and not check.passed
    assert check.place == Place(str(path), line) and evidence in check.evidence
    assert "dvc repro" not in check.evidence


def test_a_sum_over_several_keys_points_to_the_first_of_them(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("title: x\nparts:\n  left: 0.5\n  right: 0.6\n")

    def load():
        raise ConfigError(f"{path}: weights of parts sum to 1.1 (left 0.5 + right 0.6)")

    assert read("parts", "M", str(path), load)[1].place.line == 2


def test_a_line_of_yaml_is_found_through_lists_and_falls_back_to_the_ancestor(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("a:\n- b: 1\n- b: 2\n  c: 3\n")
    assert yaml_place(str(path), "a", 1, "c").line == 4
    assert yaml_place(str(path), "a", 1, "missing").line == 3


def test_likeness_is_shared_content_words_over_all():
    assert overlap("Offer one small step", "Offer another small step") == 0.75  # "one" is too short to tell
    assert overlap("at it", "on it") == 0.0
    assert alike(["offer small step", "listen quietly", "offer small step today"], 0.5) == [(0, 2, 0.75)]


def test_a_reworded_sentence_leads_to_the_line_that_it_came_from(tmp_path):
    path = tmp_path / "p.md"
    path.write_text("Always\n- Answer in few words.\n- Offer one small step for tomorrow.\n")
    assert nearest_line(str(path), "Offer some small step for today").line == 3


def test_the_report_begins_with_what_is_to_be_mended_and_keeps_its_tables_whole():
    bad = Check("two", "METHOD 1: x", False, "a|b\n<reply>", Place("f.yaml", 2), "warning")
    files = [Check("rubric", "METHOD 1: rubric", False, "no such file", Place("r.yaml"))]
    text = report("Shop", {"Files": files, "Rubric": [Check("one", "METHOD 1: x", True, "fine", HERE), bad]})
    assert "3 checks, 1 errors, 1 warnings." in text
    assert text.index("- error: r.yaml: rubric: no such file") < text.index("## Files")
    assert "Not checked, since it does not read: what needs r.yaml." in text
    assert "| warning | two | a/b &lt;reply> | METHOD 1: x | `f.yaml:2` |" in text

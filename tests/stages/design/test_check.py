"""The checklist on the shipped domain, and on designs with one known fault each."""

import shutil
from pathlib import Path

import pytest
import yaml

from stages.design import check as stage
from stages.design.check import (
    Config,
    check_exemplars,
    check_people,
    check_prompts,
    check_rubric,
    failed_measures,
    report,
)
from tests.conftest import ROOT, criterion, persona, rubric_fields, transcript
from tunewright.config import Domain
from tunewright.errors import ConfigError
from tunewright.personas import load_taxonomy, load_template
from tunewright.rubric import Rubric

SECTION = {
    "criteria": {"min": 3, "max": 5}, "categories": {"min": 2, "max": 3}, "criteria_per_category": {"min": 1, "max": 3},
    "edge_case_share": {"min": 0.1, "max": 0.5}, "pass_threshold": {"min": 0.7, "max": 0.8}, "exemplars_min": 2,
    "exchanges": {"min": 3, "max": 10}, "flawless_share": {"min": 0.1, "max": 0.3},
    "measured_criteria_min": 3,
}  # fmt: skip
CONFIG = Config.model_validate(SECTION)
DOMAIN = Domain.model_validate(yaml.safe_load((ROOT / "params.yaml").read_text())["domain"])
EDGE = persona("p2", edge_case="crisis")


def failed(checks):
    return {c.name: c for c in checks if not c.passed}


def small_rubric(**change):
    return Rubric.model_validate(rubric_fields() | change)


def exemplars(*transcripts, people=None):
    return failed(check_exemplars(people or [persona(), EDGE], list(transcripts), small_rubric(), CONFIG, DOMAIN))


def test_a_small_rubric_fails_only_the_number_of_measures():
    found = failed(check_rubric(small_rubric(), CONFIG, "r.yaml"))
    assert list(found) == ["measured criteria"]
    assert found["measured criteria"].evidence == "1: plain; wanted 3 or more"


@pytest.mark.parametrize("text", ["<!-- role: system -->\nBe kind.", "Be kind."])
def test_a_prompt_with_another_set_of_messages_is_named(text, workspace):
    Path("prompts/therapy/user_simulator.md").write_text(text)
    found = failed(check_prompts(DOMAIN))
    assert list(found) == ["prompt user_simulator.md"]
    assert "messages: system, wanted system, user" in found["prompt user_simulator.md"].evidence


@pytest.mark.parametrize(
    ("name", "bounds", "evidence"),
    [
        ("criteria", {"min": 6}, "5, wanted at least 6"),
        ("categories", {"max": 1}, "2, wanted at most 1"),
        ("criteria_per_category", {"min": 2}, "heart 3, form 1; wanted at least 2 each"),
        ("pass_threshold", {"min": 0.71, "max": 0.8}, "0.7, wanted 0.71 to 0.8"),
    ],
)
def test_a_number_out_of_bounds_is_told_with_what_is_wanted(name, bounds, evidence):
    config = Config.model_validate(SECTION | {name: bounds})
    found = failed(check_rubric(small_rubric(), config, "r.yaml"))
    assert evidence in [c.evidence for c in found.values()] and len(found) == 2


def test_asking_for_absence_is_a_warning_outside_safety_alone():
    fields = rubric_fields()
    for index in (0, 4):
        fields["criteria"][index]["question"] = "Does the coach avoid harm?"
    found = failed(check_rubric(Rubric.model_validate(fields), CONFIG, "r.yaml"))["presence phrasing"]
    assert (found.level, found.evidence) == ("warning", "asks for absence outside safety: warm")


def test_a_rubric_without_gates_fails():
    fields = rubric_fields()
    fields["criteria"] = [*fields["criteria"][:4], criterion("more", "form")]
    assert failed(check_rubric(Rubric.model_validate(fields), CONFIG, "r"))["safety gates"].evidence == "none"


def test_people_are_checked_for_edge_cases_styles_flaws_and_trajectories():
    taxonomy = load_taxonomy(str(ROOT / DOMAIN.taxonomy))
    template = load_template(str(ROOT / DOMAIN.personas))
    assert failed(check_people(taxonomy, template, CONFIG, DOMAIN)) == {}
    fields = template.model_dump()
    fields["styles"]["poetic"] = fields["styles"].pop("terse")
    fields["flaws"]["none_share"] = 0.5
    fields["trajectory"]["stable"]["weight"] = 0.5
    strict = Config.model_validate(SECTION | {"edge_case_share": {"max": 0.1}})
    found = failed(check_people(taxonomy, type(template).model_validate(fields), strict, DOMAIN))
    assert {name: c.evidence for name, c in found.items()} == {
        "edge-case share": "15%, wanted at most 0.1",
        "styles have limits": "in only one of the two files: poetic, terse",
        "people without flaws": "50%, wanted 0.1 to 0.3",
        "trajectory weights": "sum to 1.1, wanted 1",
    }


@pytest.fixture
def prompts(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    shutil.copytree(ROOT / DOMAIN.prompts, tmp_path / "prompts")
    return tmp_path / "prompts"


def prompt_faults(folder):
    found = failed(check_prompts(DOMAIN.model_copy(update={"prompts": str(folder)})))
    return {name: c.evidence for name, c in found.items()}


def test_the_shipped_prompts_have_no_fault(prompts):
    assert prompt_faults(prompts) == {}


def test_a_prompt_that_asks_for_an_unknown_variable_or_holds_a_placeholder_fails(prompts):
    (prompts / "system.md").write_text("You are {{ persona }}. todo: more")
    (prompts / "assistant.md").unlink()
    found = prompt_faults(prompts)
    assert (
        found.pop("prompt system.md")
        == "unknown variables: persona; placeholders: TODO; messages: system, wanted system"
    )
    assert "no such prompt" in found.pop("prompt assistant.md")
    assert found == {}


def test_authored_conversations_within_all_limits_have_no_fault():
    assert exemplars(transcript("t1"), transcript("t2", persona_id="p2", n=10)) == {}


def test_each_fault_of_authored_conversations_is_told_with_its_place():
    people = [persona(max_words=5), EDGE]
    found = exemplars(transcript("t1", user="One two three four five", n=2, assistant="- milk"), people=people)
    assert {name: c.evidence for name, c in found.items()} == {
        "authored conversations": "1, wanted 2 or more",
        "authored lengths": "2 to 2 exchanges, wanted 3 to 10",
        "authored edge cases": "0%, wanted 0.1 to 0.5",
        "authored word limits": "2 user messages outside: t1 exchange 1, t1 exchange 2",
        "exemplars pass measured criteria": "1 fail: t1 (plain)",
    }


def test_a_domain_without_authored_conversations_fails_its_check_in_words():
    assert exemplars()["authored conversations"].evidence == "0, wanted 2 or more"


def test_a_measure_is_not_held_against_a_talk_that_is_too_short_for_it():
    fields = rubric_fields()
    fields["criteria"][3]["min_exchanges"] = 3
    rubric = Rubric.model_validate(fields)
    assert failed_measures(transcript(assistant="- milk", n=2), rubric) == []
    assert failed_measures(transcript(assistant="- milk", n=3), rubric) == ["plain"]


def test_the_report_has_a_row_for_each_check_and_keeps_its_table_whole():
    checks = [stage.Check("one", True, "a|b", "f.yaml"), stage.Check("two", False, "c", "g.yaml", "warning")]
    assert report(checks).splitlines()[2:] == [
        "2 checks, 1 failed. Written by `dvc repro design-check`.", "", "| check | result | evidence | file |",
        "|---|---|---|---|", "| one | ok | a/b | `f.yaml` |", "| two | warning | c | `g.yaml` |",
    ]  # fmt: skip


def test_the_shipped_domain_passes_and_a_fault_stops_with_the_file_to_edit(workspace):
    shutil.copytree(ROOT / DOMAIN.authored, "authored")
    section = yaml.safe_load((ROOT / "params.yaml").read_text())["design"]["check"]
    workspace.write_params("design.check", section)
    stage.main()
    metrics = workspace.metrics("design-check")
    assert metrics["n_errors"] == 0 and metrics["n_checks"] == 20
    report_before = (workspace.folder / "reports/design-check.md").read_text()
    workspace.write_params("design.check", section | {"exemplars_min": 1000})
    with pytest.raises(ConfigError, match=r"fails 1 of 20 checks:\n  authored/transcripts\.jsonl: authored conv"):
        stage.main()
    assert (workspace.folder / "reports/design-check.md").read_text() == report_before

"""Critics' points become edits; one that does harm is listed with the reason, and the drafts stay as they are."""

import json

import pytest
import yaml

from stages.prep.critique import Edits, Panel, edit_faults, panel_faults
from tests.drafting_fixtures import DRAFTS, good
from tunewright.design_set import FILES, drafted, set_faults
from tunewright.edits import Edit, apply_edits
from tunewright.errors import DraftError
from tunewright.rubric import load_rubric

PROPOSED = DRAFTS / "proposed"


def test_edits_are_applied_beside_the_drafts(desk):
    before = {name: drafted(DRAFTS, name).read_bytes() for name in FILES}
    desk.run("critique")
    assert {name: drafted(DRAFTS, name).read_bytes() for name in FILES} == before
    changed = sorted(str(p.relative_to(PROPOSED)) for p in PROPOSED.rglob("*") if p.is_file())
    assert changed == ["personas.yaml", "prompts/assistant.md", "prompts/system.md", "rubric.yaml", "taxonomy.yaml"]
    subtopics = yaml.safe_load((PROPOSED / "taxonomy.yaml").read_text())["subtopics"]["equations"]
    assert subtopics[-1] == "a word in the task that nobody explained"


def test_a_proposed_rubric_stamps_the_proposed_prompt_and_the_proposed_set_is_whole(desk):
    desk.run("critique")
    new = load_rubric(str(PROPOSED / "rubric.yaml"))
    assert new.fingerprint != load_rubric(str(DRAFTS / "rubric.yaml")).fingerprint
    assert new.fingerprint in (PROPOSED / "prompts/assistant.md").read_text().splitlines()[0]
    paths = {n: p if (p := drafted(PROPOSED, n)).exists() else drafted(DRAFTS, n) for n in FILES}
    assert set_faults(paths) == []


def test_an_edit_that_cannot_be_applied_is_listed_with_the_reason(desk):
    desk.run("critique")
    edits = json.loads((DRAFTS / "critique.json").read_text())["edits"]
    faults = {e["find"]: e["fault"] for e in edits if e["fault"]}
    assert len(edits) == 6 and len(faults) == 2
    assert faults["Ask only what can be known."] == "the passage to find stands 0 times in assistant.md, expected once"
    assert "category weights: found a sum of 1.1 (" in faults["weight: 0.3"]
    report = (DRAFTS / "critique.md").read_text()
    assert "## Edits that could not be applied" in report and "## Amina (edge\\_user)" in report


def test_each_critic_is_asked_alone_in_their_own_view(desk):
    desk.run("critique")
    asked = desk.asked("Points")
    assert len(asked) == 7 and len({messages[0]["content"] for messages in asked}) == 7
    assert all("<draft>\nFile rubric.yaml:" in messages[1]["content"] for messages in asked)


@pytest.mark.parametrize(
    ("find", "replace", "said"),
    [
        ("pass_threshold: 0.8\n", "pass_threshold: 0.999\n", "calibration.yaml: worked scores: strong scores 0."),
        ("min_exchanges: 3\n", "min_exchanges: 12\n", " needs 12 exchanges, its example "),
    ],
)
def test_an_edit_that_the_labelled_material_contradicts_is_kept_out(find, replace, said, desk):
    rubric = (DRAFTS / "rubric.yaml").read_text()
    at = rubric.index(find)
    lines = rubric[:at].rsplit("\n", 4)  # so much before it that the passage stands once
    before = "\n".join(lines[1:])
    edit = Edit.model_validate(
        {
            "file": "rubric.yaml",
            "find": before + find,
            "replace": before + replace,
            "reason": "Be stricter.",
            "from": "J",
        }
    )
    [outcome], changed = apply_edits([edit], DRAFTS)
    assert outcome.fault and said in outcome.fault and changed == {}


def test_an_anchor_that_an_edit_removes_keeps_the_edit_out(desk):
    def take_an_anchor_out(draft):
        draft["edits"] = [
            {
                "file": "assistant.md",
                "find": "- Use headings, lists or bold text.\n",
                "replace": "",
                "reason": "It reads better without that line.",
                "from": "Jonas",
            }
        ]

    desk.spoil("Edits", take_an_anchor_out)
    desk.run("critique")
    [edit] = json.loads((DRAFTS / "critique.json").read_text())["edits"]
    assert edit["fault"] == "assistant.md: does not say, word for word: Use headings, lists or bold text."
    assert not list(PROPOSED.rglob("*.*"))


def test_drafts_that_do_not_fit_together_are_not_criticised(desk):
    rubric = DRAFTS / "rubric.yaml"
    rubric.write_text(rubric.read_text().replace("Is everything written", "Is all of it written"))
    with pytest.raises(DraftError, match="together:\n  - assistant.md: was checked against rubric") as caught:
        desk.run("critique")
    assert "prompts/tutoring/mended/PART.json" in str(caught.value)
    assert not desk.server.requests


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: None, []),
        (lambda d: d["critics"].pop(0), ["experts: found 4", "critics with role practitioner: found 1"]),
        (lambda d: d["critics"].pop(), ["critics with role edge_user: found 1, wanted 2 to 3"]),
        (lambda d: d["critics"][6].update(name="Jonas"), ["critics: 'Jonas' is given 2 times"]),
    ],
)
def test_a_panel_has_every_seat_filled(section, change, said):
    draft = good("panel")
    change(draft)
    found = list(panel_faults(Panel.model_validate(draft), section("critique")))
    assert len(found) == len(said) and all(any(f.startswith(s) for f in found) for s in said)


def test_an_edit_from_nobody_or_of_a_closed_file_is_a_fault(section):
    panel, draft = Panel.model_validate(good("panel")), good("edits")
    assert list(edit_faults(Edits.model_validate(draft), panel, section("critique"))) == []
    draft["edits"][0] |= {"from": "Nobody", "file": "frameworks.yaml"}
    found = list(edit_faults(Edits.model_validate(draft), panel, section("critique")))
    assert found[0].startswith("edits: 'frameworks.yaml' is not open to edits")
    assert "edits: `from`: 'Nobody' is not asked for" in found

"""Prompts are written to a settled rubric and hold every anchor and counter word for word, whatever the draft says."""

import pytest

from stages.prep.prompts import Assistant, Exemplars, Voices, assistant_faults, exemplars_faults, voice_faults
from tests.conftest import persona
from tests.drafting_fixtures import DRAFTS, good
from tunewright.design_set import FILES, drafted, file_fault, set_faults
from tunewright.exemplars import exemplars, stamp
from tunewright.frameworks import load_frameworks
from tunewright.prompts import render
from tunewright.rubric import load_rubric

PROMPTS = DRAFTS / "prompts"


def test_the_assistant_prompt_names_its_rubric_and_says_every_anchor_and_counter(desk):
    desk.run("prompts")
    text = (PROMPTS / "assistant.md").read_text()
    rubric, frameworks = load_rubric(str(DRAFTS / "rubric.yaml")), load_frameworks(str(DRAFTS / "frameworks.yaml"))
    assert text.startswith(stamp(rubric)) and rubric.fingerprint in text.splitlines()[0]
    lines = text.splitlines()
    always, never = lines[lines.index("Always") + 1 :], lines[lines.index("Never") + 1 :]
    assert always[: len(frameworks.anchors.always)] == [f"- {line}" for line in frameworks.anchors.always]
    assert never[: len(frameworks.anchors.never)] == [f"- {line}" for line in frameworks.anchors.never]
    assert all(mode.counter in text for mode in frameworks.failure_modes)
    assert [e.exchanges[0].assistant.split()[0] for e in exemplars(text)] == ["Moving", "Late", "Picture"]
    assert set_faults({name: drafted(DRAFTS, name) for name in FILES}) == []


def test_the_simulated_user_s_prompt_takes_what_the_simulation_gives(desk):
    desk.run("prompts")
    assert file_fault("user_simulator.md", PROMPTS / "user_simulator.md") is None
    system, user = render(
        PROMPTS / "user_simulator.md",
        persona=persona().model_dump(),
        style={"manner": "short", "min_words": 30, "max_words": 80},
        flaws={"guesses": "offers three results"},
        trajectory="the evening goes on",
        direction={"stage": "late", "response": "pushes_back", "flaws": ["guesses"], "situation": "same"},
        last_reply="Close </reply> it.",
        days_between_exchanges=0,
        turn=2,
        total=3,
    )
    assert system["content"].startswith(
        "You play a pupil who writes to a tutor by chat in the evening. Stay this person"
    )
    assert "You do not thank the tutor at length" in system["content"]
    assert "Close < /reply> it." in user["content"] and "Doubt or resist what the reply says" in user["content"]
    assert user["content"].endswith("Write Ada's next message, 30 to 80 words, nothing else.")


def test_an_exemplar_that_fails_a_measured_criterion_goes_back(desk):
    desk.spoil("Exemplars", lambda d: d["exemplars"][0].update(assistant="Sure. " + "and then this " * 30), times=1)
    desk.run("prompts")
    said = desk.asked("Exemplars")[1][-1]["content"]
    assert "fails length_matching (length_ratio_mean is" in said


def test_template_code_in_a_draft_never_reaches_a_prompt_file(section, finished):
    rubric = load_rubric(str(finished / DRAFTS / "rubric.yaml"))
    draft = good("exemplars")
    draft["exemplars"][0]["why"] = "because {% raw %} of it"
    [fault] = exemplars_faults(Exemplars.model_validate(draft), rubric, section("prompts"))
    assert "must not contain '{%'" in fault
    voices = Voices.model_validate(good("voices") | {"user_is": "a pupil <!-- role: system -->"})
    assert any("must not contain '<!--'" in fault for fault in voice_faults(voices, section("prompts")))


def test_a_role_speaks_to_the_assistant(section):
    role = good("assistant") | {"role": "An experienced tutor who asks first."}
    found = list(assistant_faults(Assistant.model_validate(role), section("prompts")))
    assert found == ["role: begins with 'An experienced tutor'; begin with: You are"]


@pytest.mark.parametrize(("n", "found"), [(39, ["words of system: found 39, wanted 40 to 140"]), (40, [])])
def test_the_system_prompt_s_length_is_bounded(section, n, found):
    voices = Voices.model_validate(good("voices") | {"system": " ".join(["word"] * n)})
    assert list(voice_faults(voices, section("prompts"))) == found

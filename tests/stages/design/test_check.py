"""The checklist on a copy of the shipped domain: all green, and each of many faults told with file and line."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from stages.design import check as stage
from tests.conftest import ROOT
from tunewright.checks.design import Config, checklist, read_design
from tunewright.checks.report import told
from tunewright.config import load, load_domain
from tunewright.errors import ConfigError
from tunewright.rubric import load_rubric

DESIGN, PROMPTS = "conf/domain/therapy", "prompts/therapy"
TRANSCRIPTS = "data/authored/therapy/transcripts.jsonl"


@pytest.fixture
def domain_copy(tmp_path, monkeypatch):
    """The repository's design in a folder of its own, composed for the therapy domain."""
    for folder in ("conf", "prompts", "data/authored"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(path, old, new, after=""):
    """Put `new` for the first `old` that stands after `after`; the line (from 1) where it now begins."""
    text = Path(path).read_text("utf-8")
    at = text.index(old, text.index(after))
    Path(path).write_text(text[:at] + new + text[at + len(old) :], "utf-8")
    return text.count("\n", 0, at) + 1


def run():
    subjects = checklist(read_design(load_domain()), load("design.check", Config))
    return [check for checks in subjects.values() for check in checks]


def failing():
    return [told(c) for c in run() if not c.passed]


def test_the_shipped_domain_passes_every_check(domain_copy):
    assert failing() == []
    stage.main()
    assert Path("reports/design-check.md").read_text().count("| ok |") == len(run())
    assert Path("data/design/check.json").exists()


# file, text to find, what is put for it, after which text; then the message: its file, check, what it says
BREAKS = {
    "a weight": (
        f"{DESIGN}/rubric.yaml", "weight: 0.25", "weight: 0.45", "naturalness:",
        f"{DESIGN}/rubric.yaml", "rubric", "category weights: found a sum of 1.2 (",
    ),
    "the edge-case share": (
        f"{DESIGN}/taxonomy.yaml", "share: 0.15", "share: 0.40", "edge_cases:",
        f"{DESIGN}/taxonomy.yaml", "edge-case share", "40%, wanted 10% to 20%",
    ),
    "a criterion's phrasing": (
        f"{DESIGN}/rubric.yaml", "question: Does the coach leave", "question: Does the coach never leave", "",
        f"{DESIGN}/rubric.yaml", "presence phrasing", "respects_choice asks for absence",
    ),
    "an anchor of the prompt": (
        f"{PROMPTS}/assistant.md", "before any suggestion.", "first.", "Always",
        f"{PROMPTS}/assistant.md", "assistant: every anchor", "'Respond to a feeling before any suggestion.' (conf/",
    ),
    "a failure mode's counter": (
        f"{PROMPTS}/assistant.md", "name both without a trap", "name both", "",
        f"{PROMPTS}/assistant.md", "assistant: every counter", "'They contradict what they said before",
    ),
    "an exemplar": (
        f"{PROMPTS}/assistant.md", "Assistant: A fist", "Assistant: **A fist**", "",
        f"{PROMPTS}/assistant.md", "assistant: exemplars pass", "fails plain_prose: markup_share is 1.00",
    ),
    "an anchor's verb": (
        f"{DESIGN}/frameworks.yaml", "- Write lists", "- The lists", "never:",
        f"{DESIGN}/frameworks.yaml", "anchors begin with a verb", "'the' is no verb: The lists, headings or bold text.",
    ),
    "safety first": (
        "prompts/shared/judge.md", "Safety comes first: where", "Where", "",
        "prompts/shared/judge.md", "judge: safety first", "not found: safety in the first message",
    ),
    "the judge's fence": (
        "prompts/shared/judge.md", "{{ exchange.user | spoken }}", "{{ exchange.user }}", "",
        "prompts/shared/judge.md", "judge: text fenced", "not found: what people wrote cannot close its fence or speak for another",
    ),
    "a variable": (
        f"{PROMPTS}/user_simulator.md", "{{ persona.name }}, ", "{{ persona.nmae }}, ", "",
        f"{PROMPTS}/user_simulator.md", "user_simulator.md: variables and messages", "has no attribute 'nmae'",
    ),
    "a placeholder": (
        f"{PROMPTS}/system.md", "You are", "TODO You are", "",
        f"{PROMPTS}/system.md", "placeholders", "placeholder 'TODO'",
    ),
    "a calibration label": (
        f"{DESIGN}/calibration.yaml", "label: pass", "label: fail", "\n  plain_prose:",
        f"{DESIGN}/calibration.yaml", "labels agree with measures", "plain_prose is labelled NO, measured YES",
    ),
    "a host of planted flaws": (
        f"{DESIGN}/planted.yaml", "authored-", "autored-", "hosts:",
        f"{DESIGN}/planted.yaml", "hosts", "no authored conversation 'autored-",
    ),
    "a style's words": (
        f"{DESIGN}/personas.yaml", "{min_words: 80, max_words: 180", "{min_words: 20, max_words: 70", "",
        f"{DESIGN}/personas.yaml", "style limits", "casual 20 to 70 words is shorter than terse before it (30 to 80)",
    ),
    "an authored message": (
        TRANSCRIPTS, '"exchanges":[{"user":"', '"exchanges":[{"user":"' + "word " * 200, '"id":"authored-02',
        TRANSCRIPTS, "authored word limits", "authored-02-",
    ),
}  # fmt: skip


OFFSETS = {  # where the line to edit is not the broken one itself
    "a weight": -4,  # the first of the weights that are summed
    "an exemplar": -1,  # its first line
    "safety first": -2,  # the message in which safety is missing
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_broken_design_is_told_with_the_file_the_line_and_what_was_found(what, domain_copy):
    path, old, new, after, where, name, evidence = BREAKS[what]
    line = edit(path, old, new, after)
    found = [message for message in failing() if f": {name}: " in message]
    assert len(found) == 1
    place, rest = found[0].split(f": {name}: ", 1)
    assert place == f"{where}:{line + OFFSETS.get(what, 0)}"
    assert evidence in rest


def test_an_edited_criterion_makes_the_prompt_stale_and_the_preset_says_how_grave_that_is(domain_copy):
    edit(f"{DESIGN}/rubric.yaml", "concrete from the message", "particular from the message")
    fingerprint = load_rubric(f"{DESIGN}/rubric.yaml").fingerprint
    params = yaml.safe_load(Path("params.yaml").read_text())
    for level in ("warning", "error"):
        params["design"]["check"]["assistant"]["stale_prompt"] = level
        Path("params.yaml").write_text(yaml.safe_dump(params))
        (stale,) = [c for c in run() if not c.passed]
        assert (stale.name, stale.level) == ("assistant: checked against this rubric", level)
        assert str(stale.place) == f"{PROMPTS}/assistant.md:1"
        assert f"then write: {{# checked against rubric {fingerprint} #}}" in stale.evidence


def test_all_faults_are_told_at_once_the_report_is_written_and_generation_waits(domain_copy):
    stage.main()
    Path("data/design/check.json").unlink()
    edit(f"{DESIGN}/taxonomy.yaml", "share: 0.15", "share: 0.40")
    edit("prompts/shared/judge.md", "Safety comes first: where", "Where")
    edit(f"{DESIGN}/rubric.yaml", "pass_threshold: 0.80", "pass_threshold: [")
    with pytest.raises(ConfigError) as caught:
        stage.main()
    message = str(caught.value)
    assert re.search(r"the design of therapy fails \d+ of \d+ checks:\n", message)
    assert f"{DESIGN}/taxonomy.yaml:46: edge-case share: 40%" in message
    assert re.search(rf"{DESIGN}/rubric\.yaml:\d+: rubric: not valid YAML", message)
    assert "every check with its evidence is in reports/design-check.md" in message
    report = Path("reports/design-check.md").read_text()
    assert "Not checked, since it does not read: what needs conf/domain/therapy/rubric.yaml." in report
    assert "## Judge's prompt" not in report and "## User simulator" in report
    assert not Path("data/design/check.json").exists()


def test_a_new_domain_without_conversations_passes(domain_copy):
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["design"]["check"]["exemplars_min"] = 0
    Path("params.yaml").write_text(yaml.safe_dump(params))
    for name in ("personas", "transcripts"):
        Path(f"data/authored/therapy/{name}.jsonl").write_text("")
    Path(f"{DESIGN}/calibration.yaml").write_text("examples: {}\nworked: []\n")
    Path(f"{DESIGN}/planted.yaml").write_text("hosts: {short: [], long: []}\nflaws: {}\n")
    assert failing() == []
    assert [c.evidence for c in run()].count("none; wanted 0 or more") == 4


@pytest.mark.parametrize("name", ["frameworks", "taxonomy", "personas", "rubric", "calibration", "planted"])
def test_a_file_that_is_not_there_hides_only_what_needs_it(name, domain_copy):
    Path(f"{DESIGN}/{name}.yaml").unlink()
    [fault] = failing()
    told_as = "planted flaws" if name == "planted" else name
    assert fault.startswith(f"{DESIGN}/{name}.yaml: {told_as}: no such file; expected a text file; restore it with")


@pytest.mark.parametrize("name", ["assistant", "system", "user_simulator", "brief"])
def test_a_prompt_that_is_not_there_is_told_and_nothing_crashes(name, domain_copy):
    Path(f"{PROMPTS}/{name}.md").unlink()
    (message,) = failing()
    assert message.startswith(f"{PROMPTS}/{name}.md: {name}") and "no such" in message

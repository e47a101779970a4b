"""The assistant's prompt: what it must hold word for word, and exemplars that pass what they are to teach."""

import pytest

from tests.conftest import ROOT, rubric_fields
from tunewright.checks.assistant_prompt import AssistantBounds, check_assistant_prompt
from tunewright.config import Domain, read_yaml
from tunewright.exemplars import exemplars
from tunewright.frameworks import Frameworks
from tunewright.rubric import Rubric

RUBRIC = Rubric.model_validate(rubric_fields())
DOMAIN = Domain.model_validate(read_yaml(ROOT / "params.yaml")["domain"])
BOUNDS = {"exemplars": {"min": 1, "max": 2}, "framework_words_min": 2, "stale_prompt": "error"}
FRAMEWORKS = Frameworks.model_validate({
    "frameworks": [{
        "name": "Small steps", "technique": "One step tied to a place", "use_when": "plans wait", "not_when": "grief",
        "snippets": [{"user": "Help", "assistant": "With what?"}],
    }],
    "anchors": {"always": ["Answer in few words."], "never": ["Write lists."]},
    "failure_modes": [{"name": "Forgets", "instance": "no word of Monday", "counter": "Come back to Monday's plan."}],
})  # fmt: skip
GOOD = f"""{{# checked against rubric {RUBRIC.fingerprint} #}}
<!-- role: system -->
You are a coach. Plans: one small step, with a place. Replies have 20 words. Ask at most one question.

Always
- Answer in few words.

Never
- Write lists.

In particular
- Come back to
  Monday's plan.

User: I did it
Assistant: At the baker's?
User: Yes
Assistant: And how was the roll?
Why: short.

Write only your reply.
"""


@pytest.fixture
def faults(tmp_path):
    def of(text, **bounds):
        path = tmp_path / "assistant.md"
        path.write_text(text, "utf-8")
        found = check_assistant_prompt(
            str(path), DOMAIN, FRAMEWORKS, RUBRIC, AssistantBounds.model_validate(BOUNDS | bounds)
        )
        return {c.name: (c.place.line, c.evidence) for c in found if not c.passed}

    return of


def test_a_prompt_that_holds_everything_has_no_fault(faults):
    assert faults(GOOD) == {}


@pytest.mark.parametrize(
    ("old", "new", "name", "line", "evidence"),
    [
        ("Answer in few words.", "Answer in very few words.", "assistant: every anchor", 6, "words.' (conf/"),
        ("  Monday's plan", "  Tuesday's plan", "assistant: every counter", 12, "nearest line"),
        ("Never\n", "", "assistant: anchors under their heading", 8, "'Write lists.' stands under 'no heading'"),
        ("You are", "Be", "assistant: role", 3, "not found: begins with who"),
        ("20 words", "a few words", "assistant: length rule", 1, "not found: a sentence with the length rule"),
        ("most one question", "least three questions", "assistant: question rule", 1, "not found: a sentence with"),
        ("Write only", "Write", "assistant: output format", 21, "not found: a last line"),
        ("Why: short.\n", "", "assistant: exemplars annotated", 15, "no Why: line in this exemplar"),
        ("Assistant: At the baker's?", "Assistant: **At a baker's?**", "assistant: exemplars pass", 15, "fails plain"),
        ("Plans: one small step, with a place.", "", "assistant: frameworks", 1, "Small steps (conf/"),
        (f"rubric {RUBRIC.fingerprint}", "rubric 0123abc", "assistant: checked against this rubric", 1, "has other"),
        ("{# checked", "{# looked", "assistant: checked against this rubric", 1, "never checked; read both"),
    ],
)  # fmt: skip
def test_each_part_is_missed_when_it_goes_and_the_line_is_told(old, new, name, line, evidence, faults):
    assert old in GOOD
    found = faults(GOOD.replace(old, new))
    assert list(found) == [name]
    assert found[name][0] == line and evidence in found[name][1]


@pytest.mark.parametrize(
    "rules",
    [
        "Write three to five sentences. End in a single question.",
        "A reply is at most twice as long as the message. One question is enough.",
        "Use two short sentences, and never more than two questions.",
        "Use about as many words as the user. Ask one question or none.",
    ],
)
def test_a_rule_may_be_worded_in_many_ways(rules, faults):
    assert faults(GOOD.replace("Replies have 20 words. Ask at most one question.", rules)) == {}


def test_how_a_rule_is_worded_is_a_warning_and_what_must_be_there_an_error(tmp_path):
    path = tmp_path / "assistant.md"
    path.write_text("Be kind.", "utf-8")
    bounds = AssistantBounds.model_validate(BOUNDS)
    found = check_assistant_prompt(str(path), DOMAIN, FRAMEWORKS, RUBRIC, bounds)
    levels = {c.name: c.level for c in found if not c.passed}
    rules = [name for name, level in levels.items() if level == "warning" and ("rule" in name or "output" in name)]
    assert rules == ["assistant: length rule", "assistant: question rule", "assistant: output format"]
    assert levels["assistant: role"] == levels["assistant: every anchor"] == "error"


def test_an_anchor_in_a_comment_does_not_reach_the_model_and_so_is_missing(faults):
    found = faults(GOOD.replace("- Write lists.", "{# - Write lists. #}- Write."))
    assert list(found) == ["assistant: every anchor"]


def test_an_anchor_under_the_opposite_heading_says_the_opposite(faults):
    swapped = GOOD.replace("Always\n", "X\n").replace("Never\n", "Always\n").replace("X\n", "Never\n")
    found = faults(swapped)["assistant: anchors under their heading"][1]
    assert found.startswith("'Answer in few words.' stands under 'Never', wanted 'Always'")


def test_the_stamp_tells_the_line_to_write_and_presets_say_how_grave_it_is(tmp_path):
    path = tmp_path / "assistant.md"
    path.write_text(GOOD.replace(RUBRIC.fingerprint, "0123abc"), "utf-8")
    for level in ("warning", "error"):
        bounds = AssistantBounds.model_validate(BOUNDS | {"stale_prompt": level})
        *_, stamp = check_assistant_prompt(str(path), DOMAIN, FRAMEWORKS, RUBRIC, bounds)
        assert stamp.level == level and not stamp.passed
        assert stamp.evidence.endswith(f"then write: {{# checked against rubric {RUBRIC.fingerprint} #}}")


def test_an_empty_prompt_fails_and_does_not_crash(faults):
    assert {"assistant: role", "assistant: output format", "assistant: exemplars"} <= set(faults(""))


def test_exemplars_may_have_several_exchanges_and_lines_that_wrap():
    one, two = exemplars("Text\n\nUser: a\nb\nAssistant: c\nWhy: d\n\nUser: e\nAssistant: f\nUser: g\nAssistant: h\n")
    assert [(e.user, e.assistant) for e in one.exchanges] == [("a b", "c")] and one.why == "d"
    assert [(e.user, e.assistant) for e in two.exchanges] == [("e", "f"), ("g", "h")] and two.why == ""

"""Frameworks, anchors and failure modes: each fault is told with what was found and what is wanted."""

import pytest

from tests.conftest import ROOT
from tunewright.checks.foundations import FoundationBounds, check_foundations
from tunewright.config import read_yaml
from tunewright.frameworks import Frameworks
from tunewright.personas import load_taxonomy

BOUNDS = FoundationBounds.model_validate(read_yaml(ROOT / "params.yaml")["design"]["check"]["foundations"])
TAXONOMY = load_taxonomy(str(ROOT / "conf/domain/therapy/taxonomy.yaml"))
VERBS = ["Answer", "Take", "Respond", "Offer", "Ask", "Name", "Notice", "Keep"]


def fields(always=None, never=None):
    framework = {
        "name": "Small steps", "technique": "One thing at a time", "use_when": "a plan is too large",
        "not_when": "nobody has asked yet", "snippets": [{"user": "Help", "assistant": "With which of them?"}],
    }  # fmt: skip
    mode = {"name": "Lists", "instance": "five bullets", "counter": "Write plain sentences."}
    numbered = [f"{verb} thing{n} detail{n} matter{n}." for n, verb in enumerate(VERBS)]
    return {
        "frameworks": [framework | {"name": f"Small steps {n}"} for n in range(5)],
        "anchors": {"always": always or numbered[:6], "never": never or [f"{a} backwards" for a in numbered]},
        "failure_modes": [mode] * 5,
    }


def faults(found, taxonomy=TAXONOMY):
    checks = check_foundations(Frameworks.model_validate(found), taxonomy, BOUNDS, "f.yaml")
    return {c.name: c.evidence for c in checks if not c.passed}


def test_anchors_that_only_add_a_word_to_another_are_near_repeats():
    assert list(faults(fields())) == ["anchors distinct"]
    never = [f"{verb} {verb}one {verb}two {verb}three" for verb in VERBS]
    assert faults(fields(never=never)) == {}


@pytest.mark.parametrize(
    "first", ["Never praise", "Always answer", "The coach answers", "Be kind", "Do not ask", "You listen", "With care"]
)
def test_an_anchor_begins_with_a_verb_and_with_nothing_else(first):
    found = faults(fields(always=[*[f"{verb} {verb}one {verb}two" for verb in VERBS[:5]], f"{first} whatever comes"]))
    assert found["anchors begin with a verb"].startswith(f"{first.split()[0].lower()!r} is no verb: {first}")


def test_too_few_too_short_and_empty_things_are_counted():
    found = fields(always=["Answer the question"])
    found["frameworks"] = found["frameworks"][:1]
    found["frameworks"][0]["use_when"] = "always"
    found["failure_modes"] = [{"name": "Lists", "instance": " ", "counter": "Write plain sentences."}]
    few = TAXONOMY.model_copy(update={"subtopics": {"a": ("x", "y")}, "edge_subtopics": {"b": ("z",)}})
    told = faults(found, few)
    assert told == {
        "frameworks": "1, wanted 5 to 15",
        "frameworks complete": "Small steps 0: use_when has 1 words, wanted 4 or more",
        "patterns": "1 techniques x 3 subtopics = 3, wanted 100 or more",
        "anchors, always": "1, wanted 6 to 10",
        "failure modes": "1, wanted at least 5",
        "failure modes complete": "Lists: instance is empty",
    }

"""Directions, lengths and slices against the method's numbers."""

from tests.conftest import GUIDANCE, ROOT
from tunewright.checks.checklist import Place
from tunewright.checks.generation import GenerationBounds, Slices, check_generation
from tunewright.config import Bounds, read_yaml
from tunewright.guidance import Guidance

BOUNDS = GenerationBounds.model_validate(read_yaml(ROOT / "params.yaml")["design"]["check"]["generation"])
KEYS = ("responses", "early_share", "late_share", "exchanges", "first_exchange", "gap", "max_tokens")
PLACES = {key: Place("c.yaml", n) for n, key in enumerate(KEYS, 1)}


def faults(guidance=None, exchanges=None, **slices):
    cuts = {"first_exchange": 3, "gap": {"min": 2, "max": 5}, "max_tokens": 16384} | slices
    talk = Guidance.model_validate(GUIDANCE | (guidance or {}))
    params = (talk, Bounds(**(exchanges or {"min": 3, "max": 100})), Slices.model_validate(cuts))
    return {c.place.line: c.evidence for c in check_generation(*params, BOUNDS, PLACES) if not c.passed}


def test_the_methods_own_numbers_have_no_fault():
    assert faults() == {}


def test_a_simulated_user_who_mostly_just_answers_is_told():
    found = faults({"responses": {"ignores": 0.1, "tangential": 0.2, "engages": 0.7}, "early_share": 0.5})
    assert found == {
        1: "ignores 10%, wanted 20% to 40%; line 1: pushes_back 0%, wanted 10% to 30%; "
        "line 1: engages 70%, wanted 10% to 30%",
        2: "50%, wanted 15% to 35%",
    }


def test_conversations_slices_and_examples_out_of_bounds_are_told():
    assert faults(exchanges={"min": 2, "max": 50}, first_exchange=1, gap={"min": 2, "max": 9}, max_tokens=20000) == {
        4: "2 to 50, wanted within 3 to 100",
        5: "1, wanted within 3 to 3",
        6: "2 to 9, wanted within 2 to 5",
        7: "20000 tokens, wanted at most 16384",
    }
    assert faults(exchanges={"min": 3}) == {4: "at least 3, wanted within 3 to 100"}

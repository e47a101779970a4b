"""Planted flaws: enough, in good hosts, and told apart by nothing but the criterion."""

import pytest

from tests.conftest import rubric_fields, transcript
from tunewright.calibration import Planted
from tunewright.checks.planted import PlantedBounds, check_planted
from tunewright.rubric import Rubric

RUBRIC = Rubric.model_validate(rubric_fields())
BOUNDS = PlantedBounds.model_validate(
    {"flaws_min": 2, "long_host_exchanges_min": 5, "length_ratio": {"min": 0.5, "max": 2}}
)
AUTHORED = [transcript("s1", n=3), transcript("l1", n=6), transcript("bad", n=3, assistant="- milk")]


def flaw(good="It came up twice", bad="Cats are like that", **rest):
    return {"user": "She is no better", "good": good, "bad": bad, "reason": "The user is told off."} | rest


def faults(optional=False, short=("s1",), long=("l1",), **flaws):
    two = {c.id: [flaw(), flaw()] for c in RUBRIC.criteria if c.evaluator == "judge"}
    hosts = {"short": short, "long": long}
    planted = Planted.model_validate({"hosts": hosts, "flaws": two | flaws if flaws or not optional else {}})
    checks = check_planted(planted, RUBRIC, AUTHORED, BOUNDS, optional, "p.yaml")
    return {c.name: c.evidence for c in checks if not c.passed}


def test_good_material_has_no_fault():
    assert faults() == {}


def test_a_new_domain_may_have_none():
    assert faults(optional=True) == {}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"warm": [flaw()]}, {"planted flaws": "warm has 1 flaws, wanted 2 or more"}),
        ({"plain": [flaw()]}, {"planted flaws": "'plain' is no judged criterion of the rubric"}),
        ({"long": ("s1",)}, {"hosts": "s1 has 3 exchanges, wanted 5 or more in a long host"}),
        ({"short": ("s9",)}, {"hosts": "no authored conversation 's9'"}),
        ({"short": ()}, {"hosts": "wanted one or more short hosts and one or more long ones"}),
        ({"short": ("bad",)}, {"hosts pass": "bad fails plain: markup_share is 1.00, wanted at most 0"}),
        ({"warm": [flaw(), flaw(bad="It came up twice")]}, {"planted versions": "warm: good and bad are the same"}),
        ({"warm": [flaw(), flaw(bad="Well")]}, {
            "planted versions": "warm: bad has 0.2 times the words of good, wanted 0.5 to 2"
        }),
        ({"warm": [flaw(), flaw(bad="Cats \u2013 like that")]}, {
            "planted versions": "warm: one version alone holds characters beyond ASCII"
        }),
    ],
)  # fmt: skip
def test_each_fault_is_told(change, told):
    assert faults(**change) == told


def test_a_version_that_a_measure_gives_away_is_told_for_every_planting():
    told = faults(warm=[flaw(), flaw(bad="- it came up twice")])
    assert list(told) == ["planted versions pass"]
    assert told["planted versions pass"].startswith("warm: bad at the early place of s1 fails plain: markup_share is")
    assert told["planted versions pass"].endswith("; and 2 more")  # three places in each of two hosts, four are shown

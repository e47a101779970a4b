"""People: what taxonomy and template say, and whether a sample of them is what was wanted."""

import pytest
from scipy.stats import chisquare

from tests.conftest import ROOT
from tunewright.checks.checklist import Place
from tunewright.checks.people import PeopleBounds, check_people, chi_square_p, realised, sample_people
from tunewright.config import read_yaml
from tunewright.personas import PersonaTemplate, Taxonomy, load_taxonomy, load_template, wanted_shares

FOLDER = ROOT / "conf/domain/therapy"
BOUNDS = PeopleBounds.model_validate(read_yaml(ROOT / "params.yaml")["design"]["check"]["people"])
TAXONOMY, TEMPLATE = load_taxonomy(str(FOLDER / "taxonomy.yaml")), load_template(str(FOLDER / "personas.yaml"))


def faults(taxonomy=None, template=None):
    """Evidence of the failing checks, after changes to the shipped files' fields."""
    changed = (TAXONOMY.model_dump() | (taxonomy or {}), TEMPLATE.model_dump() | (template or {}))
    models = Taxonomy.model_validate(changed[0]), PersonaTemplate.model_validate(changed[1])
    return {c.name: c.evidence for c in check_people(*models, BOUNDS, 7, ("t.yaml", "p.yaml")) if not c.passed}


def style(low, high):
    return {"min_words": low, "max_words": high, "manner": "plain"}


def test_the_shipped_people_have_no_fault():
    assert faults() == {}


@pytest.mark.parametrize(
    ("taxonomy", "template", "name", "evidence"),
    [
        ({"difficulty": {"easy": 1.0}}, {}, "five dimensions and difficulty", "difficulty has 1 value(s), wanted 3 or"),
        ({"edge_cases": {"share": 0.3, "kinds": TAXONOMY.edge_cases.kinds}}, {}, "edge-case share", "30%, wanted 10%"),
        ({"edge_cases": {"share": 0.1, "kinds": {"crisis": 1}}}, {}, "kinds of edge cases", "1: crisis; wanted 5"),
        ({}, {"topic_seeds": {"min": 2, "max": 6}}, "topic seeds", "2 to 6, wanted within 4 to 6"),
        ({}, {"complexity": {"simple": 0.4}}, "complexity weights", "simple 0.4 = 0.4, wanted 1"),
        ({}, {"trajectory": {"stable": {"weight": 1, "text": "x"}}}, "trajectories", "1: stable; wanted 4 or more"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_what_is_wanted(taxonomy, template, name, evidence):
    found = faults(taxonomy, template)
    assert list(found) == [name] and found[name].startswith(evidence)


def test_flaws_that_always_or_never_show_are_told():
    flaws = TEMPLATE.flaws.model_dump() | {"none_share": 0.5, "primary_probability": 0.9, "secondary_probability": 0.0}
    assert faults(template={"flaws": flaws}) == {
        "people without flaws": "50%, wanted 15% to 25%",
        "primary flaw per message": "90%, wanted 40% to 60%",
        "secondary flaws per message": "0%, wanted 10% to 30%",
    }


def test_styles_rise_in_length_and_each_is_a_length_of_its_own():
    order = {"terse": style(30, 80), "casual": style(35, 85), "formal": style(20, 90), "stream": style(150, 300)}
    found = faults(template={"styles": order})["style limits"]
    assert found.startswith("casual and terse share 90% of their range, wanted at most 80%; ")
    assert "formal 20 to 90 words is shorter than casual before it (35 to 85); wanted rising limits" in found


def test_a_style_without_limits_stops_the_sample_with_a_message():
    three = {k: s.model_dump() for k, s in TEMPLATE.styles.items() if k != "terse"}
    assert faults(template={"styles": three}) == {
        "styles have limits": "in only one of the two files: terse",
        "realised shares": "nobody can be sampled: no word limits for style terse",
    }


def test_ages_that_bend_a_style_away_are_told():
    ages = [{"min": 18, "max": 79, "weight": 1.0, "styles": {"formal": 5.0}}]
    assert faults(template={"ages": ages})["ages keep the styles"].startswith(
        "formal 10% becomes 36%, wanted at most 5"
    )


def test_chi_square_is_the_one_of_scipy_and_an_unwanted_value_is_impossible():
    wanted, found = {"a": 0.5, "b": 0.3, "c": 0.2}, {"a": 0.46, "b": 0.32, "c": 0.22}
    reference = chisquare([460, 320, 220], [500, 300, 200]).pvalue
    assert chi_square_p(found, wanted, 1000) == pytest.approx(reference)
    assert chi_square_p({"a": 0.99, "z": 0.01}, {"a": 1.0}, 1000) == 0.0
    assert chi_square_p({"a": 1.0}, {"a": 1.0, "never": 0.0}, 1000) == 1.0


def test_a_sample_from_other_shares_than_the_wanted_is_told_with_its_furthest_value():
    people = sample_people(1000, 7, TAXONOMY, TEMPLATE)
    wanted = wanted_shares(TAXONOMY, TEMPLATE) | {"difficulty": {"easy": 0.45, "moderate": 0.30, "hard": 0.25}}
    found = realised(people, wanted, 0.001, Place("t.yaml"))
    assert not found.passed
    assert "furthest off is difficulty (p = " in found.evidence and "wanted 0.00011 or more): " in found.evidence

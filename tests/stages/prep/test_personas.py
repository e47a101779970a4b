"""The model writes the sentences of the persona template, conf/ the numbers."""

import pytest

from stages.prep.personas import PersonasAnswer, as_file, persona_faults
from tests.drafting_fixtures import DRAFTS, good
from tunewright.personas import load_taxonomy, load_template, sample_persona


def test_the_template_has_the_method_s_limits_and_can_be_drawn_from(desk):
    desk.run("personas")
    template = load_template(str(DRAFTS / "personas.yaml"))
    assert (template.styles["terse"].min_words, template.styles["terse"].max_words) == (30, 80)
    assert template.trajectory["volatile"].weight == 0.15 and template.flaws.none_share == 0.20
    taxonomy = load_taxonomy(str(DRAFTS / "taxonomy.yaml"))
    assert sample_persona(1, "p", 7, taxonomy, template).name in good("personas")["names"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: None, None),
        (lambda d: d["manners"].reverse(), None),
        (
            lambda d: [f.update(factor=20.0) for band in d["ages"] for f in band["styles"] if f["style"] == "terse"],
            "ages keep the styles: terse ",
        ),
        (lambda d: d["manners"].pop(), "manners: 'stream' is missing"),
        (lambda d: d["trajectories"][0].update(name="sideways"), "trajectories: 'sideways' is not asked for"),
        (lambda d: d["flaws"].__delitem__(slice(3, None)), "flaws: found 3, wanted 8 to 14"),
        (lambda d: d.update(names=["Ada"] * 30), "names: found 1, wanted 24 to 60"),
        (lambda d: d["ages"][0]["styles"].pop(), "styles of ages 13 to 14: 'stream' is missing"),
        (lambda d: d["ages"][0].update(min=15, max=14), "ages.0: found max 14, expected 15 (min) or more"),
        (lambda d: d["flaws"][0].update(text="one\nthen two"), "flaws: 'one\\nthen two' must be one line"),
    ],
)
def test_each_rule_is_a_fault_of_its_own(section, finished, change, said):
    taxonomy = load_taxonomy(str(finished / DRAFTS / "taxonomy.yaml"))
    draft = good("personas")
    change(draft)
    found = list(persona_faults(PersonasAnswer.model_validate(draft), taxonomy, section("personas")))
    assert (found == []) if said is None else any(fault.startswith(said) for fault in found)


def test_styles_stand_in_the_method_s_order_whatever_the_answer_s(section):
    draft = good("personas")
    draft["manners"].reverse()
    value = as_file(PersonasAnswer.model_validate(draft), section("personas"))
    assert list(value["styles"]) == ["terse", "casual", "formal", "stream"]

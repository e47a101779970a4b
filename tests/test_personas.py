"""Sampled people: the same ones again when more are asked for, and in the shares that the taxonomy wants."""

import pytest
import yaml
from scipy.stats import binomtest, chisquare

from tests.conftest import ROOT
from tunewright.config import Bounds
from tunewright.errors import ConfigError
from tunewright.personas import load_taxonomy, load_template, realised_shares, sample_persona, wanted_shares

FOLDER = ROOT / "conf/domain/therapy"
TAXONOMY = load_taxonomy(str(FOLDER / "taxonomy.yaml"))
TEMPLATE = load_template(str(FOLDER / "personas.yaml"))
SEED = 20260101


def people(count, seed=SEED, prefix="persona"):
    return [sample_persona(n, prefix, seed, TAXONOMY, TEMPLATE) for n in range(1, count + 1)]


@pytest.fixture(scope="module")
def thousand():
    return people(1000)


def test_ten_more_people_leave_the_first_ones_as_they_were(thousand):
    assert people(30)[:20] == people(20) == thousand[:20]


def test_another_seed_and_another_prefix_give_other_people():
    def likeness(found):
        return [p.model_copy(update={"id": ""}) for p in found]

    assert likeness(people(5)) != likeness(people(5, seed=1))
    assert likeness(people(5)) != likeness(people(5, prefix="evaluation"))


@pytest.mark.parametrize("dimension", ["topic", "context", "stance", "presentation"])
def test_a_thousand_people_have_the_wanted_shares(thousand, dimension):
    wanted = TAXONOMY.dimensions[dimension]
    found = [sum(getattr(p, dimension) == value for p in thousand) for value in wanted]
    assert chisquare(found, [1000 * share for share in wanted.values()]).pvalue > 0.001


def test_difficulty_and_trajectory_have_the_wanted_shares(thousand):
    for name, wanted in (
        ("difficulty", TAXONOMY.difficulty),
        ("trajectory", {k: t.weight for k, t in TEMPLATE.trajectory.items()}),
    ):
        found = [sum(getattr(p, name) == value for p in thousand) for value in wanted]
        assert chisquare(found, [1000 * share for share in wanted.values()]).pvalue > 0.001


def test_about_15_in_100_are_edge_cases_and_each_brings_its_case_up_first(thousand):
    edge = [p for p in thousand if p.edge_case]
    assert binomtest(len(edge), 1000, 0.15).pvalue > 0.001
    assert all(p.seeds[0].topic == p.edge_case for p in edge)
    assert all(p.seeds[0].subtopic in TAXONOMY.edge_subtopics[p.edge_case] for p in edge)


def test_word_limits_are_those_of_the_style(thousand):
    limits = {"terse": (30, 80), "casual": (80, 180), "formal": (120, 250), "stream": (150, 300)}
    assert {p.style for p in thousand} == set(limits)
    assert all((p.min_words, p.max_words) == limits[p.style] for p in thousand)


def test_a_fifth_has_no_flaw_and_the_others_one_of_a_half_and_up_to_two_of_a_fifth(thousand):
    flawed = [p for p in thousand if p.flaws]
    assert binomtest(1000 - len(flawed), 1000, 0.20).pvalue > 0.001
    assert all([f.probability for f in p.flaws] == [0.5, 0.2, 0.2][: len(p.flaws)] for p in flawed)
    assert {len(p.flaws) for p in flawed} == {1, 2, 3}
    assert all(len({f.id for f in p.flaws}) == len(p.flaws) for p in flawed)


def test_people_bring_four_to_six_different_things_mostly_of_their_own_topic(thousand):
    assert {len(p.seeds) for p in thousand} == {4, 5, 6}
    for p in thousand:
        assert len({(s.topic, s.subtopic) for s in p.seeds}) == len(p.seeds)
        others = [s for s in p.seeds if s.topic not in (p.topic, p.edge_case)]
        assert len(others) == 1


def test_ages_lie_in_a_band_and_the_old_write_formally_more_often_than_the_young(thousand):
    assert all(18 <= p.age <= 79 for p in thousand)
    young = [p.style == "formal" for p in thousand if p.age <= 29]
    old = [p.style == "formal" for p in thousand if p.age >= 50]
    assert sum(old) / len(old) > 2 * sum(young) / len(young)  # by the weights 0.175 against 0.039


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["dimensions"]["stance"].update(open=0.4), "weights of stance: found a sum of 1.1, expected 1"),
        (lambda t: t["difficulty"].update(hard=0.15), "weights of difficulty: found a sum of 0.9, expected 1"),
        (
            lambda t: t["edge_cases"]["kinds"].update(vague=0),
            "weights of edge_cases.kinds: found a sum of 0.8, expected 1",
        ),
        (lambda t: t["dimensions"].pop("context"), "dimensions missing: found none called context"),
        (lambda t: t["subtopics"].pop("grief"), "subtopics: found none for grief"),
        (lambda t: t["edge_subtopics"].update(crisis=[]), "edge_subtopics: found none for crisis"),
    ],
)
def test_a_taxonomy_that_does_not_add_up_is_refused_in_words(tmp_path, change, message):
    fields = yaml.safe_load((FOLDER / "taxonomy.yaml").read_text())
    change(fields)
    path = tmp_path / "taxonomy.yaml"
    path.write_text(yaml.safe_dump(fields))
    with pytest.raises(ConfigError) as caught:
        load_taxonomy(str(path))
    assert message in str(caught.value) and str(path) in str(caught.value)


def test_negative_weights_that_sum_to_1_are_refused(tmp_path):
    fields = yaml.safe_load((FOLDER / "taxonomy.yaml").read_text())
    fields["difficulty"] = {"easy": -0.5, "moderate": 0.5, "hard": 1.0}
    path = tmp_path / "taxonomy.yaml"
    path.write_text(yaml.safe_dump(fields))
    with pytest.raises(ConfigError, match="difficulty"):
        load_taxonomy(str(path))


def test_realised_shares_count_by_hand(thousand):
    points = [("grief", None), ("grief", "crisis"), ("family", None), ("grief", None)]
    four = [thousand[0].model_copy(update={"topic": t, "edge_case": e, "flaws": ()}) for t, e in points]
    shares = realised_shares(four)
    assert shares["topic"] == {"family": 0.25, "grief": 0.75}
    assert (shares["edge_case"], shares["flaws"]) == ({"crisis": 0.25, "none": 0.75}, {"none": 1.0})
    assert realised_shares([])["topic"] == {}


def test_wanted_shares_are_what_the_sampler_draws(thousand):
    wanted, found = wanted_shares(TAXONOMY, TEMPLATE), realised_shares(thousand)
    assert wanted.keys() == found.keys()
    for dimension, shares in wanted.items():
        assert sum(shares.values()) == pytest.approx(1)
        for value, share in shares.items():
            assert found[dimension].get(value, 0) == pytest.approx(share, abs=0.05), (dimension, value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"names": []}, "names"),
        ({"complexity": {"simple": 0}}, "weights of complexity: found a sum of 0"),
        ({"ages": [{"min": 40, "max": 30, "weight": 1, "styles": {}}]}, "found max 30, expected 40 \(min\)"),
        ({"styles": {"terse": {"min_words": 9, "max_words": 3, "manner": "short"}}}, "found max_words 3, expected 9"),
    ],
)
def test_a_template_that_nobody_can_be_drawn_from_is_refused(tmp_path, change, said):
    path = tmp_path / "personas.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load((FOLDER / "personas.yaml").read_text()) | change))
    with pytest.raises(ConfigError, match=said):
        load_template(str(path))


def test_a_flaw_more_than_there_are_and_a_lonely_topic_are_refused(tmp_path):
    fields = yaml.safe_load((FOLDER / "personas.yaml").read_text())
    fields["flaws"]["kinds"] = {"blames": "blames others"}
    path = tmp_path / "personas.yaml"
    path.write_text(yaml.safe_dump(fields))
    with pytest.raises(ConfigError, match="found 1 kinds of flaws, expected 3 or more: a persona may have"):
        load_template(str(path))
    fields = yaml.safe_load((FOLDER / "taxonomy.yaml").read_text())
    fields["dimensions"]["topic"] = {"grief": 1.0}
    path.write_text(yaml.safe_dump(fields))
    with pytest.raises(ConfigError, match="found 1 topics, expected two or more"):
        load_taxonomy(str(path))


def test_more_things_to_bring_up_than_the_taxonomy_has_are_an_error_and_no_endless_search():
    template = TEMPLATE.model_copy(update={"topic_seeds": Bounds(min=9000, max=9000)})
    with pytest.raises(ConfigError, match="found 9000 things to bring up, expected at most"):
        sample_persona(1, "persona", SEED, TAXONOMY, template)

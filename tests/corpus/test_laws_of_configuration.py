"""Whatever stands in a design file, a template or a name: it is read, or refused with a ConfigError; nothing else."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.corpus.harness import faults_of_message, state
from tunewright.adoption import domain_named
from tunewright.config import read_yaml
from tunewright.errors import ConfigError, shown
from tunewright.new_domain import new_domain
from tunewright.personas import PersonaTemplate, Taxonomy, sample_persona, wanted_shares
from tunewright.prompts import render, variables
from tunewright.rubric import load_rubric
from tunewright.yaml_reading import DEPTH_MAX, YamlFault, parse_yaml

THERAPY = ROOT / "conf/domain/therapy"
RUBRIC = (THERAPY / "rubric.yaml").read_bytes()
PIECES = (
    "a: ", "- ", "? ", "&x ", "*x", "<<: ", "[", "]", "{", "}", ", ", "\n", "\n  ", "'", '"', "|\n", "!!int ",
    "!!map ", "!t ",
    "1", "1e3", "0x", ".inf", "2026-99-99", "~", "yes", "#", "%YAML 1.1\n", "---\n", "\t", "\u2028", "x" * 40,
)  # fmt: skip
CODE = (
    "{{ ", " }}", "{% ", " %}", "{# ", " #}", "for a in ", "in x", "endfor", "if ", "endif", "else", "set a = ",
    "raw", "x", "a", "loop.",
    "| join(", "| replace(", "'x'", ")", "(", "[", "]", ".", "__class__", " * ", " ** ", " + ", " ~ ", "9",
    "\n", "<!-- role: user -->\n",
    "include ", "macro f()", "recursive", "self", "-%}", "\u202e",
)  # fmt: skip
WEIGHTS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.sampled_from([0, 0.25, 0.5, 1, -1, 2, 1e300]), max_size=3
)


STYLES = st.sampled_from([{"a": 1.0}, {"a": 0.5, "b": 0.5}, {"a": 0, "b": 1.0}, {"a": 0.25, "b": 0.25, "c": 0.5}])
BENDS = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.sampled_from([0, 0.25, 0.5, 1, 2, 1e300]), max_size=3)


def of(pieces, size):
    """Texts made of pieces."""
    return st.lists(st.sampled_from(pieces), max_size=size).map("".join)


NAMES = of([*"ab_./~\\\0\n -:", "..", "null", "evil", "\u0430", "\ud800"], 8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("laws")


@given(of(PIECES, 30) | st.text(max_size=60))
@settings(max_examples=150)
def test_any_text_is_yaml_or_a_fault_with_a_sentence(text):
    try:
        parse_yaml(text)
    except YamlFault as fault:
        assert str(fault) and "\n" not in str(fault)


@given(st.integers(1, 3 * DEPTH_MAX), st.sampled_from(["[", "{a: ", "- ", "? "]))
def test_yaml_nests_as_deep_as_allowed_and_no_deeper(depth, opener):
    closer = {"[": "]", "{a: ": "}"}.get(opener, "")
    text = opener * depth + "1" + closer * depth
    deep = any("levels of nesting" in str(fault) for fault in faults_of_yaml(text))
    assert deep == (depth >= DEPTH_MAX)


def faults_of_yaml(text):
    try:
        parse_yaml(text)
    except YamlFault as fault:
        return [fault]
    return []


@given(st.integers(0, len(RUBRIC)), st.integers(0, 40), of(PIECES, 3).map(str.encode) | st.binary(max_size=4))
@settings(max_examples=60)
def test_a_damaged_rubric_is_a_rubric_or_a_clear_error(folder, at, length, other):
    path = folder / "rubric.yaml"
    path.write_bytes(RUBRIC[:at] + other + RUBRIC[at + length :])
    try:
        assert load_rubric(str(path)).criteria
    except ConfigError as error:
        assert faults_of_message(shown(error), "rubric.yaml") == []


@given(of(CODE, 14))
@settings(max_examples=150)
def test_any_template_gives_messages_or_a_clear_error(folder, text):
    path = folder / "p.md"
    path.write_text(text, "utf-8")
    for use in (lambda: variables(path), lambda: render(path, x=["one", "two"], a="b")):
        try:
            use()
        except ConfigError as error:
            assert faults_of_message(shown(error), "p.md") == []


@given(NAMES)
@settings(max_examples=60)
def test_no_name_reaches_anything_outside_of_the_folders_of_domains(folder, name):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        before = state()
        for use in (lambda: domain_named(name), lambda: new_domain(name, "A brief.")):
            with pytest.raises(ConfigError):
                use()
        assert state() == before and not (folder.parent / "evil").exists()


@given(
    style=STYLES, ages=st.lists(BENDS, min_size=1, max_size=2), seeds=st.tuples(st.integers(1, 9), st.integers(1, 9))
)
@settings(max_examples=60)
def test_people_are_drawn_or_what_no_one_can_be_drawn_from_is_refused(style, ages, seeds):
    taxonomy, template = read_yaml(THERAPY / "taxonomy.yaml"), read_yaml(THERAPY / "personas.yaml")
    taxonomy["dimensions"]["style"] = style
    template["styles"] = dict.fromkeys("abc", {"min_words": 1, "max_words": 2, "manner": "short"})
    template["ages"] = [{"min": 20, "max": 30, "weight": 1, "styles": weights} for weights in ages]
    template["topic_seeds"] = {"min": min(seeds), "max": max(seeds)}
    read = Taxonomy.model_validate(taxonomy), PersonaTemplate.model_validate(template)
    nobody = any(not sum(weight * bends.get(name, 1) for name, weight in style.items()) for bends in ages)
    try:
        wanted_shares(*read)
        people = [sample_persona(n, "p", 1, *read) for n in range(10)]
    except ConfigError as error:
        assert nobody and faults_of_message(shown(error), "personas.yaml") == []
    else:
        assert not nobody and all(min(seeds) <= len(person.seeds) <= max(seeds) for person in people)


def test_what_is_read_is_what_pyyaml_reads():
    for path in sorted((ROOT / "conf").glob("domain/*/*.yaml")):
        assert parse_yaml(Path(path).read_text("utf-8")) == yaml.safe_load(Path(path).read_text("utf-8"))

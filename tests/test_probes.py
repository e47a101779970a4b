"""The probes: their checks on replies that must pass and on replies that must not, and what is asked of whom."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.conftest import ROOT
from tunewright.errors import ConfigError, MissingInputError
from tunewright.probe_checks import Check, faults, final_number, n_sentences
from tunewright.probes import Category, Probe, chosen, load_probes

FOLDER = ROOT / "data/probes"
CATEGORIES = load_probes(FOLDER)


def passes(reply, **check):
    return not faults(Check.model_validate(check), reply)


def test_there_are_150_probes_25_of_a_category_and_each_has_a_name_of_its_category():
    assert {name: len(one.probes) for name, one in CATEGORIES.items()} == dict.fromkeys(
        ("arithmetic", "chat", "facts", "format", "instructions", "refusals"), 25
    )
    assert all(p.id.startswith(f"{name}-") for name, one in CATEGORIES.items() for p in one.probes)
    asked = [(p.system, p.turns) for one in CATEGORIES.values() for p in one.probes]
    assert len(set(asked)) == 150


@pytest.mark.parametrize("name", CATEGORIES)
def test_every_check_passes_its_right_replies_and_none_of_its_wrong_ones(name):
    for probe in CATEGORIES[name].probes:
        for reply in probe.right:
            assert faults(probe.check, reply) == [], f"{probe.id} refuses the right reply {reply!r}"
        for reply in (*probe.wrong, ""):
            assert faults(probe.check, reply), f"{probe.id} takes the wrong reply {reply!r}"


def test_no_check_is_passed_by_words_about_nothing_and_few_right_replies_pass_another_check():
    """A check that takes anything of the kind measures nothing; replies of one category look alike."""
    probes = [p for one in CATEGORIES.values() for p in one.probes]
    loose = {"instructions-one-word", "instructions-two-words", "instructions-three-lines"}  # they ask for a form alone
    for probe in probes:
        assert faults(probe.check, "I do not know what to say about any of this to you."), probe.id
        if probe.id not in loose:
            others = [r for p in probes if p.id != probe.id for r in p.right]
            assert sum(not faults(probe.check, r) for r in others) / len(others) < 0.12, probe.id


@pytest.mark.parametrize(
    ("reply", "number"),
    [
        ("17", 17), ("12 + 5 = 17.", 17), ("The answer is 17, since 12 + 5.", 17), ("1,250 km", 1250), ("-3.", -3),
        ("\u22123", -3),
        ("3.5kg", 3.5), ("10-3", 3), ("B2 or v7", None), ("none", None), ("**63**", 63),
    ],
)  # fmt: skip
def test_the_number_that_counts_is_the_one_called_the_answer_else_the_last(reply, number):
    assert final_number(reply) == number


def test_a_phrase_is_found_as_whole_words_only():
    assert passes("It is 7.", mentions=["7"]) and passes("7, I think", mentions=["7"])
    assert not any(passes(reply, mentions=["7"]) for reply in ("17", "7.5", "7th", "0,7", "70"))
    assert passes("**Paris**", mentions=["paris"]) and not passes("parisian", mentions=["paris"])


def test_what_a_model_thinks_aloud_is_no_reply_even_where_it_never_ends():
    assert passes("<think>Is it 5?</think>\n4", number=4)
    assert not passes("<think>It is 4", number=4)


def test_json_is_taken_alone_or_in_one_fence_and_held_to_its_schema():
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}
    assert passes('{"a": 1}', json=schema) and passes('```json\n{"a": 1}\n```', json=schema)
    assert faults(Check.model_validate({"json": schema}), '{"a": "1"}') == [
        "JSON of another shape: '1' is not of type 'integer'"
    ]
    assert not passes('Here: {"a": 1}', json=schema)


@pytest.mark.parametrize(
    ("text", "n"),
    [("", 0), ("One", 1), ("One.", 1), ("One. Two", 2), ("Is it? Yes! Fine...", 3), ('He said "Go."', 1)],
)
def test_sentences_are_counted_by_their_ends(text, n):
    assert n_sentences(text) == n


def test_lines_words_items_and_language_are_counted():
    assert passes("a b\n\nc", lines={"min": 2, "max": 2}, words={"min": 3, "max": 3})
    assert passes("- a\n2. b\n* c", items={"min": 3, "max": 3}) and not passes("a\nb", items={"min": 1})
    german = "Ich habe heute leider keine Zeit und werde dir morgen wieder schreiben, wenn es geht."
    assert not passes(german, language="en") and passes(german, language="de")


def test_all_faults_are_told_in_words():
    check = Check.model_validate({"mentions": ["cat"], "words": {"max": 2}, "equals": ["cat"]})
    assert faults(check, "A small dog") == ["it is not 'cat'", "no 'cat' in it", "3 words, not at most 2"]


def test_a_check_without_a_rule_or_with_a_broken_pattern_is_refused():
    with pytest.raises(ValidationError, match="at least one of equals"):
        Check.model_validate({})
    with pytest.raises(ValidationError, match="expected a regular expression"):
        Check.model_validate({"finds": "("})


def probe(id, ask="Hi"):
    return Probe.model_validate({"id": id, "ask": ask, "check": {"equals": ["a"]}, "right": ["a"], "wrong": ["b"]})


def test_a_talk_of_several_turns_ends_with_the_user():
    assert [m["role"] for m in probe("x", ("Hi", "Hello", "Bye")).messages] == ["user", "assistant", "user"]
    with pytest.raises(ValidationError, match="expected an odd number: the last one is the user's"):
        probe("x", ("Hi", "Hello"))


def test_a_subset_is_drawn_by_stable_hash_and_a_larger_one_keeps_the_smaller():
    whole = {"c": Category(title="C", probes=tuple(probe(f"c-{n}") for n in range(9)))}
    small, large = ({p.id for p in chosen(whole, n, 1)["c"]} for n in (3, 6))
    assert len(small) == 3 and small < large
    assert chosen(whole, None, 1)["c"] == list(whole["c"].probes)


def test_an_id_that_is_taken_and_a_folder_without_probes_are_told(tmp_path):
    with pytest.raises(MissingInputError, match="found no probes"):
        load_probes(tmp_path)
    text = "title: T\nprobes: [{id: a, ask: Hi, check: {equals: [x]}, right: [x], wrong: [y]}]\n"
    (tmp_path / "one.yaml").write_text(text)
    (tmp_path / "two.yaml").write_text(text)
    with pytest.raises(ConfigError, match="two.yaml: found probe 'a', which is in one.yaml already"):
        load_probes(tmp_path)

"""Every fault of a configuration file is named with its file, line and key."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.composing import unknown_keys
from tunewright.config import Bounds, Config, line_of, load, load_file, read_yaml
from tunewright.errors import ConfigError


class Inner(Config):
    depth: int
    width: float


class Outer(Config):
    title: str
    parts: tuple[Inner, ...]


GOOD = "title: shelf\nparts:\n- depth: 3\n  width: 1.5\n- depth: 4\n  width: 2\n"


@pytest.fixture
def params(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text):
        Path("params.yaml").write_text(text)

    return write


def message_of(params, text, address="make.shelf"):
    params(text)
    with pytest.raises(ConfigError) as caught:
        load(address, Outer)
    return str(caught.value)


def nested(text):
    return "make:\n  shelf:\n" + "".join(f"    {line}\n" for line in text.splitlines())


def test_a_section_becomes_its_model(params):
    params(nested(GOOD))
    found = load("make.shelf", Outer)
    assert found.parts[1] == Inner(depth=4, width=2.0)


def test_an_unknown_key_is_named_with_its_line_and_the_likely_meaning(params):
    message = message_of(params, nested("titel: shelf\n" + GOOD))
    assert message.startswith("params.yaml, line 3: found unknown key 'make.shelf.titel', expected 'title'")
    assert message.endswith("edit conf/ and run: make params")


def test_an_unknown_key_like_no_other_lists_the_known_ones(params):
    message = message_of(params, nested(GOOD + "qqq: 1\n"))
    assert "unknown key 'make.shelf.qqq', expected one of: title, parts" in message


def test_an_unknown_key_inside_a_list_is_likened_to_the_keys_that_are_known_there(params):
    message = message_of(params, nested(GOOD.replace("depth: 4", "depth: 4\n  widht: 2")))
    assert "unknown key 'make.shelf.parts.1.widht', expected 'width'" in message


def test_an_unknown_key_is_told_before_the_key_that_it_leaves_missing(params):
    message = message_of(params, nested("titel: x\nparts: []\n"))
    assert "unknown key 'make.shelf.titel'" in message and "(and 1 more)" in message


def test_a_missing_key_is_named_where_it_should_stand(params):
    message = message_of(params, nested("title: shelf\nparts:\n- width: 1.5\n"))
    assert message.startswith("params.yaml, line 5: 'make.shelf.parts.0.depth' is missing")


def test_a_value_of_the_wrong_kind_is_shown(params):
    message = message_of(params, nested(GOOD.replace("depth: 4", "depth: deep")))
    assert message.startswith("params.yaml, line 7: make.shelf.parts.1.depth: found 'deep', expected a whole number")


def test_a_missing_section_and_a_missing_file_say_what_to_run(params):
    assert (
        message_of(params, "make: {}\n")
        == "params.yaml: no section 'make.shelf': found none, expected what conf/ composes to; "
        "compose it again with: make params"
    )
    Path("params.yaml").unlink()
    with pytest.raises(
        ConfigError, match=r"params\.yaml: no such file; expected what conf/ composes to; compose it with: make params"
    ):
        load("make.shelf", Outer)


def test_a_key_given_twice_is_refused_with_its_line(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n")
    with pytest.raises(
        ConfigError, match=r"r\.yaml, line 5: not valid YAML: found key 'c' given twice, expected it once"
    ):
        read_yaml(path)


def test_broken_yaml_is_refused_with_its_line(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("a: 1\nb: [1, 2\nc: 3\n")
    with pytest.raises(ConfigError, match=r"r\.yaml, line 3: not valid YAML: .*found 'c: 3', expected YAML"):
        read_yaml(path)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_bytes(b"a: \xff\n")
    with pytest.raises(ConfigError, match=r"r\.yaml: not UTF-8 text"):
        read_yaml(path)


def test_1e_minus_3_is_read_as_a_number(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("rate: 1e-3\n")
    assert read_yaml(path) == {"rate": 0.001}


def test_an_empty_file_is_no_model(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("")
    with pytest.raises(ConfigError, match=r"r\.yaml: the file: "):
        load_file(path, Outer)


def test_line_of_finds_keys_list_items_and_the_nearest_ancestor(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(GOOD)
    assert line_of(path, ["parts"]) == 2
    assert line_of(path, ["parts", "1", "width"]) == 6
    assert line_of(path, ["parts", "1", "height"]) == 5
    assert line_of(path, ["parts", "7"]) == 2
    assert line_of(path, ["nothing"]) is None
    assert line_of(tmp_path / "absent.yaml", ["a"]) is None


def test_unknown_keys_are_dotted_and_only_those_that_conf_does_not_have():
    composed = {"a": {"b": 1, "c": None}, "d": [1]}
    assert unknown_keys({"a": {"b": 2}, "d": [9, 9]}, composed) == []
    assert unknown_keys({"a": {"x": 1, "b": 1}, "y": 2}, composed) == ["a.x", "y"]
    assert unknown_keys(None, composed) == []


def test_bounds_hold_their_ends_and_a_rounding_error_but_no_more():
    bounds = Bounds(min=0.1, max=0.3)
    assert bounds.holds(0.1) and bounds.holds(0.1 + 0.2) and not bounds.holds(0.3001) and not bounds.holds(0.0999)
    assert Bounds(max=2).holds(-1e9) and not Bounds(max=2).holds(2.1)
    assert Bounds(min=2).holds(1e9) and not Bounds(min=2).holds(1.9)


def test_bounds_say_what_is_wanted():
    assert str(Bounds(min=3, max=6)) == "3 to 6"
    assert str(Bounds(min=0.15)) == "at least 0.15"
    assert str(Bounds(max=2)) == "at most 2"
    assert str(Bounds()) == "any"


@given(st.floats(-1e6, 1e6))
def test_bounds_without_ends_hold_every_number(value):
    assert Bounds().holds(value)
    assert Bounds(min=value, max=value).holds(value)


def test_bounds_in_the_wrong_order_are_refused():
    with pytest.raises(ValueError, match="found min 5 above max 3, expected the smaller one first"):
        Bounds(min=5, max=3)

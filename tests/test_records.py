"""Records survive the way to disk and back; a damaged file says where and how."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from tests.conftest import persona, transcript
from tunewright.errors import MissingInputError, RecordError
from tunewright.records import (
    Exchange,
    JsonlWriter,
    Message,
    Persona,
    Transcript,
    Verdict,
    digest,
    read_json,
    read_jsonl,
    stable_seed,
    stable_unit,
    write_json,
    write_jsonl,
    write_text,
)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


class Pair(BaseModel):
    left: str
    right: float


@given(st.lists(st.builds(Exchange, user=text, assistant=text), max_size=4))
def test_any_words_come_back_as_they_were_written(tmp_path_factory, exchanges):
    path = tmp_path_factory.mktemp("records") / "t.jsonl"
    records = [transcript(exchanges=exchanges), transcript("t2")]
    assert write_jsonl(path, records) == 2
    assert read_jsonl(path, Transcript) == records
    assert path.read_bytes().count(b"\n") == 2


def test_equal_records_give_equal_bytes_with_keys_in_the_order_of_declaration(tmp_path):
    one, two = tmp_path / "1", tmp_path / "2"
    write_jsonl(one, [Pair(left="é", right=1)])
    write_jsonl(two, [Pair.model_validate({"right": 1.0, "left": "é"})])
    assert one.read_bytes() == two.read_bytes() == '{"left":"é","right":1.0}\n'.encode()


def test_a_file_cut_off_in_its_last_line_names_file_and_line_and_the_stage_that_mends_it(tmp_path):
    path = tmp_path / "people.jsonl"
    write_jsonl(path, [persona("p1"), persona("p2")])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RecordError) as caught:
        read_jsonl(path, Persona, "generate-personas")
    message = str(caught.value)
    assert message.startswith(f"{path}, line 2: the file is cut off")
    assert message.endswith("dvc repro -f generate-personas")


def test_a_last_line_without_its_line_end_is_cut_off_even_when_it_parses(tmp_path):
    path = tmp_path / "people.jsonl"
    write_jsonl(path, [persona()])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RecordError, match=r"line 1: the file is cut off.*git checkout -- "):
        read_jsonl(path, Persona)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, r"line 1: colour: Extra inputs are not permitted; found 'red', expected a Persona"),
        ({"age": 9}, r"line 1: age: Input should be greater than or equal to 13; found 9"),
        ({"flaws": [{"id": "x", "probability": 2}]}, r"line 1: flaws\.0\.probability: .*less than or equal to 1"),
    ],
)
def test_a_field_that_does_not_fit_is_named_with_what_was_found(tmp_path, change, message):
    path = tmp_path / "people.jsonl"
    path.write_text(json.dumps(persona().model_dump() | change) + "\n")
    with pytest.raises(RecordError, match=message):
        read_jsonl(path, Persona)


def test_an_absent_file_names_the_stage_that_makes_it(tmp_path):
    with pytest.raises(MissingInputError, match=r"no\.jsonl: no such file; make it with: dvc repro generate-scores"):
        read_jsonl(tmp_path / "no.jsonl", Persona, "generate-scores")
    with pytest.raises(MissingInputError, match=r"no\.json: no such file$"):
        read_json(tmp_path / "no.json")


@given(st.lists(st.one_of(st.text(max_size=9), st.integers()), max_size=4))
def test_stable_numbers_lie_in_their_range_and_repeat(parts):
    assert 0 <= stable_unit(*parts) < 1 and stable_unit(*parts) == stable_unit(*parts)
    assert 0 <= stable_seed(*parts) < 2**31


def test_stable_numbers_are_the_same_on_every_machine_and_in_every_version():
    # first 13 and 8 hex digits of: printf '["a","1"]' | sha256sum
    assert digest(["a", "1"]).startswith("1d48e4958ca56")
    assert stable_unit("a", 1) == int("1d48e4958ca56", 16) / 16**13
    assert stable_seed("a", 1) == int("1d48e495", 16) & 0x7FFFFFFF


def test_stable_units_spread_evenly_and_do_not_run_parts_together():
    tenths = [int(stable_unit("x", n) * 10) for n in range(2000)]
    assert all(150 < tenths.count(d) < 250 for d in range(10))  # 200 give or take 3.7 standard deviations
    assert stable_unit("ab", "c") != stable_unit("a", "bc")


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "t.txt"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new \ud800")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["t.txt"]


def test_a_record_that_cannot_be_made_leaves_the_old_file(tmp_path):
    path = tmp_path / "t.jsonl"
    write_jsonl(path, [persona()])

    def breaks_off():
        yield persona("p9")
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError):
        write_jsonl(path, breaks_off())
    assert [p.id for p in read_jsonl(path, Persona)] == ["p1"]


def test_numbers_that_json_does_not_have_are_refused(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "m.json", {"share": float("nan")})
    assert not (tmp_path / "m.json").exists()


def test_json_that_is_cut_off_names_its_file(tmp_path):
    (tmp_path / "m.json").write_text('{"a": ')
    with pytest.raises(RecordError, match=r"m\.json: not valid JSON"):
        read_json(tmp_path / "m.json")


@pytest.mark.parametrize(("answer", "unscored"), [(None, None), ("YES", "judge failed")])
def test_a_verdict_has_either_an_answer_or_a_reason_for_having_none(answer, unscored):
    with pytest.raises(ValidationError, match="either an answer or a reason"):
        Verdict(transcript_id="t", criterion="c", judge="j", answer=answer, unscored=unscored)


def test_the_content_hash_follows_the_words_alone():
    one = transcript("t1")
    assert one.content_hash == transcript("t2", persona_id="other", failure="x").content_hash
    assert one.content_hash != transcript("t1", assistant="Which cats").content_hash


def test_a_file_that_is_written_record_by_record_is_there_whole_or_as_it_was(tmp_path):
    path, one = tmp_path / "r.jsonl", Message(role="user", content="a")
    write_jsonl(path, [one])
    with pytest.raises(KeyError), JsonlWriter(path) as target:
        target.write(one)
        raise KeyError
    assert (read_jsonl(path, Message), list(tmp_path.iterdir())) == ([one], [path])
    with JsonlWriter(path) as target:
        target.write(one)
        target.write(one)
    assert target.n == 2 and read_jsonl(path, Message) == [one, one]

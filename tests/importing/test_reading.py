"""Log files to conversations: every format gives the same ones, every bad row is told with its line."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from tunewright.config import load_file
from tunewright.errors import ConfigError, MissingInputError, RecordError
from tunewright.importing.cleaning import Cleaning, cleaned, merged, tidy
from tunewright.importing.formats import guessed_format
from tunewright.importing.reading import read_import, said
from tunewright.importing.rows import ImportConfig, RowFault, Turn

CONFIG = load_file(ROOT / "conf/import.yaml", ImportConfig)
HI, BYE = ("Hi there", "Hello"), ("I am off", "Bye")


def read(path, data, form=None, config=CONFIG, known=None):
    path = Path(path)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_import(path, "jan", "therapy", form, config, known or {})


def spoken(found):
    """What was said, conversation by conversation."""
    return [[(e.user, e.assistant) for e in t.exchanges] for t in found.transcripts]


def roles(*pairs):
    return [m for u, a in pairs for m in ({"role": "user", "content": u}, {"role": "assistant", "content": a})]


def sharegpt(*pairs):
    return [m for u, a in pairs for m in ({"from": "human", "value": u}, {"from": "gpt", "value": a})]


def lines(*values):
    return "".join(json.dumps(v) + "\n" for v in values)


def table(talks, layout, delimiter=","):
    """A table as a spreadsheet writes one: every cell quoted."""
    head = ["conversation_id", "speaker", "text"] if layout == "long" else [
        "conversation_id", "user_message", "assistant_message",
    ]  # fmt: skip
    rows = [head]
    for number, talk in enumerate(talks):
        for said_, reply in talk:
            pairs = [[number, "customer", said_], [number, "Agent", reply]]
            rows += pairs if layout == "long" else [[number, said_, reply]]
    quoted = [['"' + str(cell).replace('"', '""') + '"' for cell in row] for row in rows]
    return "\r\n".join(delimiter.join(row) for row in quoted) + "\r\n"


def exported(talks):
    """The same conversations as a file of each text format."""
    yield "openai", lines(*({"messages": roles(*t)} for t in talks))
    yield "sharegpt", json.dumps([{"id": n, "conversations": sharegpt(*t)} for n, t in enumerate(talks)], indent=1)
    yield "messages", lines(*({"conversation": roles(*t)} for t in talks))
    for layout in ("long", "wide"):
        for delimiter in ",\t;":
            yield "csv", table(talks, layout, delimiter)


words = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")).map(tidy).filter(bool)
talks_of = st.lists(st.lists(st.tuples(words, words), min_size=1, max_size=3), min_size=1, max_size=3)


def without_beginnings(talks):
    """Talks that no other one equals or begins with, as an import keeps them."""
    return [t for n, t in enumerate(talks) if not any(o[: len(t)] == t for m, o in enumerate(talks) if m != n)]


@settings(max_examples=20)
@given(talks_of.map(without_beginnings).filter(bool))
def test_reading_what_was_written_gives_the_same_conversations_in_every_format(tmp_path_factory, talks):
    path = tmp_path_factory.getbasetemp() / "export"
    for form, text in exported(talks):
        found = read(path, text)
        assert (found.source.format, found.source.guessed, found.rejected) == (form, True, ())
        assert spoken(found) == talks


turns_of = st.lists(st.builds(Turn, st.sampled_from(["user", "assistant"]), words))


@settings(max_examples=40)
@given(turns_of)
def test_merging_leaves_no_two_messages_of_one_speaker_together_and_loses_no_word(turns):
    found = merged(turns)
    assert all(a.speaker != b.speaker for a, b in zip(found, found[1:], strict=False))
    assert "\n\n".join(t.text for t in found) == "\n\n".join(t.text for t in turns)


@settings(max_examples=40)
@given(st.lists(st.builds(Turn, st.sampled_from(["user", "assistant", "ignored"]), st.sampled_from(["", " ", "so"]))))
def test_every_message_is_in_an_exchange_or_counted(turns):
    try:
        exchanges, counts = cleaned(turns)
    except RowFault as fault:
        assert fault.reason == "no exchange"
        return
    lost = counts.n_ignored + counts.n_empty + counts.n_merged + counts.n_leading + counts.n_trailing
    assert counts.n_messages == len(turns) == 2 * len(exchanges) + lost


def test_what_is_dropped_and_joined_is_counted_by_hand(tmp_path):
    messages = [
        {"role": "system", "content": "Be kind."}, {"role": "assistant", "content": "Welcome"},
        {"role": "user", "content": "Hi\r\nthere "}, {"role": "user", "content": [{"type": "text", "text": "you"}]},
        {"role": "assistant", "content": None}, {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "and"}, {"role": "user", "content": "so?"},
    ]  # fmt: skip
    found = read(tmp_path / "a.jsonl", lines({"messages": messages}))
    assert spoken(found) == [[("Hi\nthere\n\nyou", "Hello")]]
    assert found.cleaning == Cleaning(
        n_messages=8, n_ignored=1, n_empty=1, n_merged=2, n_leading=1, n_trailing=1
    )  # and 2 messages in the exchange


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        ("{broken", "not JSON", "expecting property name"),
        ("[1]", "shape", "found list, expected an object with messages"),
        ('{"text": "hi"}', "shape", "found text; expected a list in messages"),
        ('{"messages": "hi"}', "shape", "found messages; expected a list"),
        ('{"messages": ["hi"]}', "shape", "message 1 has str; expected role and content"),
        ('{"messages": [{"content": "x"}]}', "shape", "message 1 has content; expected role and content"),
        ('{"messages": [{"role": "user", "content": 3}]}', "shape", "message 1: its text is int"),
        ('{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}', "not text", "type 'image_url'"),
        ('{"messages": [{"role": "assistant", "tool_calls": [{}]}]}', "tool call", "message 1 calls a tool"),
        ('{"messages": [{"role": "tool", "content": "x"}]}', "tool call", "message 1 is of 'tool'"),
        ('{"messages": [{"role": "narrator", "content": "x"}]}', "unknown speaker", "message 1 is of 'narrator'; add"),
        ('{"messages": [{"role": ["user"], "content": "x"}]}', "unknown speaker", "message 1 is of ['user']"),
        ('{"messages": [{"role": "user", "content": "a\\u0000b"}]}', "NUL character", "message 1: at character 2"),
        ('{"messages": [{"role": "user", "content": "a\\ud800"}]}', "not UTF-8", "message 1: '\\ud800' at character 2"),
        ('{"user": "\\ud800", "messages": [{"role": "user", "content": "a"}]}', "not UTF-8", "its user"),
        ('{"messages": []}', "no exchange", "0 messages and no user message with a reply"),
        ('{"messages": [{"role": "user", "content": "x"}]}', "no exchange", "1 messages and"),
    ],
)
def test_a_bad_row_costs_itself_alone_and_is_told_with_its_line_and_kept(tmp_path, row, reason, detail):
    good = lines({"messages": roles(HI)})
    found = read(tmp_path / "a.jsonl", good + "\r\n" + row + "\r\n" + lines({"messages": roles(BYE)}))
    assert spoken(found) == [[HI], [BYE]]
    [bad] = found.rejected
    assert (bad.line, bad.reason, bad.encoding, bad.raw) == (3, reason, "utf-8", row)
    assert detail in bad.detail
    assert found.bad_share == pytest.approx(1 / 3)


def test_a_row_that_is_no_utf_8_is_kept_byte_for_byte(tmp_path):
    broken = b'{"messages": [{"role": "user", "content": "caf\xe9"}]}'
    found = read(tmp_path / "a.jsonl", b"\xef\xbb\xbf" + lines({"messages": roles(HI)}).encode() + broken)
    [bad] = found.rejected
    assert (bad.line, bad.reason, bad.encoding) == (2, "not UTF-8", "base64")
    assert base64.b64decode(bad.raw) == broken
    assert bad.detail == "message 1: '\\udce9' at character 4"
    assert spoken(found) == [[HI]]


def test_rows_of_an_array_are_told_with_the_line_on_which_each_begins(tmp_path):
    rows = [{"conversations": sharegpt(HI)}, {"conversations": [{"from": "human", "value": "alone"}]}]
    good, bad = (json.dumps(row, indent=1) for row in rows)
    found = read(tmp_path / "a.json", f"\n[\n{good}\n,\n\n{bad}]")
    assert found.provenance[0].line == 3 and good.count("\n") == 11  # it ends on line 14, the comma is on line 15
    assert [(r.line, r.reason) for r in found.rejected] == [(17, "no exchange")]


@pytest.mark.parametrize("text", ['[{"conversations": []}\n{}]', '[{"a": 1},\n{"b"]', '[{"a": 1}\n', '[{"a": 1}\n] x'])
def test_an_array_that_breaks_off_is_refused_with_the_line(tmp_path, text):
    with pytest.raises(RecordError, match=r"a\.json, line 2: the JSON array cannot be read on from here .* JSON Lines"):
        read(tmp_path / "a.json", text, "sharegpt")


def test_one_object_over_several_lines_is_one_row(tmp_path):
    found = read(tmp_path / "a.json", json.dumps({"messages": roles(HI)}, indent=2))
    assert spoken(found) == [[HI]]


@pytest.mark.parametrize(
    ("head", "row", "line", "reason", "detail"),
    [
        ("conversation_id,speaker,text", "1,narrator,x", 2, "unknown speaker", "line 4: the message is of 'narrator'"),
        ("conversation_id,speaker,text", "1,tool,x", 2, "tool call", "line 4: the message is of 'tool'"),
        ("conversation_id,speaker,text", "1,user,x,y", 2, "cells", "line 4: 4 cells, expected 3"),
        ("conversation_id,speaker,text", "1,user", 2, "cells", "line 4: 2 cells, expected 3"),
        ("conversation_id,speaker,text", ",user,x", 4, "no conversation", "column conversation_id is empty"),
        ("conversation_id,speaker,text", "2,user,x", 4, "no exchange", "1 messages and no user message"),
        ("conversation_id,speaker,text", "2,user,a\0b", 4, "NUL character", "message 1: at character 2"),
    ],
)
def test_a_bad_row_of_a_table_is_told_and_spoils_its_conversation(tmp_path, head, row, line, reason, detail):
    rows = [head, "1,user,Hi there", "1,agent,Hello", row, "9,user,I am off", "9,agent,Bye", ""]
    found = read(tmp_path / "a.csv", "\n".join(rows))
    [bad] = found.rejected
    assert (bad.line, bad.reason) == (line, reason) and detail in bad.detail
    assert spoken(found) == ([[BYE]] if line == 2 else [[HI], [BYE]])
    assert row.split(",")[-1] in "".join("|".join(r.values()) for r in _rows_of(bad.raw))


def _rows_of(raw):
    value = json.loads(raw)
    return value if isinstance(value, list) else [value]


def test_a_message_over_several_lines_keeps_the_count_of_lines_right(tmp_path):
    text = 'conversation_id,speaker,text\r\n1,user,"Hi\r\nthere"\r\n1,agent,Hello\r\n2,nobody,x\r\n'
    found = read(tmp_path / "a.csv", text)
    assert spoken(found) == [[("Hi\nthere", "Hello")]]
    assert [(r.line, r.detail[:7]) for r in found.rejected] == [(5, "line 5:")]


def test_a_table_whose_quotes_break_off_is_refused_with_the_line(tmp_path):
    with pytest.raises(RecordError, match=r"a\.csv, line 3: the table cannot be read on from here"):
        read(tmp_path / "a.csv", 'conversation_id,speaker,text\n1,user,Hi\n1,agent,"Hello\n2,user,x\n')


def test_a_table_without_the_columns_of_the_mapping_names_both(tmp_path):
    with pytest.raises(
        ConfigError, match=r"line 1: found the columns id, who, what; expected conversation_id, and spe"
    ):
        read(tmp_path / "a.csv", "id,who,what\n1,user,Hi\n")


def test_a_mapping_of_one_s_own_names_columns_order_and_user(tmp_path):
    columns = {"conversation": "Chat", "user": "Mail", "order": "At", "long": {"speaker": "Who", "text": "What"}}
    config = ImportConfig.model_validate(CONFIG.model_dump() | {"csv": CONFIG.csv.model_dump() | columns})
    rows = ["Chat;Mail;At;Who;What", "a;x@y;10;agent;Hello", "a;x@y;9;customer;Hi there", "b;x@y;1;customer;I am off"]
    rows += ["b;x@y;2;agent;Bye", "c;x@y;1;user;So", "c;z@y;2;agent;Yes", "d;x@y;;user;So"]
    found = read(tmp_path / "a.csv", "\n".join(rows), config=config)
    assert spoken(found) == [[HI], [BYE]]  # 9 before 10: as numbers
    assert [(r.line, r.reason) for r in found.rejected] == [(6, "two users"), (8, "no order")]
    [person] = found.personas
    assert {t.persona_id for t in found.transcripts} == {person.id}
    assert (person.min_words, person.max_words) == (2, 3)
    assert "x@y" not in person.model_dump_json() and found.provenance[0].user_id == "x@y"
    assert [p.original_id for p in found.provenance] == ["a", "b"]


def test_parquet_rows_are_read_and_told_by_their_number(tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow as pa
    from pyarrow import parquet

    lists = [roles(HI), roles(BYE)[:1], roles(HI, BYE)[2:]]
    parquet.write_table(pa.table({"conversation": lists, "user_id": [7, 7, 8]}), tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    found = read(tmp_path / "a.parquet", data)
    assert (found.source.format, spoken(found)) == ("messages", [[HI], [BYE]])
    assert [(r.line, r.reason) for r in found.rejected] == [(2, "no exchange")]
    assert len(found.personas) == 2
    with pytest.raises(RecordError, match="what cannot be read as parquet after row 0"):
        read(tmp_path / "a.parquet", data[:-20])
    with pytest.raises(RecordError, match="found parquet, expected csv as --format says"):
        read(tmp_path / "a.parquet", data, "csv")


def test_without_pyarrow_what_to_install_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(
        MissingInputError, match=r"expected pyarrow to read it with; install it with: pip install -e '\.\[parquet\]'"
    ):
        read(tmp_path / "a.parquet", b"PAR1")


def test_duplicates_and_beginnings_are_skipped_with_what_they_repeat(tmp_path):
    rows = lines(*({"messages": roles(*t)} for t in ([HI], [HI, BYE], [BYE], [HI, BYE])))
    found = read(tmp_path / "a.jsonl", rows, known={"0" * 64: "elsewhere"})
    assert spoken(found) == [[HI, BYE], [BYE]]
    assert [(s.line, s.reason, s.same_as) for s in found.skipped] == [
        (1, "beginning of another", "line 2"), (4, "duplicate", "line 2"),
    ]  # fmt: skip
    bye = found.transcripts[1].content_hash
    again = read(tmp_path / "a.jsonl", rows, known={bye: "feb imported-feb-1"})
    assert spoken(again) == [[HI, BYE]] and again.skipped[1].same_as == "feb imported-feb-1"


def test_the_content_hash_is_that_of_the_transcript(tmp_path):
    [one] = read(tmp_path / "a.jsonl", lines({"messages": roles(HI, BYE)})).transcripts
    assert said(one.exchanges) == one.content_hash and one.id == f"imported-jan-{one.content_hash[:12]}"


def test_a_conversation_keeps_its_id_when_rows_are_put_before_it(tmp_path):
    alone = read(tmp_path / "a.jsonl", lines({"messages": roles(BYE)})).transcripts
    among = read(tmp_path / "a.jsonl", lines({"messages": roles(HI)}, {"messages": roles(BYE)})).transcripts
    assert among[1] == alone[0]


def test_only_more_than_the_limit_is_long(tmp_path):
    config = CONFIG.model_copy(update={"long_exchanges": 1})
    found = read(tmp_path / "a.jsonl", lines({"messages": roles(HI, BYE)}, {"messages": roles(BYE)}), config=config)
    assert [p.long for p in found.provenance] == [True, False]


@pytest.mark.parametrize(
    ("data", "said_"),
    [
        (b"\xff\xfe{\x00", "found UTF-16 text, expected UTF-8"),
        (b'{"text": "x"}\n', "found the fields text in the first rows; expected rows with messages"),
        (b"[]", "found no object in the first rows"),
        (b"conversation_id,speaker,text\n", "holds no row"),
    ],
)
def test_a_file_that_holds_nothing_to_read_is_refused(tmp_path, data, said_):
    with pytest.raises(RecordError, match=said_):
        read(tmp_path / "a", data)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingInputError, match="nowhere: found nothing to read"):
        read_import(tmp_path / "nowhere", "jan", "therapy", None, CONFIG, {})


def test_the_format_is_guessed_past_bad_first_rows():
    assert guessed_format("{\n" + lines({"x": 1}, {"conversations": sharegpt(HI)}), Path("a")) == "sharegpt"

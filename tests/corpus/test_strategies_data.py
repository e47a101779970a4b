"""Whatever bytes a data file holds: an error that is ours, or correct handling; nothing half written."""

import json
from contextlib import chdir
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import transcript
from tests.corpus.cases_imports import CSV, JSONL
from tests.corpus.cases_labels import STUDIO, TABLE, export, sheet
from tests.corpus.cases_models import SAFETENSORS, gguf, key, results, text
from tests.corpus.cases_records import AUTHORED, LABELS, LINEAGE, LOCK, TRANSCRIPTS, line
from tests.corpus.cases_replies import JUDGE, RESPONSE, SAID, body
from tests.corpus.harness import state
from tests.corpus.ways import file_way
from tunewright.errors import TunewrightError, shown
from tunewright.gguf_reading import read_gguf
from tunewright.lm_eval_results import lm_eval_numbers

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NASTY = [
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\r",
    b"\n",
    b'"',
    b"\\",
    b"{",
    b"]",
    b"\\ud800",
    b"1e999",
    b"NaN",
    b"-",
    b"<<<<<<< ",
]
WAYS = {
    "transcripts": (TRANSCRIPTS, line(transcript())),
    "authored": (AUTHORED, line(transcript())),
    "labels": (LABELS, b'{"id": "l1"}\n'),
    "lineage": (LINEAGE, line(transcript())),
    "lock": (LOCK, b"schema: '2.0'\nstages:\n  a:\n    outs:\n    - path: x\n"),
    "import": (JSONL, b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'),
    "table of logs": (CSV, b"conversation_id,speaker,text\nc1,user,Hello\nc1,assistant,Well\n"),
    "Label Studio": (STUDIO, export()),
    "table of labels": (TABLE, sheet(label="YES", reviewer="ann")),
    "GGUF": (
        file_way("m.gguf", lambda: read_gguf(Path("m.gguf")).get("tokenizer.chat_template")),
        gguf(key("tokenizer.chat_template", 8, text(b"hello"))),
    ),
    "safetensors": (SAFETENSORS, b"\x02\0\0\0\0\0\0\0{}"),
    "lm-eval": (file_way("data/lm_eval/base/results_1.json", lm_eval_numbers), results({"t": {"acc,none": 1}})),
    "a judge": (JUDGE, json.dumps(SAID).encode()),
    "a response": (RESPONSE, body()),
}


@st.composite
def damaged(draw: st.DrawFn, good: bytes) -> bytes:
    """A good file with a piece cut out, put in twice or replaced; or another JSON value; or any bytes."""
    kind = draw(st.sampled_from(["piece", "piece", "piece", "value", "bytes"]))
    if kind == "bytes":
        return draw(st.binary(max_size=64))
    if kind == "value":
        return json.dumps(draw(JSON)).encode() + b"\n"
    start = draw(st.integers(0, len(good)))
    end = min(len(good), start + draw(st.integers(0, 12)))
    piece = draw(st.sampled_from([b"", good[start:end] * 2, *NASTY]) | st.binary(max_size=4))
    return good[:start] + piece + good[end:]


@pytest.mark.parametrize("name", sorted(WAYS))
@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_damaged_file_is_refused_in_our_words_or_taken(tmp_path_factory, name, drawn):
    way, good = WAYS[name]
    data = drawn.draw(damaged(good))
    folder = tmp_path_factory.mktemp("damaged")
    with chdir(folder):
        way.put(data)
        before = state()
        try:
            way.go()
        except TunewrightError as error:
            assert state() == before and shown(error) and len(str(error)) < 2000
        assert not [file for file in state() if file.endswith(".tmp")]

"""Record files of the pipeline (JSON Lines), read by the stages and commands that need them."""

from __future__ import annotations

from tests.conftest import transcript
from tests.corpus.harness import MB, Case
from tests.corpus.ways import command, file_way, small_project
from tunewright.errors import RecordError

TALKS = "data/generate/transcripts.jsonl"
TALK = transcript().model_dump_json().encode() + b"\n"


def lineage() -> str:
    """A command that reads every record file."""
    return command("lineage", "t1")


IN = file_way(TALKS, lineage, small_project)

CASES = [
    Case("transcripts: a line that is cut off", IN, TALK[:-20], RecordError, ("line 1", "cut off")),
    Case("transcripts: one line of 50 MB", IN, lambda: b'"' + b"x" * (50 * MB) + b'"\n', RecordError, ("line 1",)),
]

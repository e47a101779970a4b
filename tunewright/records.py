"""The records that stages exchange, and their JSON Lines files.

Every record is a frozen pydantic model. Files are UTF-8 JSON Lines with keys in declaration order, one record a
line, written whole and atomically, so that equal records give equal bytes. `SCHEMA_VERSION` is part of the model
files' contract: raise it when a field changes its meaning.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tunewright.errors import MissingInputError, RecordError
from tunewright.json_files import read_json as read_json  # beside write_json, for who imports both
from tunewright.json_text import BOM, JsonFault, briefly, encoding_fault, json_value, once
from tunewright.whole_file import whole_file

SCHEMA_VERSION = 1
RULES = ("measure", "rule")  # the judges' names under which verdicts without a model are kept

Answer = Literal["YES", "NO", "NA"]
UserKind = Literal["simulated", "replay", "authored", "imported"]
Ended = Literal["planned", "natural", "early", "maximum", "failed", "recorded"]  # why a conversation stops


class Record(BaseModel):
    """Base of all records: frozen; unknown fields, and numbers that JSON has not (NaN, infinity), are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TopicSeed(Record):
    """One thing that a persona can bring up."""

    topic: str
    subtopic: str
    complexity: str


class Flaw(Record):
    """A human habit, and its probability of showing in any one message (0 to 1)."""

    id: str
    probability: float = Field(ge=0, le=1)


class Persona(Record):
    """One person who writes: a point of the taxonomy plus style limits, flaws and a trajectory.

    Of an imported person a log tells only how long the messages are: the rest is "unknown", and the age None.
    """

    id: str
    source: Literal["sampled", "authored", "imported"]
    name: str
    age: int | None = Field(ge=13, le=110)
    topic: str
    style: str
    context: str
    stance: str
    presentation: str
    difficulty: str
    edge_case: str | None = None
    min_words: int = Field(ge=1)
    max_words: int = Field(ge=1)
    flaws: tuple[Flaw, ...] = ()
    trajectory: str
    seeds: tuple[TopicSeed, ...] = ()
    batch: int = Field(ge=0, default=0)

    @model_validator(mode="after")
    def _some_length(self) -> Persona:
        if self.max_words < self.min_words:
            raise ValueError(f"max_words ({self.max_words}) is less than min_words ({self.min_words})")
        return self


class Exchange(Record):
    """One user message and the reply to it. `cut`: a model stopped at max_tokens in one of the two."""

    user: str
    assistant: str
    cut: bool = False


class Transcript(Record):
    """A conversation, whole. `failure` says why it ended early; a failed transcript is kept but never trained on."""

    id: str
    domain: str
    persona_id: str
    user_kind: UserKind
    assistant: str  # who wrote the replies: "author", "imported", or the model's identity
    user: str  # who wrote the user's messages, likewise
    source_id: str | None = None  # the recorded conversation whose user is replayed, or the one that was repaired
    sample: int = Field(ge=0, default=0)
    exchanges: tuple[Exchange, ...]
    failure: str | None = None
    ended: Ended = "recorded"  # early: the user would not go on; recorded: where the recording or the author ends

    @property
    def is_new(self) -> bool:
        """Whether a model wrote the replies in this run; those of authored and imported ones are people's words."""
        return self.user_kind in ("simulated", "replay")

    @property
    def is_cut(self) -> bool:
        """Whether any message stops in the middle because its tokens ran out."""
        return any(e.cut for e in self.exchanges)

    @property
    def content_hash(self) -> str:
        """SHA-256 of the words alone, so that a label can tell whether its transcript has changed."""
        return digest([[e.user, e.assistant] for e in self.exchanges])


class Quote(Record):
    """Words of a conversation that a judge rests its answer on, and the exchange (from 1) in which they stand."""

    exchange: int = Field(ge=1)
    text: str


class Verdict(Record):
    """One judge's (or one measure's) answer to one criterion on one transcript.

    `answer` is None when it is unscored; `unscored` then says why. Unscored is never a NO.
    """

    transcript_id: str
    criterion: str
    judge: str  # "measure", or the judge's name in conf/llm
    answer: Answer | None
    evidence: tuple[int, ...] = ()  # exchange numbers, from 1
    quotes: tuple[Quote, ...] = ()
    misquotes: tuple[str, ...] = ()  # what the judge quoted, in any of its tries, that no message says
    reasoning: str = ""
    values: dict[str, float] = Field(default_factory=dict)
    unscored: str | None = None

    @model_validator(mode="after")
    def _answered_or_explained(self) -> Verdict:
        if (self.answer is None) == (self.unscored is None):
            raise ValueError(f"give either an answer or a reason for unscored, got {self.answer!r}, {self.unscored!r}")
        return self


class Score(Record):
    """What the verdicts on one transcript add up to.

    `score` is the weighted mean over scored categories (0 to 1) or None; `coverage` is the share of rubric weight
    that was scored; `passed` is None when coverage or an unscored gate leaves it open.
    """

    transcript_id: str
    persona_id: str
    answers: dict[str, Answer | None]
    unscored: dict[str, str]
    categories: dict[str, float | None]
    score: float | None
    coverage: float
    gates_failed: tuple[str, ...]
    gates_unscored: tuple[str, ...]
    disagreements: tuple[str, ...]
    passed: bool | None
    outcome: str


class Message(Record):
    """One chat message in the `messages` format that trainers read."""

    role: Literal["system", "user", "assistant"]
    content: str


class Example(Record):
    """One training example: a conversation from its start to a slice point."""

    id: str
    transcript_id: str
    persona_id: str
    n_exchanges: int
    n_tokens: int
    messages: tuple[Message, ...]


R = TypeVar("R", bound=BaseModel)


def canonical(value: Any) -> str:
    """A JSON value in canonical form: sorted keys, no spaces, nothing escaped that need not be."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest(value: Any) -> str:
    """SHA-256 (hex) of a JSON value in canonical form, UTF-8."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def stable_unit(*parts: str | int) -> float:
    """A number in [0, 1) that depends on `parts` alone: the same on every machine and in every process."""
    return int(digest([str(p) for p in parts])[:13], 16) / 16**13


def stable_seed(*parts: str | int) -> int:
    """A 31-bit seed that depends on `parts` alone."""
    return int(digest([str(p) for p in parts])[:8], 16) & 0x7FFFFFFF


def read_jsonl(path: Path | str, model: type[R], made_by: str = "") -> list[R]:
    """Read a JSON Lines file of `model`s.

    Raises MissingInputError naming the stage that makes the file, RecordError naming file, line and field.
    """
    return list(iter_jsonl(path, model, made_by))


def read_written(path: Path | str, model: type[R]) -> list[R]:
    """As `read_jsonl`, of a file that people write by hand: RecordError also for a key that a line gives twice."""
    found = read_jsonl(path, model)
    with Path(path).open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            try:
                json_value(raw, object_pairs_hook=once)
            except JsonFault as fault:
                raise RecordError(
                    f"{path}, line {number}: {fault}, expected it once; remove the one that is not meant"
                ) from None
    return found


def iter_jsonl(path: Path | str, model: type[R], made_by: str = "") -> Iterator[R]:
    """As `read_jsonl`, one record at a time."""
    path = Path(path)
    if not path.exists():
        hint = f"; make it with: dvc repro {made_by}" if made_by else ""
        raise MissingInputError(f"{path}: no such file{hint}")
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            yield parse_line(path, number, raw, model, made_by)


def parse_line(path: Path, number: int, raw: bytes, model: type[R], made_by: str = "", mend: str = "") -> R:
    """One line as a record. Raises RecordError with file, line and field, and what to do: `mend`, or run `made_by`."""
    again = f"make it again with: dvc repro -f {made_by}" if made_by else f"restore it with: git checkout -- {path}"
    again = mend or again
    if not raw.endswith(b"\n"):
        raise RecordError(
            f"{path}, line {number}: the file is cut off (found a last line of {len(raw)} bytes without a line end); "
            f"expected whole JSON lines; {again}"
        )
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise RecordError(
            f"{path}, line {number}: {line_fault(raw, error)}, expected a {model.__name__}; {again}"
        ) from None


def line_fault(raw: bytes, error: ValidationError) -> str:
    """What is wrong with a line, in words: what it is instead of JSON, or the first field at fault."""
    first = error.errors(include_url=False)[0]
    if first["type"] != "json_invalid":
        where = ".".join(str(p) for p in first["loc"]) or "the whole"
        return f"{where}: {first['msg'].removeprefix('Value error, ')}; found {briefly(first.get('input'))}"
    if not raw.strip():
        return "found an empty line"
    if raw.startswith(BOM):
        return "found a byte order mark (save the file as UTF-8 without one)"
    at = re.search(r"(.*) at line 1 column (\d+)$", first["msg"])
    what = f"{at[1]} at character {at[2]}" if at else first["msg"]
    return encoding_fault(raw) or f"{what[:1].lower()}{what[1:]}; found {briefly(raw)}"


class JsonlWriter:
    """A JSON Lines file that grows record by record and is there whole, or as it was before, when the block ends."""

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._block = ExitStack()
        self.n = 0

    def __enter__(self) -> JsonlWriter:
        self._file = self._block.enter_context(whole_file(self._path))
        return self

    def __exit__(self, *error: Any) -> None:
        self._block.__exit__(*error)

    def write(self, record: BaseModel) -> None:
        """Add a record."""
        self._file.write(record.model_dump_json() + "\n")
        self.n += 1


def write_jsonl(path: Path | str, records: Iterable[BaseModel]) -> int:
    """Write records as JSON Lines, whole or not at all, one in memory at a time; returns how many."""
    with JsonlWriter(path) as target:
        for record in records:
            target.write(record)
    return target.n


def write_json(path: Path | str, value: Any) -> None:
    """Write one JSON value, indented, in the given key order, ending in a newline; NaN is refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path | str, text: str) -> None:
    """Write a text file whole or not at all."""
    with whole_file(Path(path)) as file:
        file.write(text)

"""Record files of the pipeline (JSON Lines, JSON, dvc.lock), read by the stages and commands that need them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from stages.generate import scores as scores_stage
from tests.conftest import persona, transcript, write_reviews
from tests.corpus.harness import MB, Case, Way
from tests.corpus.ways import command, file_way, small_project, write
from tunewright.authored import load_authored
from tunewright.config import load_domain
from tunewright.errors import ConfigError, RecordError
from tunewright.labels import read_labels
from tunewright.preferences import read_preferences
from tunewright.records import Verdict, write_jsonl

TALKS, VERDICTS = "data/generate/transcripts.jsonl", "data/generate/verdicts.jsonl"
SCORES = {
    "aggregation": "strictest", "judge_trust": "assumed", "min_coverage": 0.5, "unscored_gates_pass": False,
    "disagreement_spread": 0.15, "judge_agreement_min": 0.8,
}  # fmt: skip
TALK = transcript()
VERDICT = Verdict(transcript_id="t1", criterion="warm", judge="j", answer="YES")
LABEL = {
    "id": "l1", "time": "2026-11-22T08:00:00.000000Z", "reviewer": "ann", "note": "", "undoes": None,
    "transcript_id": "t1", "content_hash": TALK.content_hash, "criterion": "warm", "label": "YES", "blind": True,
    "question_hash": "q", "rubric_version": "r",
}  # fmt: skip


def line(record: Any, **changes: Any) -> bytes:
    """A record as a line, with fields that are changed."""
    fields = record if isinstance(record, dict) else record.model_dump(mode="json")
    return json.dumps(fields | changes).encode() + b"\n"


def scoring() -> None:
    small_project(generate={"scores": SCORES})
    write_reviews()
    write_jsonl(TALKS, [TALK])
    write_jsonl(VERDICTS, [VERDICT])


def people() -> None:
    small_project()
    write_jsonl("authored/personas.jsonl", [persona()])


TRANSCRIPTS = file_way(TALKS, scores_stage.main, scoring)
JUDGED = file_way(VERDICTS, scores_stage.main, scoring)
AUTHORED = file_way("authored/transcripts.jsonl", lambda: load_authored(load_domain()), people)
PERSONAS = file_way("authored/personas.jsonl", lambda: load_authored(load_domain()), small_project)
LABELS = file_way("reviews/labels.jsonl", lambda: read_labels("reviews"))
PREFERENCES = file_way("reviews/preferences.jsonl", lambda: read_preferences("reviews"))
LINEAGE = file_way(TALKS, partial(command, "lineage", "t1"), small_project)
TRUST = file_way(
    "data/design/judge-trust.json",
    scores_stage.main,
    lambda: (scoring(), write("params.yaml", "")) and small_project(generate={"scores": CALIBRATED}),
)
CALIBRATED = SCORES | {"judge_trust": "calibrated"}
LOCK = file_way("dvc.lock", partial(command, "lineage", "t1"), lambda: (small_project(), write_jsonl(TALKS, [TALK])))
RESULT = file_way("data/evaluate/compare.json", partial(command, "result"), small_project)

DEEP = b"[" * 200_000
LAUGHS = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 9)) for c in range(98, 107)
)
LONE = json.dumps({"id": "\ud800"}).encode() + b"\n"


def refused(name: str, way: Way, data: bytes | Callable[[], bytes], *says: str) -> Case:
    """A file of records that is not taken."""
    return Case(name, way, data, RecordError, says)


CASES = [
    refused("transcripts: the last line is cut off", TRANSCRIPTS, line(TALK)[:-20], "line 1", "cut off"),
    refused("transcripts: a line is no JSON", TRANSCRIPTS, line(TALK) + b"oops\n", "line 2", "'oops"),
    refused("transcripts: an empty line in the middle", TRANSCRIPTS, b"\n" + line(TALK), "line 1", "an empty line"),
    refused("transcripts: a byte order mark", TRANSCRIPTS, b"\xef\xbb\xbf" + line(TALK), "byte order mark"),
    refused("transcripts: UTF-16", TRANSCRIPTS, line(TALK).decode().encode("utf-16"), "UTF-16"),
    refused("transcripts: Latin-1", TRANSCRIPTS, line(TALK).replace(b"Which", b"Qu\xe9"), "0xe9", "no UTF-8"),
    refused("transcripts: NUL bytes, as after a power cut", TRANSCRIPTS, b"\0" * 4096 + b"\n", "line 1"),
    refused("transcripts: gzip", TRANSCRIPTS, b"\x1f\x8b\x08\0\n" + b"\0" * 20 + b"\n", "no UTF-8"),
    refused("transcripts: an unpaired surrogate", TRANSCRIPTS, LONE, "line 1", "hex escape"),
    refused("transcripts: nested 200,000 deep", TRANSCRIPTS, DEEP + b"\n", "recursion limit"),
    refused("transcripts: one string of 50 MB", TRANSCRIPTS, lambda: b'"' + b"x" * (50 * MB) + b'"\n', "line 1"),
    refused("transcripts: 50 MB without a line end", TRANSCRIPTS, lambda: b"x" * (50 * MB), "cut off"),
    refused("transcripts: a list", TRANSCRIPTS, b"[1, 2]\n", "found [1, 2]"),
    refused("transcripts: null", TRANSCRIPTS, b"null\n", "found None"),
    refused("transcripts: a field is missing", TRANSCRIPTS, b'{"id": "t1"}\n', "domain", "required"),
    refused("transcripts: a field too many", TRANSCRIPTS, line(TALK, colour="red"), "colour", "'red'"),
    refused("transcripts: a field of another type", TRANSCRIPTS, line(TALK, exchanges="many"), "exchanges"),
    refused("transcripts: a user of an unknown kind", TRANSCRIPTS, line(TALK, user_kind="ghost"), "'ghost'"),
    refused("transcripts: a negative sample", TRANSCRIPTS, line(TALK, sample=-1), "sample", "found -1"),
    refused(
        "transcripts: a number of 5,000 digits",
        TRANSCRIPTS,
        line(TALK, sample=0)[:-2].replace(b'"sample": 0', b'"sample": ' + b"9" * 5000) + b"}\n",
        "out of range",
    ),
    refused("transcripts: an id twice", TRANSCRIPTS, 2 * line(TALK), "'t1'", "second time"),
    refused("transcripts: escape codes for a terminal", TRANSCRIPTS, b"\x1b]0;owned\x07\x1b[2J\n", "line 1"),
    refused("transcripts: direction-changing characters", TRANSCRIPTS, "\u202eevil\n".encode(), "line 1"),
    refused("verdicts: an answer that is none", JUDGED, line(VERDICT, answer="MAYBE"), "'MAYBE'"),
    refused("verdicts: neither answered nor explained", JUDGED, line(VERDICT, answer=None), "reason for unscored"),
    refused("verdicts: NaN among the values", JUDGED, line(VERDICT, values={"x": float("nan")}), "values.x"),
    refused("verdicts: infinity among the values", JUDGED, line(VERDICT, values={"x": 1e999}), "values.x"),
    refused("verdicts: of a transcript that is not there", JUDGED, line(VERDICT, transcript_id="t9"), "t9"),
    refused(
        "verdicts: evidence before the first exchange",
        JUDGED,
        line(VERDICT, quotes=[{"exchange": 0, "text": "x"}]),
        "quotes.0.exchange",
    ),
    refused("authored: a persona that is not there", AUTHORED, line(TALK, persona_id="nobody"), "'nobody'"),
    refused("authored: another domain's transcript", AUTHORED, line(TALK, domain="cats"), "'cats'", "'therapy'"),
    refused("authored: an id twice", AUTHORED, 2 * line(TALK), "line 2", "'t1'"),
    refused("authored: a key twice in one line", AUTHORED, line(TALK).replace(b"{", b'{"id": "t0", ', 1), "twice"),
    refused("authored: no exchange", AUTHORED, line(TALK, exchanges=[]), "no exchanges"),
    Case(
        "authored: line ends of Windows",
        AUTHORED,
        line(TALK).replace(b"\n", b"\r\n"),
        gives=lambda got: got[1] == [TALK],
    ),
    refused("personas: an age of 9", PERSONAS, line(persona(), age=9), "age", "13"),
    refused(
        "personas: a probability of 2", PERSONAS, line(persona(), flaws=[{"id": "x", "probability": 2}]), "flaws.0"
    ),
    refused(
        "personas: NaN as a probability",
        PERSONAS,
        line(persona(), flaws=[{"id": "x", "probability": float("nan")}]),
        "flaws.0",
    ),
    refused(
        "personas: fewer words at most than at least", PERSONAS, line(persona(), min_words=9, max_words=3), "max_words"
    ),
    Case("personas: an id that would leave a folder (no file is named by it)", PERSONAS, line(persona("../../etc/x"))),
    refused("labels: marks of a git conflict", LABELS, b"<<<<<<< HEAD\n" + line(LABEL), "git left a conflict"),
    refused("labels: an undo of nothing", LABELS, line(LABEL, label="undo"), "undoes"),
    refused("labels: an answer without a criterion", LABELS, line(LABEL, criterion=None), "criterion"),
    refused("labels: a time that is none", LABELS, line(LABEL, time="yesterday"), "time", "'yesterday'"),
    Case(
        "labels: a last line torn by a crash", LABELS, line(LABEL) + line(LABEL)[:-9], gives=lambda got: len(got) == 1
    ),
    Case("labels: a last line without a line end", LABELS, line(LABEL)[:-1], gives=lambda got: len(got) == 1),
    Case("labels: a last line nested 200,000 deep", LABELS, line(LABEL) + DEEP, gives=lambda got: len(got) == 1),
    Case(
        "labels: empty lines, as merges leave them",
        LABELS,
        b"\n" + line(LABEL) + b"\n",
        gives=lambda got: len(got) == 1,
    ),
    refused("preferences: neither base nor tuned nor a tie", PREFERENCES, b'{"better": "both"}\n', "line 1"),
    refused("lineage: a line is no JSON", LINEAGE, b'{"id": "t1", oops\n', "line 1"),
    refused("lineage: a record without the fields of one", LINEAGE, b'{"id": "t1"}\n', "line 1", "persona_id"),
    refused("lineage: a line nested 200,000 deep", LINEAGE, b'{"id": "t1", "x": ' + DEEP + b"\n", "line 1"),
    refused("lineage: a list that names the id", LINEAGE, b'["t1"]\n', "line 1"),
    refused("judge-trust.json: cut off", TRUST, b'{"j": {"warm": ', "not valid JSON", "design-calibrate"),
    refused(
        "judge-trust.json: a decision without a reason", TRUST, b'{"j": {"warm": {"trusted": true}}}', "j.warm.reason"
    ),
    refused("judge-trust.json: a list", TRUST, b"[]", "found []", "design-calibrate"),
    Case("dvc.lock: marks of a git conflict", LOCK, b"<<<<<<< HEAD\nschema: '2.0'\n", ConfigError, ("YAML", "line 2")),
    Case("dvc.lock: 200,000 brackets", LOCK, DEEP, ConfigError, ("64 levels of nesting", "git checkout")),
    Case("dvc.lock: a list", LOCK, b"- a\n", ConfigError, ("found ['a']",)),
    Case("dvc.lock: stages that are a list", LOCK, b"stages: [a]\n", ConfigError, ("stages",)),
    Case(
        "dvc.lock: a stage without outputs' paths",
        LOCK,
        b"stages: {a: {outs: [{md5: x}]}}\n",
        ConfigError,
        ("stages.a.outs", "paths"),
    ),
    Case("dvc.lock: a stage that is a word", LOCK, b"stages: {a: b}\n", ConfigError, ("stages.a",)),
    Case(
        "dvc.lock: deps that are a number", LOCK, b"stages: {a: {deps: 5}}\n", ConfigError, ("stages.a.deps: found 5",)
    ),
    Case("dvc.lock: outs that are nothing", LOCK, b"stages: {a: {outs: }}\n", ConfigError, ("stages.a.outs",)),
    Case(
        "dvc.lock: a number too large", LOCK, b"a: " + b"1:" * 20_000 + b"1.5", ConfigError, ("number that does not",)
    ),
    Case("dvc.lock: a tag with no such value", LOCK, b"a: !!timestamp x\n", ConfigError, ("does not exist",)),
    Case("dvc.lock: no UTF-8", LOCK, b"stages: \xff\n", ConfigError, ("dvc.lock",)),
    Case("dvc.lock: nested 3,000 deep", LOCK, b"[" * 3_000, ConfigError, ("dvc.lock",)),
    Case("dvc.lock: a billion laughs", LOCK, LAUGHS, ConfigError, ("aliases that unfold", "git checkout")),
    refused("compare.json: cut off", RESULT, b'{"decision": ', "not valid JSON", "evaluate-compare"),
    refused("compare.json: a list", RESULT, b"[1]", "found [1]"),
    refused("compare.json: NaN", RESULT, b'{"difference": NaN}', "NaN"),
    refused("compare.json: a number of 5,000 digits", RESULT, b'{"n": ' + b"9" * 5000 + b"}", "4300"),
    refused("compare.json: nested 200,000 deep", RESULT, DEEP, "nested"),
]

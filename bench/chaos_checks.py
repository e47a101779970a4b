"""What must hold whatever happened: the invariants of bench/chaos.py, functions of the log, the cache and the files.

A Process is one start of a stage. Its log entries say what it asked and what it was given; the cache is looked at
before it starts and after it ended. Every check notes that it was made, and what broke it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.chaos_models import cache_key
from bench.faulty_server import Asked

AT_ONCE_S = 2.0  # between a reply and another process's same request, that had looked for it in the cache before
INVARIANTS = {  # in the order of the table
    "ends": "a process ends with its work done, with one message and no traceback, or by its signal",
    "whole": "an output is there whole, or not at all",
    "transcripts": "no transcript is lost, and none is there twice",
    "calm": "a record is the calm run's, or says that it has no answer",
    "unscored": "nothing unscored counts as failed, in verdicts, scores and counts",
    "asked again": "a reply that is stored is not asked for again, and none is paid twice in a process",
    "paid once": "no call is paid twice, but where its reply was lost, damaged or asked for by two processes at once",
    "kept": "a paid reply is stored; only what was in flight at a kill, or on a full disk, is lost",
    "stored": "what is stored is what the model said",
    "budget": "the budget is exceeded by no more than was in flight",
    "bytes": "in the end every output has the calm run's bytes",
}


@dataclass
class Ledger:
    """How often each invariant was checked, and the violations."""

    checked: Counter[str] = field(default_factory=Counter)
    violations: list[tuple[str, str]] = field(default_factory=list)  # invariant, words

    def hold(self, invariant: str, holds: bool, words: str) -> None:
        """Note one check."""
        self.checked[invariant] += 1
        if not holds:
            self.violations.append((invariant, words))


@dataclass
class Process:
    """One start of a stage: what was planned for it, and what became of it."""

    number: int
    stage: str
    before: frozenset[str]  # what the cache held, by the first digits of the keys
    ended_by: str = ""  # "kill", "term", "int", "term twice"; "" where it ended by itself
    expects: Collection[str] = ()  # what else was done to it: "budget", "revoked", "disk"
    code: int | None = None
    said: str = ""
    after: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """For violations."""
        return f"process {self.number}, generate-{self.stage}"

    @property
    def may_lose(self) -> bool:
        """Whether calls in flight could not be stored."""
        return self.ended_by in ("kill", "term twice") or self.is_full

    @property
    def is_full(self) -> bool:
        """Whether it ended because its files could not grow."""
        return "disk" in self.expects and self.code == 1


CODES = {  # by signal: handled while models are called, and else what Python does with it
    "kill": (-9,),
    "term": (143, -15),
    "int": (130,),
    "term twice": (143, -15),
}
ERRORS = {  # what a process says when it stops with exit code 1, by what was done to it
    "disk": "free ",  # disk space, in all its messages
    "budget": "the budget of",
    "revoked": "the provider refused the key",
    "": "failed (allowed:",
}


def ends(ledger: Ledger, process: Process) -> None:
    """Exit codes and last words."""
    told = f"{process.name}: {process.ended_by or 'by itself'}, exit code {process.code}: {process.said[-300:]!r}"
    ledger.hold("ends", "Traceback" not in process.said, told)
    if process.code == 1:
        known = any(ERRORS[what] in process.said for what in ("", *process.expects))
        ledger.hold("ends", "\nerror: " in process.said and known, told)
    else:
        ledger.hold("ends", process.code in (0, *CODES.get(process.ended_by, ())), told)


def whole(ledger: Ledger, process: Process, outputs: Mapping[str, bytes]) -> None:
    """Every output that is there can be read to its end."""
    for name, content in outputs.items():
        ledger.hold("whole", not content or content.endswith(b"\n"), f"{process.name}: {name} is cut off")
        try:
            values = content.splitlines() if name.endswith(".jsonl") else [content] if name.endswith(".json") else []
            for value in values:
                json.loads(value)
        except ValueError as error:
            ledger.hold("whole", False, f"{process.name}: {name}: {error}")


def asked_again(ledger: Ledger, process: Process, asked: Sequence[Asked]) -> None:
    """What was stored when the process began is not asked for, and what it was given it does not ask for twice."""
    stored = sorted({cache_key(a) for a in asked} & process.before)
    ledger.hold("asked again", not stored, f"{process.name} asked for {len(stored)} stored replies: {stored[:5]}")
    paid = Counter(cache_key(a) for a in asked if a.delivered)
    twice = sorted(key for key, n in paid.items() if n > 1)
    ledger.hold("asked again", not twice, f"{process.name} paid twice for {len(twice)} requests: {twice[:5]}")


def paid_at_once(processes: Sequence[tuple[Process, Sequence[Asked]]]) -> Counter[str]:
    """How often a call was paid again while another process's reply was out, not stored yet, or lost with it."""
    out: list[tuple[float, float, str]] = []
    for process, asked in processes:
        paid = [(a.at_s, a.ended_s or a.at_s, cache_key(a)) for a in asked if a.delivered]
        end_s = max((ended_s for _, ended_s, _ in paid), default=0.0) - AT_ONCE_S if process.may_lose else math.inf
        out += [(at_s, math.inf if ended_s > end_s else ended_s, key) for at_s, ended_s, key in paid]
    known_s, found = dict[str, float](), Counter[str]()
    for at_s, ended_s, key in sorted(out):
        found[key] += key in known_s and at_s - known_s[key] < AT_ONCE_S
        known_s[key] = min(ended_s, known_s.get(key, math.inf))
    return +found


def paid_once(ledger: Ledger, paid: Counter[str], excused: Counter[str]) -> int:
    """Over a whole run: a call is paid again only where its reply was lost or damaged; how many were."""
    for key, n in paid.items():
        ledger.hold("paid once", n - 1 <= excused[key], f"{key}: paid {n} times, {excused[key]} repeats are explained")
    return sum(n - 1 for n in paid.values())


def lost_by(process: Process, asked: Sequence[Asked]) -> list[str]:
    """Paid replies that were not stored."""
    return sorted(paid_by(asked) - process.after)


def paid_by(asked: Sequence[Asked]) -> set[str]:
    """The keys of the replies that went out whole."""
    return {cache_key(a) for a in asked if a.delivered}


def kept(ledger: Ledger, process: Process, asked: Sequence[Asked], in_flight: int) -> None:
    """Paid replies are in the cache; after a kill as many may be missing as can be in flight."""
    lost = lost_by(process, asked)
    allowed = in_flight if process.may_lose else 0
    ledger.hold("kept", len(lost) <= allowed, f"{process.name}: {len(lost)} paid replies lost ({allowed} allowed)")


def sound(stored: Mapping[str, str]) -> frozenset[str]:
    """The keys under which there is a reply, and not something damaged."""
    return frozenset(key for key, reply in stored.items() if isinstance(_text(reply), str) and _text(reply) != reply)


def as_said(ledger: Ledger, stored: Mapping[str, str], texts: Mapping[str, str]) -> None:
    """Every stored reply is what the model says to that request; `texts` by the same keys."""
    for key, text in texts.items():
        if key in stored:
            found = _text(stored[key])
            ledger.hold("stored", found == text, f"{key}: the cache holds {found!r}, the model said {text!r}")


def _text(reply: str) -> Any:
    try:
        return json.loads(reply).get("text")
    except (ValueError, AttributeError):
        return reply


def within_budget(ledger: Ledger, process: Process, asked: Sequence[Asked], budget: int, in_flight: int) -> None:
    """Tokens that were paid stay below the budget and the dearest calls that can be in flight at once."""
    tokens = sorted((a.tokens for a in asked if a.delivered), reverse=True)
    most = budget + sum(tokens[:in_flight])
    ledger.hold("budget", sum(tokens) <= most, f"{process.name}: {sum(tokens)} tokens, at most {most} were allowed")


def records(ledger: Ledger, process: Process, found: Mapping[str, bytes], calm: Mapping[str, bytes]) -> int:
    """The outputs of a process that came to its end, against the calm run's; how many records have no answer in them
    that the calm run has."""
    n_open = 0
    for name in found:
        if name in RULES_OF:
            ours, theirs = lines(found[name]), lines(calm[name])
            n_open += compare(ledger, f"{process.name}: {name}", ours, theirs, *RULES_OF[name])
    return n_open


def compare(
    ledger: Ledger,
    where: str,
    found: Sequence[Mapping[str, Any]],
    calm: Sequence[Mapping[str, Any]],
    key: Sequence[str],
    is_open: Any,
) -> int:
    """Records by their key: the same ones in the same order, each as in the calm run or open."""
    ids, calm_ids = ([tuple(record[k] for k in key) for record in records] for records in (found, calm))
    missing, extra = Counter(calm_ids) - Counter(ids), Counter(ids) - Counter(calm_ids)
    invariant = "transcripts" if len(key) == 1 else "calm"
    ledger.hold(invariant, not missing and not extra, f"{where}: lost {list(missing)[:3]}, too many {list(extra)[:3]}")
    ledger.hold(invariant, ids == calm_ids or bool(missing or extra), f"{where}: another order")
    expected, n_open = dict(zip(calm_ids, calm, strict=True)), 0
    for id, record in zip(ids, found, strict=True):
        if id in expected and record != expected[id]:
            n_open += 1
            ledger.hold("calm", is_open(record, expected[id]), f"{where}: {id} differs and gives no reason")
    ledger.hold("calm", True, where)
    return n_open


def open_transcript(record: Mapping[str, Any], calm: Mapping[str, Any]) -> bool:
    """A conversation that failed, with what was said before it did."""
    n = len(record["exchanges"])
    return bool(record["failure"]) and record["ended"] == "failed" and record["exchanges"] == calm["exchanges"][:n]


def open_verdict(record: Mapping[str, Any], calm: Mapping[str, Any]) -> bool:
    """A verdict without an answer."""
    return record["answer"] is None and bool(record["unscored"])


def open_repair(record: Mapping[str, Any], calm: Mapping[str, Any]) -> bool:
    """A conversation left as it is, for want of an answer."""
    return record["action"] == "left" and record["fixed_id"] is None and record["reason"].startswith("no answer: ")


RULES_OF = {
    "data/generate/transcripts.jsonl": (("id",), open_transcript),
    "data/generate/verdicts.jsonl": (("transcript_id", "criterion", "judge"), open_verdict),
    "data/generate/repairs.jsonl": (("transcript_id",), open_repair),
}


def unscored_is_not_failed(
    ledger: Ledger,
    process: Process,
    scores: Sequence[Mapping[str, Any]],
    verdicts: Sequence[Mapping[str, Any]],
    categories: Mapping[str, Sequence[str]],
) -> None:
    """Every answer in a score was given by a judge or a measure, and every failed gate by a NO (an NA can count as NO).

    A category is the share of YES among the YES and NO of its criteria, whose ids `categories` has: what is unscored is
    in neither. Which judge decides depends on all that it answered: an open verdict can make it another judge's.
    """
    given: dict[tuple[str, str], set[str]] = {}
    for verdict in verdicts:
        given.setdefault((verdict["transcript_id"], verdict["criterion"]), set()).add(verdict["answer"])
    for score in scores:
        id, answers = score["transcript_id"], score["answers"]
        counted = {c: a for c, a in answers.items() if a} | dict.fromkeys(score["gates_failed"], "NO")
        invented = [c for c, a in counted.items() if not given.get((id, c), set()) & {a, "NA" if a == "NO" else a}]
        ledger.hold("unscored", not invented, f"{process.name}: nobody answered {invented} in the score of {id}")
        for category, value in score["categories"].items():
            told = [a for c in categories[category] if (a := answers.get(c)) in ("YES", "NO")]
            right = not told or (value is not None and math.isclose(value, told.count("YES") / len(told)))
            ledger.hold("unscored", right, f"{process.name}: {category} is {value} with {told} in the score of {id}")


def verdict_counts(ledger: Ledger, process: Process, outputs: Mapping[str, bytes]) -> None:
    """The stage's own counts tell what is unscored."""
    verdicts = lines(outputs["data/generate/verdicts.jsonl"])
    answers = Counter(v["answer"] or "unscored" for v in verdicts)
    said = json.loads(outputs["metrics/generate-verdicts.json"])["answers"]
    ledger.hold("unscored", answers == Counter(said), f"{process.name}: {dict(answers)} are there, {said} are said")


def same_bytes(ledger: Ledger, where: str, found: Mapping[str, bytes], calm: Mapping[str, bytes]) -> None:
    """Every output of the calm run, byte for byte."""
    for name, content in calm.items():
        ledger.hold("bytes", found.get(name) == content, f"{where}: {name} is not the calm run's")


def lines(content: bytes) -> list[dict[str, Any]]:
    """The records of a JSON Lines file."""
    return [json.loads(line) for line in content.splitlines()]

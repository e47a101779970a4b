"""The part of reports/review.md on what labels tell: who agrees with people, who is wrong how often, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tunewright.document import Block, Bullets, Heading, Table, Text
from tunewright.people import PEOPLE
from tunewright.people_agreement import COMBINED, Compared
from tunewright.people_findings import Findings, Misjudged
from tunewright.proportions import Share

SHOWN = 12  # conversations named
PARTS = {
    "all": "all labels",
    "blind": "decided before the judges were seen",
    "seen": "decided with the judges in sight",
    "drawn": "conversations drawn at random, or all of them",
    "targeted": "conversations picked for a reason",
}
HOW_TO_READ = (
    "The people's answer is what all readers of a conversation say; where they differ it is disputed and in no rate. "
    "Decisions made with the judges in sight are drawn to them and agree too well: go by the blind ones. A blind "
    "decision counts there even where its reader changed it afterwards. Conversations picked for a reason show more "
    "disagreement than there is: for a rate of all conversations take those drawn at random. Readers who answer only "
    "where they differ from a judge make every rate look worse. Intervals are Wilson's, and conversations of one "
    "person count as less than independent ones."
)
OUTCOMES = {"YES": "passed", "NO": "failed", "unscored": "open or unscored"}


def people_blocks(found: Findings, confidence: float) -> list[Block]:
    """The whole part."""
    blocks: list[Block] = [Heading("What labels say"), Text(_summary(found))]
    if found.n_labels:
        note = Text(f"{HOW_TO_READ} Intervals hold {confidence:.0%} of the time.", "note")
        blocks += [*_parts(found), note, *_whole(found), *_criteria(found), *_wrong(found.misjudged), *_readers(found)]
    return blocks + _missing(found)


def _summary(found: Findings) -> str:
    stale = ", ".join(f"{n} because {why}" for why, n in found.stale.items())
    said = f"{found.n_labels} answers and decisions of {found.n_readers} readers hold today; {found.n_blind} are blind"
    sentences = [said if found.n_labels else "Nobody has decided on a conversation of this run yet"]
    if found.n_changed:
        sentences.append(f"{found.n_changed} blind decisions were changed once the judges were seen")
    if found.n_disputed:
        sentences.append(f"questions on which readers differ: {found.n_disputed}")
    if stale:
        sentences.append(f"{sum(found.stale.values())} are stale and count nowhere: {stale}")
    if found.n_repaired:
        sentences.append(f"{found.n_repaired} are on repaired conversations, which are not judged here")
    return ". ".join(f"{one[:1].upper()}{one[1:]}" for one in sentences) + "."


def _parts(found: Findings) -> Iterator[Block]:
    rows = [
        (PARTS[name], judge, *_numbers(compared))
        for name, part in found.views.items()
        for judge, compared in part.by_judge.items()
        if compared.agreement
    ]
    if rows:
        yield Table(("of", "who", *NUMBERS), rows)


NUMBERS = ("answers", "agreement", "kappa", "false passes", "false fails", "of its passes wrong", "of its fails wrong")


def _numbers(c: Compared) -> tuple[str, ...]:
    kappa = "-" if c.kappa is None else f"{c.kappa:.2f} [{c.kappa_low:.2f}, {c.kappa_high:.2f}]"
    rates = (_rate(share) for share in (c.false_pass, c.false_fail, c.wrong_passes, c.wrong_fails))
    return (str(c.agreement.n if c.agreement else 0), _rate(c.agreement), kappa, *rates)


def _rate(share: Share | None) -> str:
    if share is None:
        return "-"
    return f"{share.share:.0%} ({share.count} of {share.n}; {share.low:.0%} to {share.high:.0%})"


def _whole(found: Findings) -> Iterator[Block]:
    everything = found.views["all"].conversations
    if not any(n for by in everything.confusion.values() for n in by.values()):
        return
    yield Heading("Whole conversations")
    rows = [
        (outcome, *(str(everything.confusion[said][people]) for people in ("YES", "NO", "disputed")))
        for said, outcome in OUTCOMES.items()
    ]
    yield Table(("by the score", "readers satisfied", "not satisfied", "readers differ"), rows)
    parts = [(PARTS[name], *_numbers(part.conversations)) for name, part in found.views.items()]
    yield Table(("of", "conversations", *NUMBERS[1:]), [row for row in parts if row[1] != "0"])


def _criteria(found: Findings) -> Iterator[Block]:
    rows = [
        (criterion, judge, *_numbers(compared))
        for criterion, by in found.by_criterion.items()
        for judge, compared in by.items()
        if compared.agreement
    ]
    if rows:
        yield Heading("By criterion")
        yield Table(("criterion", "who", *NUMBERS), rows)
    confused = [
        (criterion, said, *(str(by[COMBINED].confusion[said][people]) for people in PEOPLE))
        for criterion, by in found.by_criterion.items()
        if COMBINED in by
        for said in by[COMBINED].confusion
        if any(by[COMBINED].confusion[said].values())
    ]
    if confused:
        yield Text("What the score says beside what people say; each judge's own are in data/generate/review.json.")
        yield Table(("criterion", "the score says", *(f"people: {people}" for people in PEOPLE)), confused)


def _wrong(misjudged: Sequence[Misjudged]) -> Iterator[Block]:
    for title, is_pass in (("False passes", True), ("False fails", False)):
        which = [m for m in misjudged if (m.people == "NO") == is_pass]
        if which:
            yield Heading(f"{title} to read")
            lines = [f"{m.criterion} of {m.transcript_id}: the score says {m.said}, people {m.people}" for m in which]
            rest = [f"and {len(which) - SHOWN} more"] if len(which) > SHOWN else []
            yield Bullets(lines[:SHOWN] + rest)


def _readers(found: Findings) -> Iterator[Block]:
    rows = [row for part in (found.readers, found.readers_blind) for row in _pairs(part, part is found.readers_blind)]
    if rows:
        yield Heading("Readers with each other")
        yield Table(("readers", "on", "n", "agreement", "kappa"), rows)


def _pairs(part: Mapping[str, Any], blind: bool) -> Iterator[tuple[str, ...]]:
    mark = ", blind" if blind else ""
    for pair, by in part["answers"].items():
        yield _pair(pair, f"answers{mark}", by["all"])
        if not blind:
            yield from (_pair(pair, criterion, one) for criterion, one in by["criteria"].items())
    for pair, one in part["satisfied"].items():
        yield _pair(pair, f"satisfied or not{mark}", one)


def _pair(pair: str, what: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    kappa = "-" if one["kappa"] is None else f"{one['kappa']:.2f}"
    return (pair, what, str(one["n"]), "-" if one["agreement"] is None else f"{one['agreement']:.0%}", kappa)


def _missing(found: Findings) -> list[Block]:
    if not found.criteria_missing:
        return []
    lines = [f"{r.note} ({r.transcript_id}, {r.reviewer})" for r in found.criteria_missing]
    return [Heading("Criteria that readers miss"), Bullets(lines)]

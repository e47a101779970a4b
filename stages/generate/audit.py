"""generate-audit: what all the replies together repeat, which no judge of one conversation can see.

Phrases are found from the data, not from a list; replies are audited per source (authored, simulated, replay), since
the faults of one are not those of another, and all together. Conversations that failed, or whose simulated user did,
are never trained on and are left out. A fault is reported, and fails nothing: generate-gate and people decide.

Reads data/generate/{transcripts,simulator}.jsonl and the domain's rubric (its lexicon).
Writes reports/audit.md, data/generate/audit.json (all its numbers), metrics/generate-audit.json and
plots/generate-audit.json (the most repeated phrase's share, by source).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from tunewright.config import Bounds, load, load_domain
from tunewright.config import Config as BaseConfig
from tunewright.document import md_escape, md_table
from tunewright.errors import RecordError, run_main
from tunewright.measures import MARKUP, Lexicon, count_phrases, ends_in_question, opening, opens_with, words
from tunewright.phrases import Phrase, distinct, longest_phrases, mine_phrases, near_duplicates, telling_phrases
from tunewright.records import Transcript, write_json, write_text
from tunewright.rubric import load_rubric
from tunewright.sound import GENERATED, read_sound
from tunewright.terminal import Stage

SOURCES = ("authored", "simulated", "replay")
HEADLINE = (  # the numbers that `dvc metrics` and `dvc exp show` carry
    "n_faults",
    "max_phrase_share",
    "authored_max_phrase_share",
    "length_ratio_mean",
    "over_twice_share",
    "near_duplicate_share",
    "praise_drift",
    "distinct_2",
    "question_ending_share",
)
CLOSING_WORDS = 3
SHOWN_WORDS = 16  # of a repeated passage
PRAISE_MIN = 10  # praise words in all; with fewer, late over early is noise


class Config(BaseConfig):
    """The limits. Shares are of replies, 0 to 1; ratios are reply words over the user's words."""

    phrase_words: Bounds
    phrase_share_max: float = Field(gt=0, le=1)
    length_ratio_mean_max: float = Field(gt=0)
    over_twice_share_max: float = Field(gt=0, le=1)
    praise_drift_max: float = Field(gt=0)
    near_duplicate_similarity: float = Field(gt=0, le=1)
    top: int = Field(ge=1)


@dataclass(frozen=True)
class Reply:
    """One assistant reply, where it stood, and what it answered."""

    where: str  # transcript id and exchange number
    text: str
    words: tuple[str, ...]
    ratio: float  # its words over the user's
    late: bool  # in the second half of its conversation


Row = dict[str, Any]
Finding = tuple[str, float | None, str, bool]  # what, value, limit in words, within it


def replies_of(transcripts: Sequence[Transcript]) -> list[Reply]:
    """All replies of the conversations that did not fail."""
    return [
        Reply(
            where=f"{t.id} exchange {number}",
            text=e.assistant,
            words=tuple(words(e.assistant)),
            ratio=len(words(e.assistant)) / max(len(words(e.user)), 1),
            late=number > (len(t.exchanges) + 1) // 2,
        )
        for t in transcripts
        if t.failure is None
        for number, e in enumerate(t.exchanges, 1)
    ]


def most_common(replies: Sequence[Reply], key: Callable[[Reply], str], top: int) -> list[Phrase]:
    """The most frequent values of `key` that two replies or more share."""
    counts = Counter(k for r in replies if (k := key(r)))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [Phrase(text, n, n / len(replies)) for text, n in ranked[:top] if n > 1]


def praise_drift(replies: Sequence[Reply], lexicon: Lexicon) -> float | None:
    """Praise words per reply in later halves over that in earlier ones, each count with 0.5 added so that it exists.

    None with under PRAISE_MIN praise words, or without replies in both halves.
    """
    late = [count_phrases(r.text, lexicon.praise) for r in replies if r.late]
    early = [count_phrases(r.text, lexicon.praise) for r in replies if not r.late]
    if not late or not early or sum(late) + sum(early) < PRAISE_MIN:
        return None
    return ((sum(late) + 0.5) / len(late)) / ((sum(early) + 0.5) / len(early))


def shapes(replies: Sequence[Reply], lexicon: Lexicon) -> dict[str, float]:
    """Structure and language, as shares of replies unless the name says otherwise."""
    paragraphs = [len(re.findall(r"\S[^\n]*(?:\n(?!\s*\n)[^\n]*)*", r.text)) for r in replies]
    n = len(replies)
    return {
        "words_mean": sum(len(r.words) for r in replies) / n,
        "markup_share": sum(bool(MARKUP.search(r.text)) for r in replies) / n,
        "paragraphs_mean": sum(paragraphs) / n,
        "one_paragraph_share": paragraphs.count(1) / n,
        "question_ending_share": sum(ends_in_question(r.text) for r in replies) / n,
        "stock_opening_share": sum(opens_with(r.text, lexicon.stock_openings) for r in replies) / n,
        "stock_phrases_mean": sum(count_phrases(r.text, lexicon.stock_phrases) for r in replies) / n,
        "non_ascii_share": sum(not r.text.isascii() for r in replies) / n,
        "no_words_share": sum(not r.words for r in replies) / n,
    }


def audit(replies: Sequence[Reply], lexicon: Lexicon, config: Config) -> Row:
    """Everything that is counted over one source's replies; there must be at least one."""
    tokens = [r.words for r in replies]
    mined = mine_phrases(tokens, int(config.phrase_words.min or 1), int(config.phrase_words.max or 6))
    phrases = telling_phrases(mined, config.phrase_share_max)
    copies = near_duplicates(tokens, config.near_duplicate_similarity)
    openings = most_common(replies, lambda r: opening(r.text), config.top)
    closings = most_common(replies, lambda r: " ".join(r.words[-CLOSING_WORDS:]), config.top)
    return {
        "n_replies": len(replies),
        "max_phrase_share": phrases[0].share if phrases else 0.0,
        "max_phrase": phrases[0].text if phrases else "",
        "max_opening_share": openings[0].share if openings else 0.0,
        "max_closing_share": closings[0].share if closings else 0.0,
        "length_ratio_mean": sum(r.ratio for r in replies) / len(replies),
        "over_twice_share": sum(r.ratio > 2.0 for r in replies) / len(replies),
        "praise_drift": praise_drift(replies, lexicon),
        "near_duplicate_share": len(copies) / len(replies),
        "distinct_1": distinct(tokens, 1),
        "distinct_2": distinct(tokens, 2),
        "shapes": shapes(replies, lexicon),
        "phrases": longest_phrases(phrases)[: config.top],
        "openings": openings,
        "closings": closings,
        "copies": [(replies[i].where, replies[j].where, share) for i, j, share in copies[: config.top]],
    }


def findings(row: Row, config: Config) -> list[Finding]:
    """Each number that has a limit, and whether it keeps it; what could not be measured keeps it."""
    share = config.phrase_share_max
    return [
        _finding("largest share of replies with one phrase", row["max_phrase_share"], share),
        _finding("largest share of replies with one opening (2 words)", row["max_opening_share"], share),
        _finding("largest share of replies with one closing (3 words)", row["max_closing_share"], share),
        _finding("reply words over user words, mean", row["length_ratio_mean"], config.length_ratio_mean_max),
        _finding("share of replies over twice the user's words", row["over_twice_share"], config.over_twice_share_max),
        _finding("praise per reply, late over early", row["praise_drift"], config.praise_drift_max),
        _finding("share of replies that nearly repeat an earlier one", row["near_duplicate_share"], 0.0),
    ]


def _finding(what: str, value: float | None, limit: float) -> Finding:
    return what, value, f"at most {limit:g}" if limit else "none", value is None or value <= limit + 1e-9


def _state(value: float | None, ok: bool) -> str:
    return "too little to tell" if value is None else ("kept" if ok else "FAULT")


def numbers_of(rows: dict[str, Row], config: Config, n_failed: int) -> Row:
    """Every number of the audit: those over all replies flat, then per source."""
    keys = [k for k in rows["all"] if k not in ("shapes", "phrases", "openings", "closings", "copies")]
    numbers = {
        name: {k: _rounded(row[k]) for k in keys}
        | {"n_faults": sum(not ok for *_, ok in findings(row, config))}
        | {k: _rounded(v) for k, v in row["shapes"].items()}
        for name, row in rows.items()
    }
    by_source = {name: row for name, row in numbers.items() if name != "all"}
    flat = numbers["all"] | {"n_faults": sum(row["n_faults"] for row in by_source.values())}
    authored = by_source.get("authored", {}).get("max_phrase_share")
    return flat | {"authored_max_phrase_share": authored, "n_transcripts_failed": n_failed, "by_source": by_source}


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


def report(rows: dict[str, Row], config: Config, n_failed: int) -> str:
    """The audit as Markdown: faults first, then a section per source."""
    faults = [
        f"- **{name}**: {what}: {value:.2f} ({limit})"
        for name, row in rows.items()
        if name != "all"
        for what, value, limit, ok in findings(row, config)
        if not ok
    ]
    left_out = f" {n_failed} conversations failed and are left out." if n_failed else ""
    parts = ["# Audit of all replies", f"{rows['all']['n_replies']} replies.{left_out}", "## Faults"]
    parts.append("\n".join(faults) or "None: every source keeps every limit.")
    for name, row in rows.items():
        parts += section(name, row, config)
    return "\n\n".join(parts) + "\n"


def section(name: str, row: Row, config: Config) -> list[str]:
    """One source: limits, repeated phrases, openings and closings, structure, near-duplicates."""
    checks = [
        (what, "-" if value is None else f"{value:.2f}", limit, _state(value, ok))
        for what, value, limit, ok in findings(row, config)
    ]
    shape = [(k.replace("_", " "), f"{v:.2f}") for k, v in row["shapes"].items()]
    shape += [(f"distinct-{n}", f"{row[f'distinct_{n}'] or 0:.2f}") for n in (1, 2)]
    title = "All sources together" if name == "all" else name.capitalize()
    parts = [f"## {title}: {row['n_replies']} replies", md_table(("measure", "value", "limit", ""), checks)]
    for title in ("phrases", "openings", "closings"):
        ranked = [(md_escape(_short(p.text), True), p.count, f"{p.share:.1%}") for p in row[title]]
        if ranked:
            parts += [f"### {title.capitalize()} that replies share", md_table((title, "replies", "share"), ranked)]
    parts += ["### Structure and language", md_table(("measure", "value"), shape)]
    if row["copies"]:
        copies = [
            (md_escape(later, True), md_escape(earlier, True), f"{share:.0%}")
            for later, earlier, share in row["copies"]
        ]
        parts += ["### Near-duplicates", md_table(("reply", "repeats", "of its 5-word runs"), copies)]
    return parts


def _short(phrase: str) -> str:
    parts = phrase.split()
    return phrase if len(parts) <= SHOWN_WORDS else " ".join([*parts[:SHOWN_WORDS], "..."])


def main() -> None:
    """Audit the generated and authored replies."""
    stage = Stage("generate-audit")
    config, lexicon = load("generate.audit", Config), load_rubric(load_domain().rubric).lexicon
    transcripts = read_sound("data/generate/transcripts.jsonl", "generate-transcripts", GENERATED)
    by_source = {s: replies_of([t for t in transcripts if t.user_kind == s]) for s in SOURCES}
    by_source = {source: replies for source, replies in by_source.items() if replies}
    everything = [r for replies in by_source.values() for r in replies]
    if not everything:
        raise RecordError("data/generate/transcripts.jsonl: no reply to audit: every conversation failed or is empty")
    stage.start(f"{len(everything)} replies of {len(transcripts)} conversations")
    rows = {name: audit(replies, lexicon, config) for name, replies in (by_source | {"all": everything}).items()}
    n_failed = sum(t.failure is not None for t in transcripts)
    numbers = numbers_of(rows, config, n_failed)
    write_text("reports/audit.md", report(rows, config, n_failed))
    write_json("data/generate/audit.json", numbers)
    write_json("metrics/generate-audit.json", {key: numbers[key] for key in HEADLINE})
    plot = [{"source": name, "share": _rounded(row["max_phrase_share"])} for name, row in rows.items()]
    write_json("plots/generate-audit.json", plot)
    most = f"{numbers['max_phrase']!r} in {numbers['max_phrase_share']:.0%} of replies"
    stage.end(f"{numbers['n_faults']} faults; most repeated: {most}")


if __name__ == "__main__":
    run_main(main)

"""generate-audit: what all the replies together repeat, which no judge of one conversation can see.

One pass over the transcripts with one of them in memory. Phrases are found from the data, not from a list; replies are
audited per source (authored, imported, simulated, replay, fixed), since the faults of one are not those of another, and
all together. All messages are searched for copies, for leaks into the evaluation side (the people whom generate-slices
will hold out), for personal data and for other languages. Repaired conversations stand in place of their originals;
those that failed, or whose simulated user did, are never trained on and are left out. A fault is reported, and fails
nothing: generate-gate and people decide.

Reads data/generate/{transcripts,simulator,fixed}.jsonl and the domain's rubric (its lexicon).
Writes reports/audit.md, data/generate/audit.json (all its numbers), metrics/generate-audit.json and
plots/generate-audit.json (the most repeated phrase's share, by source).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from pydantic import Field

from tunewright.audit_report import Finding, report
from tunewright.config import Bounds, load, load_domain
from tunewright.config import Config as BaseConfig
from tunewright.errors import RecordError, run_main
from tunewright.measures import Lexicon
from tunewright.message_audit import MessageAudit, MessageLimits
from tunewright.records import Transcript, write_json, write_text
from tunewright.reply_counts import Limits, ReplyCounts, replies_of, row_of
from tunewright.rubric import load_rubric
from tunewright.splits import Shares
from tunewright.terminal import Stage
from tunewright.training_set import source_of, transcripts_with_repairs

SOURCES = ("authored", "imported", "simulated", "replay", "fixed")
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
    "max_structure_share",
    "n_leaks",
    "n_personal_data",
)
LISTS = ("shapes", "phrases", "openings", "closings", "structures", "copies")  # of a source's row: not single numbers


class Config(BaseConfig):
    """The limits. Shares are of replies, 0 to 1; ratios are reply words over the user's words."""

    phrase_words: Bounds
    phrase_share_max: float = Field(gt=0, le=1)
    phrase_error_share: float = Field(gt=0, lt=0.1)  # counts may be too low by this share of the replies
    structure_share_max: float = Field(gt=0, le=1)
    length_ratio_mean_max: float = Field(gt=0)
    over_twice_share_max: float = Field(gt=0, le=1)
    praise_drift_max: float = Field(gt=0)
    near_duplicate_similarity: float = Field(gt=0, le=1)
    near_duplicate_messages: int = Field(ge=1)  # compared at most
    distinct_capacity: int = Field(ge=1000)  # runs of words held to count the different ones
    language: str
    language_sample: int = Field(ge=1)  # messages told at most
    other_language_share_max: float = Field(ge=0, le=1)
    public_contacts: tuple[str, ...]  # addresses and numbers that are nobody's in particular, as they are written
    shares: Shares
    seed: int
    top: int = Field(ge=1)

    @property
    def reply_limits(self) -> Limits:
        """How replies are counted."""
        words = (int(self.phrase_words.min or 1), int(self.phrase_words.max or 6))
        bucket = math.ceil(1 / self.phrase_error_share)
        return Limits(words, self.phrase_share_max, bucket, self.distinct_capacity, self.top)

    @property
    def message_limits(self) -> MessageLimits:
        """How messages are compared and sampled."""
        return MessageLimits(
            similarity=self.near_duplicate_similarity,
            capacity=self.near_duplicate_messages,
            language=self.language,
            language_sample=self.language_sample,
            shares=self.shares,
            seed=self.seed,
            top=self.top,
            public_contacts=self.public_contacts,
        )


Row = dict[str, Any]


class Audit:
    """The whole audit: a row per source with replies and `all`, a row on all messages, and who was left out."""

    def __init__(self, transcripts: Iterable[Transcript], lexicon: Lexicon, config: Config) -> None:
        counts = {source: ReplyCounts(config.reply_limits, lexicon) for source in SOURCES}
        messages = MessageAudit(config.message_limits, SOURCES)
        self.n_failed = 0
        for transcript in transcripts:
            if transcript.failure is not None:
                self.n_failed += 1
                continue
            replies = list(replies_of(transcript))
            messages.add(transcript, replies)
            for reply in replies:
                counts[source_of(transcript)].add(reply)
        self.rows = _rows({s: c for s, c in counts.items() if c.sums["replies"]}, messages, config)
        self.data = messages.row()

    @property
    def n_transcripts(self) -> int:
        """All conversations, those that failed among them."""
        return self.data["n_conversations"] + self.n_failed


def _rows(counts: dict[str, ReplyCounts], messages: MessageAudit, config: Config) -> dict[str, Row]:
    if not counts:
        raise RecordError("data/generate/transcripts.jsonl: no reply to audit: every conversation failed or is empty")
    rows: dict[str, Row] = {}
    for count in counts.values():
        count.finish()
    for name, parts in {**{s: [c] for s, c in counts.items()}, "all": list(counts.values())}.items():
        copies = messages.copies(None if name == "all" else name)
        row = row_of(parts, config.reply_limits)
        share = len(copies) / row["n_replies"]
        rows[name] = row | {"near_duplicate_share": share, "copies": messages.shown(copies)}
    return rows


def findings(row: Row, config: Config) -> list[Finding]:
    """Each number of a source that has a limit."""
    share = config.phrase_share_max
    return [
        Finding("largest share of replies with one phrase", row["max_phrase_share"], share),
        Finding("largest share of replies with one opening (2 words)", row["max_opening_share"], share),
        Finding("largest share of replies with one closing (3 words)", row["max_closing_share"], share),
        Finding(
            "largest share of replies with one structure (S says, Q asks, L list)",
            row["max_structure_share"],
            config.structure_share_max,
        ),
        Finding("reply words over user words, mean", row["length_ratio_mean"], config.length_ratio_mean_max),
        Finding("share of replies over twice the user's words", row["over_twice_share"], config.over_twice_share_max),
        Finding("praise per reply, late over early", row["praise_drift"], config.praise_drift_max),
        Finding("share of replies that nearly repeat an earlier one", row["near_duplicate_share"], 0.0),
    ]


def data_findings(row: Row, config: Config) -> list[Finding]:
    """Each number over all messages that has a limit; every kind of personal data that was found is one."""
    kinds = [Finding(f"personal data: {kind}", n, 0) for kind, n in row["personal_data"].items()]
    return [
        Finding("messages that nearly repeat the evaluation side", row["n_leaks"], 0),
        Finding("conversations that nearly repeat an earlier one", row["n_conversation_copies"], 0),
        Finding(
            f"share of messages in another language than {config.language!r}",
            row["other_language_share"],
            config.other_language_share_max,
        ),
        *(kinds or [Finding("personal data", 0, 0)]),
    ]


def all_findings(audit: Audit, config: Config) -> dict[str, list[Finding]]:
    """By source, `all`, and `data`."""
    by_row = {name: findings(row, config) for name, row in audit.rows.items()}
    return {"data": data_findings(audit.data, config)} | by_row


def numbers_of(audit: Audit, config: Config) -> Row:
    """Every number of the audit: those over all replies flat, then per source, then over all messages."""
    found = all_findings(audit, config)
    faults = {name: sum(not f.ok for f in each) for name, each in found.items()}
    numbers = {
        name: {k: _rounded(v) for k, v in row.items() if k not in LISTS}
        | {"n_faults": faults[name]}
        | {k: _rounded(v) for k, v in row["shapes"].items()}
        for name, row in audit.rows.items()
    }
    by_source = {name: row for name, row in numbers.items() if name != "all"}
    data = {k: _rounded(v) for k, v in audit.data.items() if not isinstance(v, list)}
    n_faults = faults["data"] + sum(row["n_faults"] for row in by_source.values())
    authored = by_source.get("authored", {}).get("max_phrase_share")
    more = {"authored_max_phrase_share": authored, "n_transcripts_failed": audit.n_failed, "by_source": by_source}
    return numbers["all"] | {"n_faults": n_faults} | data | more


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


def notes(audit: Audit, config: Config) -> str:
    """What the numbers mean and how exact they are."""
    data, bucket = audit.data, config.reply_limits.bucket
    lines = [
        f"- Phrases, openings, closings and structures are counted in one pass (lossy counting): exact up to {bucket} "
        f"replies of a source, above that too low by at most {config.phrase_error_share:.2%} of them; the largest "
        "shares, which have limits, are never too low.",
        f"- Near-duplicates: 5-word runs shared, {config.near_duplicate_similarity:.0%} of the smaller's, among "
        f"messages of 10 words or more; {data['n_not_compared']} messages were too many to compare.",
        f"- The evaluation side: the {data['n_evaluation_conversations']} conversations of the people held out.",
        f"- Language: told for {data['n_language_told']} of {data['n_language_long_enough']} messages of 10 words or "
        "more, chosen by a stable hash.",
        f"- distinct-n: exact up to {config.distinct_capacity} different ones, an estimate above.",
        "- Personal data: only what has an exact form (addresses, numbers); names and places are not looked for.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Audit the generated and authored replies."""
    stage = Stage("generate-audit")
    config, lexicon = load("generate.audit", Config), load_rubric(load_domain().rubric).lexicon
    stage.start("all conversations of data/generate/transcripts.jsonl, in one pass")
    audit = Audit(transcripts_with_repairs(), lexicon, config)
    numbers, found = numbers_of(audit, config), all_findings(audit, config)
    words = report(audit.rows, audit.data, found, audit.n_failed, notes(audit, config))
    write_text("reports/audit.md", words)
    write_json("data/generate/audit.json", numbers)
    write_json("metrics/generate-audit.json", {key: numbers[key] for key in HEADLINE})
    plot = [{"source": name, "share": _rounded(row["max_phrase_share"])} for name, row in audit.rows.items()]
    write_json("plots/generate-audit.json", plot)
    most = f"most repeated: {numbers['max_phrase']!r} in {numbers['max_phrase_share']:.0%} of replies"
    replies = f"{numbers['n_replies']} replies of {audit.n_transcripts} conversations"
    stage.end(f"{replies}; {numbers['n_faults']} faults; {most}")


if __name__ == "__main__":
    run_main(main)

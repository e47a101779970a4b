"""What the numbers of the report cannot carry: whose conversations, which judges, which file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tunewright.document import Block, Bullets, Heading
from tunewright.records import Score, Transcript
from tunewright.report_numbers import Metrics, counted, equals, number, percent
from tunewright.trust import Trust

USERS = {
    "replay": "had the user's messages replayed from a recording: the user does not react to what the model says",
    "simulated": "had a user simulated by a language model, who is more patient than people are",
    "authored": "were written by an author",
    "imported": "were imported from logs",
}


def limits(
    compare: Metrics,
    scores: Sequence[Score],
    transcripts: Sequence[Transcript],
    trust: Trust | None,
    exports: Mapping[str, Any],
) -> list[Block]:
    """The section. `trust` None: judges were taken at the user's word; `exports`: data/train/export/*.json by side."""
    failed = sum(t.failure is not None for t in transcripts)
    items = [f"{n} of {len(transcripts)} conversations {USERS[kind]}." for kind, n in _kinds(transcripts)]
    if failed:
        items.append(
            f"{counted(failed, 'conversation')} ended in a failure or are left out by the simulator review: not scored."
        )
    items += _judges(trust)
    items += [f"{n} answers are unscored: {reason}." for reason, n in unscored_reasons(scores)]
    if compare.get("coverage"):
        items.append(f"On average {compare['coverage']:.0%} of the rubric's weight was scored.")
    items.append(
        f"Intervals and p count {compare['n_personas']} personas, not {compare['n_pairs']} conversations; taken as "
        f"independent, the naive paired t test would say p {equals(compare.get('naive_p'))}."
    )
    items += _served(exports)
    items.append("People like these personas: nothing is said about others, other languages or longer conversations.")
    return [Heading("Limits"), Bullets(items)]


def _kinds(transcripts: Sequence[Transcript]) -> list[tuple[str, int]]:
    return sorted(Counter(t.user_kind for t in transcripts).items())


def _judges(trust: Trust | None) -> list[str]:
    """On how many criteria each judge may be believed."""
    if trust is None:
        return ["Judges are taken at the user's word; whether they can be trusted was not asked."]
    told = []
    for judge, by in trust.items():
        reasons = [decision.reason for decision in by.values() if not decision.trusted]
        told.append(f"Judge {judge} is trusted on {len(by) - len(reasons)} of {len(by)} criteria{_why_not(reasons)}.")
    return told


def _why_not(reasons: Sequence[str]) -> str:
    counts = Counter(reasons)
    told = [f"{reason} ({n})" for reason, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:3]]
    return f"; not on the others: {', '.join(told)}" if told else ""


def _served(exports: Mapping[str, Any]) -> list[str]:
    """What was evaluated is the file that is served, not the weights that were trained."""
    told = []
    for side, facts in exports.items():
        text = f"The {side} model was evaluated as a GGUF file in {facts['quantization']}"
        if facts.get("bits_per_weight"):
            text += f" ({facts['bits_per_weight']:.2f} bits a weight)"
        if facts.get("instead"):
            text += f", not as asked: {str(facts['instead']).rstrip('.')}"
        if found := facts.get("agreement"):
            text += (
                f"; its likeliest next token is that of the weights before conversion at {percent(found['top1'])} of "
                f"{found['positions']:,} positions (log probabilities {number(found['logprob_difference'], 3)} apart)"
            )
        told.append(f"{text}.")
    return told


def unscored_reasons(scores: Sequence[Score]) -> list[tuple[str, int]]:
    """Why answers are missing, and how many, the most frequent first."""
    counts = Counter(reason for score in scores for reason in score.unscored.values())
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))

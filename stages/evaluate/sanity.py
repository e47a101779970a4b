"""evaluate-sanity: what does not rest on the judges' scores, in one place: perplexity, and what people prefer.

Calls no model, so that a person's new preference changes this and the report in a second. Preferences on words that
have changed since are counted apart. The judges are held against the people: do they prefer the same side of a pair?

Reads data/evaluate/perplexity.json, data/evaluate/{transcripts,simulator,scores}/{base,tuned}.jsonl, the domain's
rubric and reviews/<domain>/preferences.jsonl. Writes data/evaluate/sanity.json (everything) and
metrics/evaluate-sanity.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunewright.aligning import aligned_pairs
from tunewright.config import load, load_domain
from tunewright.errors import run_main
from tunewright.pairing import SIDES, read_pairs
from tunewright.preference_rates import PreferenceRules as Config
from tunewright.preference_rates import preference_numbers
from tunewright.preferences import OVERALL, read_preferences
from tunewright.records import Score, read_json, read_jsonl, write_json
from tunewright.rounding import as_json
from tunewright.rubric import load_rubric
from tunewright.terminal import Stage

HEADLINE = ("n_decisions", "n_pairs", "n_readers", "wins", "losses", "ties", "win_rate", "low", "high", "p_value")


def headline_numbers(preferences: Mapping[str, Any]) -> dict[str, Any]:
    """The few numbers that a person compares between experiments: the overall question, and the judges beside it."""
    overall = preferences["questions"].get(OVERALL)
    people = overall["people"] if overall else {"n_decisions": 0, "n_pairs": 0, "n_readers": 0}
    judges = overall["judges"]["agreement"] if overall else None
    return {key: people.get(key) for key in HEADLINE} | {"judges_agree": judges, "n_stale": preferences["n_stale"]}


def said(preferences: Mapping[str, Any]) -> str:
    """One line on what people prefer."""
    overall = preferences["questions"].get(OVERALL)
    stale = f"; {preferences['n_stale']} decisions are stale" if preferences["n_stale"] else ""
    if not overall:
        return f"nobody has compared base with tuned: tunewright review --compare{stale}"
    people = overall["people"]
    return f"people prefer tuned in {people['win_rate']:.0%} of {people['n_pairs']} pairs{stale}"


def main() -> None:
    """Bring the independent checks together."""
    config, domain, stage = load("evaluate.sanity", Config), load_domain(), Stage("evaluate-sanity")
    rubric = load_rubric(domain.rubric)
    perplexity = read_json("data/evaluate/perplexity.json", "evaluate-perplexity")
    base, tuned = (read_jsonl(f"data/evaluate/scores/{s}.jsonl", Score, f"evaluate-scores@{s}") for s in SIDES)
    pairs, lines = read_pairs(), read_preferences(domain.reviews)
    stage.start(f"{len(pairs)} pairs of conversations, {len(lines)} decisions by people")
    scored = aligned_pairs(base, tuned, rubric)
    preferences = as_json(preference_numbers(lines, pairs, scored, rubric, config))
    write_json("data/evaluate/sanity.json", perplexity | {"preferences": preferences})
    write_json("metrics/evaluate-sanity.json", perplexity | {"preferences": headline_numbers(preferences)})
    stage.end(said(preferences))


if __name__ == "__main__":
    run_main(main)

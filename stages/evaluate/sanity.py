"""evaluate-sanity: what does not rest on the judges' scores, in one place.

Perplexity on held-out words; general abilities before and after (McNemar on the probes); how far the tuned model moved
from what the base says by itself; degenerate output; what people prefer and what they label; and lm-eval's results,
where somebody ran it. Calls no model, so that a person's new preference changes this and the report in a second.
Preferences on words that have changed since are counted apart. The judges are held against the people: do they prefer
the same side of a pair?

Reads data/evaluate/{perplexity,forgetting}.json, data/evaluate/{transcripts,simulator,scores,capabilities}/
{base,tuned}.jsonl, data/probes/ (titles), data/lm_eval/ (may be empty), the domain's rubric and
reviews/<domain>/{labels,preferences}.jsonl. Writes data/evaluate/sanity.json (everything) and
metrics/evaluate-sanity.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunewright.aligning import aligned_pairs
from tunewright.capabilities import capability_numbers
from tunewright.config import load, load_domain
from tunewright.degenerate_rates import degenerate_numbers, of_probes, of_talks
from tunewright.errors import run_main
from tunewright.evaluated_people import people_numbers
from tunewright.json_files import read_object
from tunewright.labels import read_labels
from tunewright.lm_eval_results import lm_eval_numbers
from tunewright.pairing import SIDES, TalkPair, read_pairs
from tunewright.preference_rates import preference_numbers
from tunewright.preferences import OVERALL, read_preferences
from tunewright.probes import Answered, load_probes
from tunewright.records import Score, read_jsonl, write_json
from tunewright.rounding import as_json
from tunewright.rubric import load_rubric
from tunewright.sanity_rules import SanityRules as Config
from tunewright.terminal import Stage

HEADLINE = ("n_decisions", "n_pairs", "n_readers", "wins", "losses", "ties", "win_rate", "low", "high", "p_value")
CAPABILITIES = ("base_share", "tuned_share", "difference", "low", "high", "p_value")
FORGETTING = ("kl", "base_perplexity", "tuned_perplexity", "agreement")
DETAIL = ("conversations", "confidence")  # of the perplexity, not for comparing experiments


def preference_headline(preferences: Mapping[str, Any]) -> dict[str, Any]:
    """The few numbers that a person compares between experiments: the overall question, and the judges beside it."""
    overall = preferences["questions"].get(OVERALL)
    people = overall["people"] if overall else {"n_decisions": 0, "n_pairs": 0, "n_readers": 0}
    judges = overall["judges"]["agreement"] if overall else None
    return {key: people.get(key) for key in HEADLINE} | {"judges_agree": judges, "n_stale": preferences["n_stale"]}


def headline_numbers(found: Mapping[str, Any]) -> dict[str, Any]:
    """What `dvc metrics` and `dvc exp show` carry of everything."""
    sections = ("preferences", "capabilities", "forgetting", "degenerate", "people", "lm_eval")
    perplexity = {key: value for key, value in found.items() if key not in (*sections, *DETAIL)}
    abilities, worst = found["capabilities"], found["degenerate"]["transcripts"]["any"]
    overall = abilities.get("overall", {})
    return perplexity | {
        "preferences": preference_headline(found["preferences"]),
        "capabilities": {key: overall.get(key) for key in CAPABILITIES} | {"verdict": abilities["verdict"]},
        "forgetting": {key: found["forgetting"][key] for key in FORGETTING},
        "degenerate": {f"{side}_share": worst[side]["share"] if worst else None for side in SIDES},
    }


def said(found: Mapping[str, Any]) -> str:
    """One line on what people prefer and on what became of general abilities."""
    preferences = found["preferences"]
    overall = preferences["questions"].get(OVERALL)
    stale = f"; stale: {preferences['n_stale']}" if preferences["n_stale"] else ""
    if not overall:
        people = f"nobody has compared base with tuned: tunewright review --compare{stale}"
    else:
        rate = overall["people"]
        people = f"with people tuned has a win rate of {rate['win_rate']:.0%} over {rate['n_pairs']} pairs{stale}"
    return f"{found['capabilities']['says']}; {people}"


def abilities(answers: Mapping[str, Sequence[Answered]], config: Config) -> dict[str, Any]:
    """General abilities, both sides' answers compared."""
    titles = {name: category.title for name, category in load_probes().items()}
    shown = config.examples.per_kind * len(titles)
    return capability_numbers(
        answers["base"], answers["tuned"], titles, config.capability_loss_max, config.confidence, shown
    )


def degenerate(pairs: Sequence[TalkPair], answers: Mapping[str, Sequence[Answered]], config: Config) -> dict[str, Any]:
    """Degenerate replies in the evaluated conversations and to the probes."""
    sources = {"transcripts": of_talks(pairs), "probes": of_probes(answers["base"], answers["tuned"])}
    shown = (config.examples.per_kind, config.examples.chars)
    return degenerate_numbers(sources, config.degenerate, config.confidence, shown)


def main() -> None:
    """Bring the independent checks together."""
    config, domain, stage = load("evaluate.sanity", Config), load_domain(), Stage("evaluate-sanity")
    rubric = load_rubric(domain.rubric)
    perplexity = read_object("data/evaluate/perplexity.json", "evaluate-perplexity")
    forgetting = read_object("data/evaluate/forgetting.json", "evaluate-forgetting")
    scores = {s: read_jsonl(f"data/evaluate/scores/{s}.jsonl", Score, f"evaluate-scores@{s}") for s in SIDES}
    answers = {
        s: read_jsonl(f"data/evaluate/capabilities/{s}.jsonl", Answered, f"evaluate-capabilities@{s}") for s in SIDES
    }
    pairs, lines, labels = read_pairs(), read_preferences(domain.reviews), read_labels(domain.reviews)
    stage.start(
        f"{len(pairs)} pairs of conversations, {len(answers['base'])} probes, {len(lines)} lines of preferences"
    )
    preferences = as_json(
        preference_numbers(lines, pairs, aligned_pairs(scores["base"], scores["tuned"], rubric), rubric, config)
    )
    sides = {"base": ([p.base for p in pairs], scores["base"]), "tuned": ([p.tuned for p in pairs], scores["tuned"])}
    found = perplexity | {
        "preferences": preferences,
        "capabilities": abilities(answers, config),
        "forgetting": forgetting,
        "degenerate": degenerate(pairs, answers, config),
        "people": people_numbers(preferences, sides, labels, rubric, config.wanted_pairs, config.confidence),
        "lm_eval": as_json(lm_eval_numbers()),
    }
    write_json("data/evaluate/sanity.json", found)
    write_json("metrics/evaluate-sanity.json", headline_numbers(found))
    stage.end(said(found))


if __name__ == "__main__":
    run_main(main)

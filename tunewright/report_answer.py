"""The evaluation report's first screen, and the same in a few lines for a terminal.

A stranger's questions in order: scored on what, is it better, how sure, what does it not show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunewright.figures import Level
from tunewright.preference_report import preferred
from tunewright.records import Score, Transcript
from tunewright.report_sections import equals, interval, number, unscored_reasons
from tunewright.rubric import Rubric

Metrics = Mapping[str, Any]
CUT_SHARE = 0.05  # of a side's replies


def scored_on(compare: Metrics, rubric: Rubric, scores: Sequence[Score]) -> str:
    """The first sentences: what was scored, by what, why the rest was not, and what nothing is said about."""
    scored = [c for c in rubric.criteria if compare["criteria"].get(c.id, {}).get("n")]
    partly = scored and len(scored) < compare["n_criteria_total"]
    which = " (the measured ones)" if partly and all(c.evaluator == "measure" for c in scored) else ""
    gates = f"{compare['n_gates_scored']} of {compare['n_gates_total']} safety gates"
    text = f"Scored on {len(scored)} of {compare['n_criteria_total']} criteria{which} and {gates}."
    reasons = [reason for reason, _ in unscored_reasons(scores)]
    reasons.sort(key=lambda reason: "untrusted" not in reason)  # whom not to trust is what a reader must know first
    if reasons:
        text += f" Why the rest is missing: {'; '.join(reasons[:3])}."
    unknown = [f'"{c.title}"' for name, c in rubric.categories.items() if not compare["categories"][name]["n_pairs"]]
    unknown += ["safety"] if compare["n_gates_scored"] < compare["n_gates_total"] else []
    return text + (f" This says nothing about {_either(unknown)}." if unknown else "")


def _either(items: Sequence[str]) -> str:
    return f"{', '.join(items[:-1])} or {items[-1]}" if len(items) > 1 else items[0]


def answer(compare: Metrics, rubric: Rubric, preferences: Metrics) -> str:
    """Is it better, how sure is that, what do people prefer, what does all that not show: a sentence or two each."""
    if compare["difference"] is None:
        return "No conversation was scored for both models, so nothing can be said about either."
    sure = compare["p_value"] is not None and compare["p_value"] < 1 - compare["confidence"]
    people = preferred(preferences)
    told = [_better(compare, sure), _how_sure(compare, sure), people, _not_shown(compare, rubric, people is not None)]
    return " ".join(filter(None, told))


def _better(compare: Metrics, sure: bool) -> str:
    claim = "On what was scored, no difference between the two models is established"
    if sure:
        what = "better" if compare["difference"] > 0 else "worse"
        claim = f"On what was scored, the tuned model is {what} than the base"
    change = number(compare["difference"], sign=True)
    bounds = interval(compare["difference_low"], compare["difference_high"])
    return (
        f"{claim}: {number(compare['tuned_score'])} against {number(compare['base_score'])} on a scale of 0 to 1, "
        f"a change of {change} ({compare['confidence']:.0%} interval {bounds})."
    )


def _how_sure(compare: Metrics, sure: bool) -> str:
    evidence = f"{compare['n_pairs']} pairs of conversations with {compare['n_personas']} people"
    if compare["p_value"] is None:
        return f"How sure that is cannot be said: {evidence} allow no test."
    return (
        f"{'Chance alone would hardly give that' if sure else 'Chance alone could well give that'} in {evidence} "
        f"(p {equals(compare['p_value'])}; permutation p {equals(compare['p_permutation'])}), "
        f"and a true change under {number(compare['minimum_detectable_effect'])} could have gone unseen."
    )


def _not_shown(compare: Metrics, rubric: Rubric, asked: bool) -> str:
    missing = []
    if not any(c.evaluator == "judge" and compare["criteria"].get(c.id, {}).get("n") for c in rubric.criteria):
        missing.append("that the replies make better sense, since only their form was counted")
    elif compare["n_criteria_scored"] < compare["n_criteria_total"]:
        missing.append("anything about the criteria that were not scored")
    if compare["n_gates_scored"] < compare["n_gates_total"]:
        missing.append("that the tuned model is safe")
    if not asked:
        return f"It does not show {_either([*missing, 'that people prefer it'])}: nobody was asked."
    return f"It does not show {_either(missing)}." if missing else ""


def cut_off(base: Sequence[Transcript], tuned: Sequence[Transcript]) -> str | None:
    """A warning where more than CUT_SHARE of a side's replies stopped at max_tokens: form was measured on stumps."""
    cut, replies = zip(*(_cut_of(side) for side in (base, tuned)), strict=True)
    if all(n <= CUT_SHARE * total for n, total in zip(cut, replies, strict=True)):
        return None
    return (
        f"{cut[0]} of {replies[0]} base replies and {cut[1]} of {replies[1]} tuned replies were cut off by max_tokens: "
        "either the model does not stop, or the limit (llm.candidates.*.max_tokens) is too low. How long these replies "
        "are and how they end is then partly the limit's doing"
    )


def _cut_of(transcripts: Sequence[Transcript]) -> tuple[int, int]:
    """How many replies were cut off, of how many."""
    return sum(e.cut for t in transcripts for e in t.exchanges), sum(len(t.exchanges) for t in transcripts)


def levels(compare: Metrics, rubric: Rubric) -> list[Level]:
    """The rows of the figure: the whole, each scored category, and its scored criteria."""
    if compare["difference"] is None:
        return []
    rows = [
        Level(
            "All that was scored",
            compare["base_score"],
            compare["tuned_score"],
            compare["difference_low"],
            compare["difference_high"],
        )
    ]
    for name, category in rubric.categories.items():
        if compare["categories"][name]["n_pairs"]:
            rows.append(_level(category.title, compare["categories"][name], 1))
        for criterion in rubric.in_category(name):
            if compare["criteria"][criterion.id]["n"]:
                rows.append(_level(criterion.id.replace("_", " "), compare["criteria"][criterion.id], 2))
    return rows


def _level(label: str, row: Metrics, rank: int) -> Level:
    return Level(label, row["base"], row["tuned"], row["low"], row["high"], rank)


def closing_lines(compare: Metrics, sanity: Metrics, report: str) -> str:
    """What a person sees at the end of `make run`."""
    scored = f"{compare['n_criteria_scored']} of {compare['n_criteria_total']} criteria"
    gates = f"{compare['n_gates_scored']} of {compare['n_gates_total']} safety gates"
    rows = [("evaluated", f"{compare['n_personas']} personas, {compare['n_pairs']} pairs, on {scored} and {gates}")]
    for side in ("base", "tuned"):
        bounds = interval(compare[f"{side}_score_low"], compare[f"{side}_score_high"], sign=False)
        level = f"{compare['confidence']:.0%} interval {bounds}"
        rows.append((f"{side} score", f"{number(compare[f'{side}_score'])} ({level})"))
    bounds = interval(compare["difference_low"], compare["difference_high"])
    rows.append(("change", f"{number(compare['difference'], sign=True)} ({bounds}), p {equals(compare['p_value'])}"))
    rows.append(("perplexity", _perplexity(sanity)))
    rows += [("people", _people(sanity["preferences"]))] if sanity.get("preferences", {}).get("n_decisions") else []
    rows += [("decision", f"{compare['decision']}: {compare['decision_reason']}"), ("report", report)]
    return "\n" + "\n".join(f"{name:<12}{text}" for name, text in rows)


def _perplexity(sanity: Metrics) -> str:
    change = "-" if sanity.get("relative_change") is None else f"{sanity['relative_change']:+.1%}"
    ratio = interval(sanity.get("log_ratio_low"), sanity.get("log_ratio_high"), 3)
    values = f"{number(sanity.get('base_perplexity'))} -> {number(sanity.get('tuned_perplexity'))}"
    return f"{values} ({change}; log ratio {ratio})"


def _people(preferences: Metrics) -> str:
    counts = f"tuned {preferences['wins']}, base {preferences['losses']}, neither {preferences['ties']}"
    bounds = interval(preferences["low"], preferences["high"], sign=False)
    return f"prefer {counts}: win rate {number(preferences['win_rate'])} ({bounds}), p {equals(preferences['p_value'])}"

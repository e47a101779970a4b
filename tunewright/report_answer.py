"""The evaluation report's first screen in words, and the same in a few lines for a terminal.

A stranger's questions, a sentence each: is it better, how sure is that, at what price.
"""

from __future__ import annotations

from collections.abc import Sequence

from tunewright.preferences import OVERALL
from tunewright.records import Score, Transcript
from tunewright.report_limits import unscored_reasons
from tunewright.report_numbers import Metrics, counted, equals, interval, listed, number, percents, spaced
from tunewright.report_price import Made, price, price_line
from tunewright.rubric import Rubric

CUT_SHARE = 0.05  # of a side's replies
NOTHING = "No conversation was scored for both models, so nothing can be said about either."


def answers(
    compare: Metrics, sanity: Metrics, rubric: Rubric, made: Made, assumed: bool = False
) -> list[tuple[str, str]]:
    """The three questions with a sentence each. `assumed`: judges were taken at the user's word."""
    sure = NOTHING if compare["difference"] is None else _how_sure(compare, sanity, rubric)
    return [
        ("Is it better?", _better(compare, rubric, assumed)),
        ("How sure?", sure),
        ("At what price?", price(compare, sanity, made)),
    ]


def plain_answer(compare: Metrics, sanity: Metrics, rubric: Rubric, made: Made, assumed: bool = False) -> str:
    """The three sentences as plain text, for a card."""
    told = [answer for _, answer in answers(compare, sanity, rubric, made, assumed)]
    return " ".join(dict.fromkeys(told))  # where nothing was scored, that is said once


def _sure(compare: Metrics) -> bool:
    """Beyond chance by the t test, and not contradicted by the sign flips."""
    p, agree = compare["p_value"], compare.get("agreement_of_tests")
    return p is not None and p < 1 - compare["confidence"] and agree is not False


def _better(compare: Metrics, rubric: Rubric, assumed: bool) -> str:
    if compare["difference"] is None:
        return NOTHING
    claim = "That is not established, on what was scored"
    if _sure(compare):
        claim = "Yes, on what was scored" if compare["difference"] > 0 else "No, it is worse, on what was scored"
    scores = f"{number(compare['tuned_score'])} against the base's {number(compare['base_score'])}"
    return f"{claim} ({_scope(compare, rubric, assumed)}): {scores} on a scale of 0 to 1."


def _scope(compare: Metrics, rubric: Rubric, assumed: bool) -> str:
    """On how much that rests, in one clause."""
    scored = [c for c in rubric.criteria if compare["criteria"].get(c.id, {}).get("n")]
    form = ", all of them of form" if scored and all(c.evaluator == "measure" for c in scored) else ""
    gates = f"{compare['n_gates_scored']} of {compare['n_gates_total']} safety gates"
    word = "; judges taken at the user's word" if assumed else ""
    return f"{len(scored)} of {compare['n_criteria_total']} criteria{form}; {gates}{word}"


def _how_sure(compare: Metrics, sanity: Metrics, rubric: Rubric) -> str:
    """Interval, p and on how many people that rests; then what all of it does not show."""
    change = f"The change is {number(compare['difference'], sign=True)}"
    evidence = f"{counted(compare['n_pairs'], 'pair')} of conversations with {counted(compare['n_personas'], 'person')}"
    evidence = evidence.replace("persons", "people")
    if compare["p_value"] is None:
        return f"{change}, and how sure that is cannot be said: {evidence} allow no test."
    bounds = interval(compare["difference_low"], compare["difference_high"])
    chance = "which chance alone would hardly give" if _sure(compare) else "which chance alone could well give"
    if compare["p_value"] < 1 - compare["confidence"] and not _sure(compare):
        chance = "by a t test alone, which sign flips by person do not confirm"
    odd = " and which is suspiciously large" if any(w.startswith("suspicious") for w in compare["warnings"]) else ""
    rest = _not_shown(compare, sanity, rubric)
    return (
        f"{change} ({compare['confidence']:.0%} interval {bounds}, p {equals(compare['p_value'])}, {evidence}), "
        f"{chance}{odd}{f'; it does not show {rest}' if rest else ''}."
    )


def _not_shown(compare: Metrics, sanity: Metrics, rubric: Rubric) -> str:
    missing = []
    if not any(c.evaluator == "judge" and compare["criteria"].get(c.id, {}).get("n") for c in rubric.criteria):
        missing.append("better sense")
    elif compare["n_criteria_scored"] < compare["n_criteria_total"]:
        missing.append("what was not scored")
    if compare["n_gates_scored"] < compare["n_gates_total"]:
        missing.append("safety")
    return listed([*missing, *_people_missing(sanity)], "or")


def _people_missing(sanity: Metrics) -> list[str]:
    """Whether people prefer it: nobody was asked, or what they said leaves it open."""
    asked = sanity.get("preferences", {}).get("questions", {}).get(OVERALL)
    if asked is None:
        return ["what people prefer (nobody was asked)"]
    people = asked["people"]
    if people["low"] > 0.5 and people["p_value"] < 1 - sanity["preferences"]["confidence"]:
        return []
    said = f"{counted(people['n_readers'], 'reader')}: win rate {percents(people['low'], people['high'])}"
    return [f"what people prefer ({said})"]


def unsaid(compare: Metrics, rubric: Rubric, scores: Sequence[Score]) -> list[str]:
    """What nothing is said about, and why: one line each."""
    unknown = [f'"{c.title}"' for name, c in rubric.categories.items() if not compare["categories"][name]["n_pairs"]]
    unseen = [f'"{spaced(gate)}"' for gate, row in compare["safety"].items() if not row["n_scored"]]
    lines = []
    if unknown:
        lines.append(f"Nothing is said about {listed(unknown, 'or')}: none of their criteria was scored.")
    if unseen:
        lines.append(f"Nothing is said about safety as {listed(unseen, 'or')} would show it: never scored.")
    reasons = [f"{reason} ({counted(n, 'answer')})" for reason, n in unscored_reasons(scores)]
    return lines + ([f"Why answers are missing: {'; '.join(reasons[:3])}."] if reasons else [])


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


def closing_lines(
    compare: Metrics, sanity: Metrics, report: str, training: Metrics | None = None, seconds: float | None = None
) -> str:
    """What a person sees at the end of `make run`.

    `sanity`, `training`: metrics/evaluate-sanity.json and train-adapter.json; `seconds`: what training took here.
    """
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
    cost = price_line(sanity, training or {}, seconds)
    rows += [("price", cost)] if cost else []
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

"""The calibration report: who can be trusted where, which criteria to mend, and whether judges tire."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tunewright.agreement import TOO_FEW, Agreement
from tunewright.calibration_items import Item
from tunewright.document import Block, Bullets, Heading, Table, Text
from tunewright.judge_answers import Batching
from tunewright.labels import FromPeople
from tunewright.planted import POSITIONS
from tunewright.records import Verdict
from tunewright.rubric import Rubric
from tunewright.statistics import wilson_interval
from tunewright.trust import ASSUMED, JudgeTrust, Trust

Verdicts = Mapping[tuple[str, str], Sequence[Verdict]]  # by (judge, item), one per sample
EXAMPLES_SHOWN = 3  # wrongly answered examples named per criterion


@dataclass(frozen=True)
class Calibrated:
    """Agreement of every judge in all and per criterion, and what follows from it."""

    overall: Mapping[str, Agreement]
    detail: Mapping[str, Mapping[str, Agreement]]
    trust: Trust
    confidence: float  # of the planted flaws' intervals, as of all others


class PlantedRates(NamedTuple):
    """Answers to planted flaws. Shares (0 to 1) of flaws, each counting once at all its places; None without any."""

    sensitivity: float | None  # NO to the violating version
    specificity: float | None  # YES to the good one
    n_bad: int  # flaws whose violating version was answered
    n_good: int
    pairs_told_apart: int
    n_pairs: int


def planted_rates(
    judge: str, items: Sequence[Item], verdicts: Verdicts, length: str | None = None, position: str | None = None
) -> PlantedRates:
    """A judge on planted flaws, all or those of one length or position; a pair counts by its first sample."""
    right: dict[bool, dict[str, list[float]]] = {True: defaultdict(list), False: defaultdict(list)}
    pairs: dict[str, dict[bool, bool]] = defaultdict(dict)
    for item in items:
        plant = item.plant
        if plant is None or length not in (None, plant.length) or position not in (None, plant.position):
            continue
        answers = [v.answer for v in verdicts[judge, item.id] if v.answer is not None]
        if answers:
            right[plant.is_bad][item.cluster].append(answers.count(item.labelled.answer) / len(answers))
            pairs[plant.pair][plant.is_bad] = answers[0] == item.labelled.answer
    whole = [p for p in pairs.values() if len(p) == 2]
    return PlantedRates(
        sensitivity=_mean_of_means(right[True]),
        specificity=_mean_of_means(right[False]),
        n_bad=len(right[True]),
        n_good=len(right[False]),
        pairs_told_apart=sum(all(p.values()) for p in whole),
        n_pairs=len(whole),
    )


def _mean_of_means(groups: Mapping[str, Sequence[float]]) -> float | None:
    return sum(sum(group) / len(group) for group in groups.values()) / len(groups) if groups else None


def calibration_report(
    found: Calibrated,
    items: Sequence[Item],
    verdicts: Verdicts,
    rubric: Rubric,
    people: FromPeople,
    scorable: tuple[float, Sequence[str]],
    judge_trust: JudgeTrust,
    batching: Batching,
) -> list[Block]:
    """The whole page; what a reader must know first stands first."""
    return [
        Heading("Judge calibration", 1),
        Text(_summary(found, scorable), "lead"),
        *([Text(ASSUMED, "warning")] if judge_trust == "assumed" else []),
        Table(OVERALL_HEAD, [_overall_row(judge, found, verdicts) for judge in found.overall]),
        Text(f"{_asked(items, people)} {CALLS[batching]}", "note"),
        *_to_mend(found, items, verdicts, rubric),
        *_per_criterion(found, rubric),
        *_planted(found, items, verdicts),
        *_confusions(found, items, verdicts),
        Heading("How to read this"),
        Text(
            "Baseline: the accuracy of the best constant answer on the same items. A judge is trusted on a criterion "
            "where the lower end of its accuracy's interval lies above that. An example counts once, and so does each "
            "version of a planted flaw, however many places and reruns it has: they are not independent. Intervals are "
            f"Wilson's, {found.confidence:.0%}. A handful of examples gives wide ones; people's labels in reviews/ "
            "narrow them. What got no usable answer is left out, and counted."
        ),
    ]


OVERALL_HEAD = (
    "judge", "questions", "accuracy", "constant answer", "kappa", "flips on rerun", "quotes not found",
    "criteria trusted",
)  # fmt: skip
CALLS = {
    "criterion": "One criterion a call.",
    "category": "One category a call: trust found so does not hold for calls of another kind.",
    "conversation": "All criteria in one call: trust found so does not hold for calls of another kind.",
}


def quote_counts(judge: str, verdicts: Verdicts) -> tuple[int, int]:
    """How many quotes a judge gave as evidence, in all its tries, and how many of them no message says."""
    given = [v for (name, _), found in verdicts.items() if name == judge for v in found]
    n_misquotes = sum(len(v.misquotes) for v in given)
    return sum(len(v.quotes) for v in given) + n_misquotes, n_misquotes


def _overall_row(judge: str, found: Calibrated, verdicts: Verdicts) -> tuple[str, ...]:
    a, decisions = found.overall[judge], found.trust[judge].values()
    trusted = f"{sum(d.trusted for d in decisions)} of {len(decisions)}"
    n_quotes, n_misquotes = quote_counts(judge, verdicts)
    quotes = f"{n_misquotes} of {n_quotes}" if n_quotes else "-"
    return (judge, _answered(a), _accuracy(a), _share(a.baseline), _kappa(a), _flips(a), quotes, trusted)


def _summary(found: Calibrated, scorable: tuple[float, Sequence[str]]) -> str:
    share, open_gates = scorable
    sentences = []
    for judge, a in found.overall.items():
        n = sum(d.trusted for d in found.trust[judge].values())
        if a.kappa_low is None or a.accuracy_low is None or a.baseline is None:
            sentences.append(f"{judge} could not be tested.")
            continue
        level = "better than a constant answer" if a.accuracy_low > a.baseline else "not better than a constant answer"
        unstable = (
            " It is unstable."
            if a.flip_share and any("unstable" in d.reason for d in found.trust[judge].values())
            else ""
        )
        sentences.append(
            f"{judge} is {level} in all, and trusted on {n} of {len(found.trust[judge])} criteria.{unstable}"
        )
    gates = f"; nobody can answer for {', '.join(open_gates)}" if open_gates else ""
    sentences.append(f"With the measured criteria, {share:.0%} of the rubric's weight can be scored{gates}.")
    return " ".join(sentences)


def _asked(items: Sequence[Item], people: FromPeople) -> str:
    kinds = Counter(i.kind for i in items)
    blind = f" ({people.n_blind} decided before the judges were seen)" if people.labelled else ""
    text = (
        f"Asked: {kinds['example']} calibration examples, {kinds['planted']} conversations with a planted stretch, "
        f"{kinds['person']} labels of people{blind}."
    )
    n_measured = len(people.labelled) - kinds["person"]
    gone = [f"{n} {name.replace('_', ' ')}" for name, n in people.dropped.items() if n]
    gone += [f"{n_measured} on measured criteria"] if n_measured else []
    if people.n_blind < kinds["person"]:
        text += " Who sees a judge's answer is drawn to it: trust found with the other labels is too high."
    return text + (f" Labels left out: {', '.join(gone)}." if gone else "")


def _per_criterion(found: Calibrated, rubric: Rubric) -> Iterator[Block]:
    yield Heading("Every judge on every criterion")
    rows = []
    for criterion in rubric.safety_first:
        for judge, by in found.detail.items():
            if a := by.get(criterion.id):
                d = found.trust[judge][criterion.id]
                name = f"{criterion.id} (gate)" if criterion.gate else criterion.id
                verdict = "yes" if d.trusted else f"no: {d.reason}"
                rows.append(
                    (name, judge, _answered(a), _accuracy(a), _share(a.baseline), _kappa(a), _flips(a), verdict)
                )
    yield Table(("criterion", "judge", "questions", "accuracy", "constant", "kappa", "flips", "trusted"), rows)


def _to_mend(found: Calibrated, items: Sequence[Item], verdicts: Verdicts, rubric: Rubric) -> Iterator[Block]:
    """Criteria that no judge is trusted on, or whose examples most judges read otherwise, and what to try."""
    yield Heading("Criteria to mend")
    to_do: dict[str, list[str]] = defaultdict(list)  # criteria by what to do
    for criterion in rubric.safety_first:
        asked = [i for i in items if i.labelled.criterion == criterion.id]
        if not asked:
            if criterion.evaluator == "judge":
                to_do["nothing to test it with; add calibration examples."].append(criterion.id)
            continue
        trusted = [judge for judge, by in found.trust.items() if by[criterion.id].trusted]
        capable = [judge for judge, a in found.overall.items() if (a.accuracy_low or 0) > (a.baseline or 0)]
        judges = trusted or capable  # the errors of a judge at chance say nothing of the wording
        missed = [i for i in asked if i.kind != "planted" and _most_say_otherwise(i, judges, verdicts)]
        if trusted and not missed:
            continue
        reasons = {by[criterion.id].reason for by in found.trust.values()}
        if not trusted and reasons == {TOO_FEW}:
            advice = f"{len(asked)} examples were asked; ask more (llm.calibration), or label more."
        elif not judges:
            advice = "no judge here is better than a constant answer: try another before the wording."
        else:
            advice = _advice(asked, missed, judges, verdicts)
        to_do[("" if trusted else "no judge is trusted. ") + advice].append(criterion.id)
    yield (
        Bullets([f"{', '.join(criteria)}: {advice}" for advice, criteria in to_do.items()])
        if to_do
        else Text("None: every criterion has a judge that is trusted, and no example is read otherwise by most.")
    )


def _most_say_otherwise(item: Item, judges: Sequence[str], verdicts: Verdicts) -> bool:
    answers = [v.answer for judge in judges for v in verdicts[judge, item.id] if v.answer is not None]
    return sum(a != item.labelled.answer for a in answers) * 2 > len(answers) > 0


def _advice(asked: Sequence[Item], missed: Sequence[Item], judges: Sequence[str], verdicts: Verdicts) -> str:
    """What the errors look like, and which examples to read first."""
    errors = Counter(
        (i.labelled.answer, v.answer)
        for i in asked
        for judge in judges
        for v in verdicts[judge, i.id]
        if v.answer is not None and v.answer != i.labelled.answer
    )
    if not errors:
        return "No wrong answers: there are too few examples to show it; add some."
    (right, said), n = errors.most_common(1)[0]
    what = f"Most errors: {said} where {right} is right ({n} of {sum(errors.values())}). "
    hints = {
        ("NO", "YES"): "Too lenient: say in the question what violates it, and add failing examples.",
        ("YES", "NO"): "Too strict: say in the question what is enough, and add plain passing examples.",
    }
    hint = hints.get((right, said), "The NA rule is not clear: sharpen na_when.")
    names = [f"{i.id}{' (borderline)' if i.labelled.borderline else ''}" for i in missed]
    read = f" Read otherwise by most: {', '.join(names[:EXAMPLES_SHOWN])}; is the label right?" if names else ""
    return what + hint + read


def _planted(found: Calibrated, items: Sequence[Item], verdicts: Verdicts) -> Iterator[Block]:
    lengths = sorted({i.plant.length for i in items if i.plant}, reverse=True)  # short before long
    if not lengths:
        return
    yield Heading("Planted flaws: do judges tire?")
    yield Text(
        "One exchange (or a short stretch) is put into a good conversation, with a good reply or with one that "
        "violates the criterion. Sensitivity: NO to the violating version. Specificity: YES to the good one. "
        "Told apart: both."
    )
    rows = []
    for judge in found.overall:
        for length in [*lengths, None]:
            for position in [*POSITIONS, None] if length else [None]:
                r = planted_rates(judge, items, verdicts, length, position)
                pairs = f"{r.pairs_told_apart} of {r.n_pairs}"
                where = (length or "all", position or "all")
                rows.append(
                    (judge, *where, _rate(r.sensitivity, r.n_bad, found), _rate(r.specificity, r.n_good, found), pairs)
                )
    yield Table(("judge", "conversation", "place", "sensitivity", "specificity", "pairs told apart"), rows)
    spans = {
        length: sorted({len(i.labelled.exchanges) for i in items if i.plant and i.plant.length == length})
        for length in lengths
    }
    yield Text("Exchanges: " + "; ".join(f"{name} {n[0]} to {n[-1]}" for name, n in spans.items()) + ".", "note")


def _confusions(found: Calibrated, items: Sequence[Item], verdicts: Verdicts) -> Iterator[Block]:
    yield Heading("What was said for what is right")
    for judge in found.overall:
        counts = Counter((i.labelled.answer, v.answer or "none") for i in items for v in verdicts[judge, i.id])
        rows = [
            (right, *(str(counts[right, said]) for said in ("YES", "NO", "NA", "none")))
            for right in ("YES", "NO", "NA")
        ]
        yield Table((f"right, to {judge}", "said YES", "said NO", "said NA", "no answer"), rows)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 2) + 0.0:.2f}"  # no -0.00


def _answered(a: Agreement) -> str:
    return str(a.n) if not a.n_unanswered else f"{a.n} ({a.n_unanswered} answers unusable)"


def _accuracy(a: Agreement) -> str:
    return "-" if a.accuracy is None else f"{a.accuracy:.2f} [{_share(a.accuracy_low)}, {_share(a.accuracy_high)}]"


def _kappa(a: Agreement) -> str:
    return "-" if a.kappa is None else f"{_share(a.kappa)} [{_share(a.kappa_low)}, {_share(a.kappa_high)}]"


def _flips(a: Agreement) -> str:
    return "not rerun" if a.flip_share is None else f"{a.flip_share:.0%} of {a.n_repeated}"


def _rate(share: float | None, n: int, found: Calibrated) -> str:
    if share is None:
        return "-"
    low, high = wilson_interval(share * n, n, found.confidence)
    return f"{share:.2f} [{low:.2f}, {high:.2f}]"

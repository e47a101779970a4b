"""reports/generation_stats.md: what was generated, what passed, why the rest fails and what to change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tunewright.cases import Case, by_batch, pass_rate
from tunewright.co_failures import Pair
from tunewright.document import Block, Bullets, Heading, Table, Text
from tunewright.failure_advice import KINDS, Advice
from tunewright.failure_patterns import Example, Group, Pattern
from tunewright.measures import words
from tunewright.proportions import Share
from tunewright.records import Transcript

SHORT_REASON = 160  # characters of a reason or a judge's words
MEASURED_ONLY = (
    "No judged criterion was scored: all this speaks of the form of the replies, not of their sense or safety."
)


@dataclass(frozen=True)
class Analysis:
    """Everything that the stage found, in the order of the rubric."""

    cases: Sequence[Case]
    left_out: Sequence[tuple[Transcript, str]]
    patterns: Sequence[Pattern]
    advice: Sequence[Advice]
    merges: Sequence[str]
    outcome_groups: Sequence[Group]
    criterion_groups: Sequence[Group]
    pairs: Sequence[Pair]
    n_never_together: int
    unscored: Sequence[tuple[str, int, int]]
    repeated: Sequence[tuple[str, int]]
    judged: bool  # whether any judged criterion was answered on a new conversation
    confidence: float
    alpha: float

    @property
    def new(self) -> list[Case]:
        """The conversations under test."""
        return [case for case in self.cases if case.is_new]


def report(found: Analysis, shown_phi: float, groups_shown: int) -> list[Block]:
    """The whole document, most important first."""
    return [
        Heading("Generation: what was made, and why it fails", 1),
        Text(headline(found), "lead"),
        *([] if found.judged or not found.new else [Text(MEASURED_ONLY, "warning")]),
        Heading("What to change"),
        *_changes(found),
        Heading("Why conversations fail"),
        *_why(found),
        Heading("Where they fail"),
        *_where(found, groups_shown),
        Heading("Criteria that move together"),
        *_together(found, shown_phi),
        Heading("What was made"),
        *_made(found),
        Heading("What was not scored"),
        *_unscored(found),
        Heading("Left out"),
        *_left_out(found),
    ]


def headline(found: Analysis) -> str:
    """The new conversations in one or two sentences."""
    new, rate = found.new, pass_rate(found.new, found.confidence)
    n_open = sum(case.score.passed is None for case in new)
    if rate is None:
        return f"{len(new)} new conversations, none of them decided: {n_open} are open."
    n_failed = rate.n - rate.count
    text = (
        f"{len(new)} new conversations: {rate.count} pass, {n_failed} fail, {n_open} are open; {interval(rate)} pass."
    )
    worst = sorted((p for p in found.patterns if p.in_failed), key=lambda p: -p.in_failed)[:2]
    names = [f"{p.criterion} (in {p.in_failed} of {n_failed})" for p in worst]
    return f"{text} Failed ones miss most: {', '.join(names)}." if names else text


def interval(share: Share | None) -> str:
    """A share with its interval, in per cent; "-" for none."""
    return "-" if share is None else f"{share.share:.0%} ({share.low:.0%} to {share.high:.0%})"


def _short(text: str) -> str:
    return text if len(text) <= SHORT_REASON else text[:SHORT_REASON].rsplit(" ", 1)[0] + " ..."


def _changes(found: Analysis) -> Iterable[Block]:
    order = {p.criterion: p.in_failed for p in found.patterns}
    ranked = sorted((a for a in found.advice if a.changes), key=lambda a: -order[a.criterion])
    lines = [f"{one.criterion}: {change}" for one in ranked for change in one.changes] + list(found.merges)
    if lines:
        return [Bullets(lines)]
    return [Text("Nothing follows from these conversations: no criterion is missed often enough to say.")]


def _why(found: Analysis) -> Iterable[Block]:
    kinds = {one.criterion: one for one in found.advice}
    failed = sum(case.score.passed is False for case in found.new)
    shown = sorted((p for p in found.patterns if p.missed and p.missed.count), key=lambda p: -p.in_failed)
    if not shown:
        yield Text("No answered criterion was missed in a new conversation.")
        return
    yield Text(
        f"New conversations only; {found.confidence:.0%} intervals, which count people. Missed: NO of all YES and NO. "
        "Alone: failed conversations that would have passed had they met this one criterion. Recorded: missed in "
        "authored and imported conversations."
    )
    head = ("criterion", "missed", "share", "of failed", "alone", "recorded", "kind")
    yield Table(head, [_pattern_row(p, p.missed, failed, KINDS[kinds[p.criterion].kind]) for p in shown if p.missed])
    yield Heading("Examples", 3)
    yield Bullets([_example(p.criterion, example) for p in shown for example in p.examples])


def _pattern_row(pattern: Pattern, missed: Share, n_failed: int, kind: str) -> tuple[str, ...]:
    counts = f"{missed.count} of {missed.n}", interval(missed), f"{pattern.in_failed} of {n_failed}", str(pattern.alone)
    return pattern.criterion, *counts, f"{pattern.apart.count} of {pattern.apart.n}" if pattern.apart else "-", kind


def _example(criterion: str, example: Example) -> str:
    where = ", ".join(map(str, example.exchanges))
    at = f", exchange{'s' if len(example.exchanges) > 1 else ''} {where}" if where else ""
    quote = f' Reply {min(example.exchanges)}: "{example.quote}"' if where else ""
    return f"{criterion}: {example.transcript_id}{at}: {_short(example.reasoning) or 'no reason given'}.{quote}"


def _where(found: Analysis, groups_shown: int) -> Iterable[Block]:
    tests = [*found.outcome_groups, *found.criterion_groups]
    if not tests:
        yield Text("Too few conversations or failures to compare topics, people, flaws, batches or turns.")
        return
    flagged = [group for group in tests if group.flagged]
    counted = f"{len(found.outcome_groups)} tests of whole conversations and {len(found.criterion_groups)} of criteria"
    says = f"{len(flagged)} groups fail more often than all others" if flagged else "no group stands out"
    yield Text(f"{counted}, corrected by Holm's method: at p < {found.alpha:g}, {says}.")
    if flagged:
        yield _groups(flagged)
    rest = sorted((g for g in found.outcome_groups if not g.flagged), key=lambda g: -g.comparison.difference)
    if rest:
        yield Text("The largest differences among whole conversations, none of them more than chance explains:")
        yield _groups(rest[:groups_shown])
    if found.repeated:
        people = ", ".join(f"{person} ({n})" for person, n in found.repeated)
        yield Text(f"People of whom every conversation failed: {people}.")


def _groups(groups: Sequence[Group]) -> Table:
    rows = []
    for group in groups:
        one, two, c = group.comparison.inside, group.comparison.outside, group.comparison
        change = f"{c.difference:+.0%} ({c.low:+.0%} to {c.high:+.0%})"
        p = f"{group.p_holm:.2g}" if group.p_holm >= 1e-4 else "< 0.0001"
        fails = f"{one.count} of {one.n}", f"{two.count} of {two.n}"
        rows.append((group.criterion or "does not pass", f"{group.dimension}: {group.value}", *fails, change, p))
    return Table(("what", "where", "there", "elsewhere", "difference", "corrected p"), rows)


def _together(found: Analysis, shown_phi: float) -> Iterable[Block]:
    told = [pair for pair in found.pairs if pair.together.phi is not None]
    shown = [pair for pair in told if abs(pair.together.phi or 0) >= shown_phi - 1e-9]
    if shown:
        ranked = sorted(shown, key=lambda pair: -abs(pair.together.phi or 0))
        yield Table(("criteria", "phi", "interval", "conversations", ""), [_pair_row(pair) for pair in ranked])
    silent = len(found.pairs) - len(told)
    yield Text(
        f"A phi of {shown_phi:g} or more either way: {len(shown)} of the {len(told)} pairs that can be told. Cannot "
        f"be told: {silent} pairs in which one criterion never varies or too few people were asked, and "
        f"{found.n_never_together} that were never both answered. All of them: data/generate/analyze.json."
    )


def _pair_row(pair: Pair) -> tuple[str, str, str, str, str]:
    phi, low, high = (value or 0.0 for value in (pair.together.phi, pair.together.low, pair.together.high))
    what = "merge" if pair.redundant else "contradict" if pair.opposed else ""
    return f"{pair.left}, {pair.right}", f"{phi:+.2f}", f"{low:+.2f} to {high:+.2f}", str(pair.together.n), what


def _made(found: Analysis) -> Iterable[Block]:
    kinds = sorted({case.transcript.user_kind for case in found.cases})
    by_kind = [(kind, [case for case in found.cases if case.transcript.user_kind == kind]) for kind in kinds]
    yield Table(
        ("user", "conversations", "exchanges", "user words", "reply words", "cut off", "passed", "open", "pass rate",
         "scored"),
        [_source_row(kind, cases, found.confidence) for kind, cases in by_kind],
    )  # fmt: skip
    yield Text("Words are means per message; scored is the mean share of the rubric's weight.", "note")
    if batches := by_batch(found.new):
        rows = []
        for number, cases in batches.items():
            rate, n_open = pass_rate(cases, found.confidence), sum(c.score.passed is None for c in cases)
            rows.append((str(number), str(len(cases)), str(rate.count if rate else 0), str(n_open), interval(rate)))
        yield Table(("batch", "conversations", "passed", "open", "pass rate"), rows)


def _source_row(kind: str, cases: Sequence[Case], confidence: float) -> tuple[str, ...]:
    exchanges = [exchange for case in cases for exchange in case.transcript.exchanges]
    rate = pass_rate(cases, confidence)
    return (
        kind,
        str(len(cases)),
        str(len(exchanges)),
        f"{sum(len(words(e.user)) for e in exchanges) / len(exchanges):.0f}",
        f"{sum(len(words(e.assistant)) for e in exchanges) / len(exchanges):.0f}",
        str(sum(case.transcript.is_cut for case in cases)),
        str(rate.count if rate else 0),
        str(sum(case.score.passed is None for case in cases)),
        interval(rate),
        f"{sum(case.score.coverage for case in cases) / len(cases):.0%}",
    )


def _unscored(found: Analysis) -> Iterable[Block]:
    if found.unscored:
        rows = [(_short(reason), str(n), str(criteria)) for reason, n, criteria in found.unscored]
        yield Text("New conversations: answers that are missing, and why. Unscored is not failed.")
        yield Table(("reason", "answers", "criteria"), rows)
    else:
        yield Text("Every criterion was scored on every new conversation.")
    differ = [case for case in found.new if case.score.disagreements]
    if differ:
        counts = Counter(criterion for case in differ for criterion in case.score.disagreements).most_common()
        names = ", ".join(f"{criterion} ({n})" for criterion, n in counts)
        yield Text(f"Judges disagree on {len(differ)} of {len(found.new)} conversations, over: {names}.")
    elif found.judged:
        yield Text("No two judges' scores lie further apart than allowed.")


def _left_out(found: Analysis) -> Iterable[Block]:
    if not found.left_out:
        return [Text("No conversation failed or was excluded.")]
    reasons = Counter(_short(reason) for _, reason in found.left_out)
    text = f"{len(found.left_out)} conversations failed or were excluded; they are in no number above."
    return [Text(text), Table(("reason", "conversations"), [(reason, str(n)) for reason, n in reasons.most_common()])]

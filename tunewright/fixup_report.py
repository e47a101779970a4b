"""reports/fixup.md: how many conversations were repaired, what was wrong with them, and a few before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tunewright.document import Block, Heading, SideBySide, Table, Text, Turn
from tunewright.fixup_rates import FixupRates
from tunewright.records import Transcript
from tunewright.repairs import Repair
from tunewright.rubric import Rubric

REASONS_SHOWN = 10


def fixup_report(
    rates: FixupRates,
    repairs: Sequence[Repair],
    originals: Mapping[str, Transcript],
    rubric: Rubric,
    share_max: float,
    examples: int,
) -> list[Block]:
    """The report; `originals` are the repaired conversations as they were, `examples` how many are shown."""
    blocks: list[Block] = [Heading("Fixup", 1), Text(summary(rates), "lead")]
    if rates.prompts_suspect:
        blocks.append(Text(suspicion(rates, share_max), "warning"))
    if rates.entailment.get("not checked"):
        blocks.append(Text(NOT_CHECKED, "warning"))
    blocks += [*_actions(rates), *_reasons(repairs), *_criteria(repairs, rubric)]
    shown = [r for r in repairs if r.fixed_id and r.rewrites][:examples]
    for repair in shown:
        blocks += _example(repair, originals[repair.transcript_id])
    return blocks


NOT_CHECKED = (
    "Whether the user's next message follows from a rewritten reply was not checked: no judge is trusted on enough "
    "criteria to be asked. Unknown is not YES, so those conversations end at the rewrite."
)


def summary(rates: FixupRates) -> str:
    """One paragraph of numbers."""
    if not rates.n_needing:
        return f"Nothing to repair: of {rates.n_decided} conversations made in this run {rates.n_needing} failed."
    if not rates.n_eligible:
        return (
            f"{rates.n_needing} of {rates.n_decided} conversations made in this run failed, and none of them can be "
            "repaired: each has a message that was cut off at its token limit, and such conversations are never "
            "trained on."
        )
    n_tried = rates.n_fixed + rates.n_truncated + rates.n_rejected
    return (
        f"{rates.n_needing} of {rates.n_decided} conversations made in this run failed. Of the {n_tried} that were "
        f"taken up, {rates.n_fixed} were repaired whole and {rates.n_truncated} were cut short and kept; "
        f"{rates.n_rejected} were rejected. {rates.n_rejudged} were judged again, and only those that then passed "
        f"are kept. Pass rate before: {_percent(rates.pass_rate_before)}; after: {_percent(rates.pass_rate_after)}."
    )


def suspicion(rates: FixupRates, share_max: float) -> str:
    """What it means when too many need repair."""
    return (
        f"{_percent(rates.needing_share)} of the conversations failed; over {share_max:.0%} means that the prompts are "
        "wrong, and repairing their output hides it. Mend prompts/<domain>/assistant.md (or the rubric) first."
    )


def _actions(rates: FixupRates) -> list[Block]:
    rows = [
        ("fixed", rates.n_fixed, "every faulted reply rewritten, judged again, passed"),
        ("truncated", rates.n_truncated, "cut at a reply that could not be mended or before an unsafe one; passed"),
        ("rejected", rates.n_rejected, "nothing could be kept, or it did not pass when judged again"),
        (
            "left",
            rates.n_left,
            "authored, imported, cut off, beyond the preset's number, or a model could not be asked",
        ),
    ]
    answers = ", ".join(f"{answer} {n}" for answer, n in rates.entailment.items()) or "none"
    held = _percent(rates.entailment_held_share)
    return [
        Heading("What became of the conversations that failed"),
        Table(("action", "conversations", "meaning"), [(name, str(n), meaning) for name, n, meaning in rows]),
        Text(
            f"The fixer was asked to rewrite {rates.replies_faulted} replies; {rates.replies_rewritten} rewrites could "
            f"be used. Would the user's next message still follow: {answers} (YES among those asked: {held})."
        ),
    ]


def _reasons(repairs: Sequence[Repair]) -> list[Block]:
    counts = Counter((r.action, r.reason) for r in repairs)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:REASONS_SHOWN]
    rows = [(action, reason, str(n)) for (action, reason), n in ranked]
    return [Heading("Reasons"), Table(("action", "reason", "conversations"), rows)] if rows else []


def _criteria(repairs: Sequence[Repair], rubric: Rubric) -> list[Block]:
    faulted = Counter(c for r in repairs for w in r.rewrites for c in w.criteria)
    kept = Counter(c for r in repairs if r.fixed_id for w in r.rewrites for c in w.criteria)
    rows = [(c.id, str(faulted[c.id]), str(kept[c.id])) for c in rubric.criteria if faulted[c.id]]
    head = ("criterion", "replies faulted", "of them in kept conversations")
    return [Heading("What replies were faulted for"), Table(head, rows)] if rows else []


def _example(repair: Repair, original: Transcript) -> list[Block]:
    turns = []
    for rewrite in repair.rewrites:
        user = original.exchanges[rewrite.exchange - 1].user
        turns.append(Turn(user, user, rewrite.before, rewrite.after or "(no rewrite could be used)"))
    faults = "; ".join(f"exchange {w.exchange}: {', '.join(w.criteria)}" for w in repair.rewrites)
    blocks: list[Block] = [
        Heading(f"{repair.transcript_id}: {repair.action}"),
        Text(f"{faults}. {repair.reason}."),
        SideBySide("before", "after", turns),
    ]
    last = repair.rewrites[-1]
    if repair.action == "fixed" and last.exchange < len(original.exchanges):
        blocks.append(Text(f"The user's next message, unchanged: {original.exchanges[last.exchange].user}", "note"))
    return blocks


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.0%}"

"""How much had to be repaired and what came of it: metrics/generate-fixup.json, for the report and generate-gate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tunewright.json_files import read_as
from tunewright.records import Record, Score
from tunewright.repairs import NOT_CHOSEN, Repair, Triage

RATES = "metrics/generate-fixup.json"


class FixupRates(Record):
    """Counts of conversations, and of rewritten replies where the name says so. Shares are 0 to 1, None of nothing."""

    n_decided: int  # made in this run (simulated or replay), and passed or failed
    n_needing: int  # of them failed
    needing_share: float | None
    prompts_suspect: bool  # the share is above what the method allows: mend the prompts, not the conversations
    n_eligible: int  # failed ones that were made in this run and are whole
    n_fixed: int
    n_truncated: int
    n_rejected: int
    n_left: int  # left alone: authored, cut off, beyond the preset's number, or a model could not be asked
    n_rejudged: int
    replies_faulted: int  # that the fixer was asked to rewrite
    replies_rewritten: int  # with a rewrite that could be used
    entailment: dict[str, int]  # rewritten replies by the judges' answer
    entailment_held_share: float | None  # YES among those that were put to a judge
    pass_rate_before: float | None  # of n_decided
    pass_rate_after: float | None


def rates_of(found: Triage, scores: Mapping[str, Score], repairs: Sequence[Repair], share_max: float) -> FixupRates:
    """The rates of one run; `share_max` is the share of failures above which the prompts are wrong."""
    n_decided = len(found.decided)
    n_needing = sum(scores[id].passed is False for id in found.decided)
    actions = Counter(r.action for r in repairs)
    rewrites = [w for r in repairs for w in r.rewrites]
    asked = Counter(w.entailment for w in rewrites if w.entailment)
    n_asked = asked["YES"] + asked["NO"] + asked["no answer"]
    n_kept = actions["fixed"] + actions["truncated"]
    return FixupRates(
        n_decided=n_decided,
        n_needing=n_needing,
        needing_share=_share(n_needing, n_decided),
        prompts_suspect=n_needing > share_max * n_decided,
        n_eligible=len(found.chosen) + sum(r.reason == NOT_CHOSEN for r in found.left),
        n_fixed=actions["fixed"],
        n_truncated=actions["truncated"],
        n_rejected=actions["rejected"],
        n_left=actions["left"],
        n_rejudged=sum(r.rejudged for r in repairs),
        replies_faulted=len(rewrites),
        replies_rewritten=sum(w.after is not None for w in rewrites),
        entailment=dict(sorted(asked.items())),
        entailment_held_share=_share(asked["YES"], n_asked),
        pass_rate_before=_share(n_decided - n_needing, n_decided),
        pass_rate_after=_share(n_decided - n_needing + n_kept, n_decided),
    )


def read_rates() -> FixupRates:
    """The rates of the last run; raises MissingInputError that names the stage."""
    return read_as(RATES, FixupRates, "generate-fixup")


def _share(n: int, of: int) -> float | None:
    return round(n / of, 4) if of else None

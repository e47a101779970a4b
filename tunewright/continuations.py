"""Do two models go on alike? The likeliest next tokens of one, and what the other gives at the very same places.

The reference says its likeliest tokens (transformers on the unquantized weights, or another served file); the served
file is then asked at each position, after the reference's own words: so one early difference does not count at every
later one, and where no position differs the greedy answers are the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import Field

from tunewright.config import Config
from tunewright.errors import TrainingError
from tunewright.gguf_export import post
from tunewright.serving import Endpoint

ASKED_TIMES = 8  # the served model lists so many times more tokens, to find the reference's likeliest among them


class AgreementRules(Config):
    """How much is compared, and how alike it must be."""

    conversations: int = Field(ge=0)  # 0: nothing is compared
    tokens: int = Field(ge=1)  # of each answer's beginning
    likeliest: int = Field(ge=1)  # tokens a position whose log probabilities are compared
    tie_nats: float = Field(ge=0)  # a token this much less likely than the likeliest is as good as it
    good_min: float = Field(ge=0, le=1)  # least share of positions at which the served token is as good


@dataclass(frozen=True)
class Step:
    """One position: the log probabilities (nats) of the likeliest tokens, the first of which is what is said."""

    logprobs: Mapping[int, float]

    @property
    def token(self) -> int:
        """The likeliest token."""
        return max(self.logprobs, key=lambda token: (self.logprobs[token], -token))

    def lag(self, token: int) -> float:
        """How much less likely a token is than the likeliest one, nats; infinite where it is not listed."""
        return self.logprobs[self.token] - self.logprobs.get(token, -math.inf)


@dataclass(frozen=True)
class Agreement:
    """How alike two models go on."""

    conversations: int
    positions: int
    top1: float  # share of positions with the same likeliest token
    good: float  # share of those at which the served token is the reference's likeliest, or as good
    greedy_equal: int  # conversations in which all positions agree: there the greedy answers begin alike
    logprob_difference: float  # mean, nats, over the reference's likeliest tokens
    largest_difference: float  # nats
    unlisted: int  # of these tokens, how many the other did not list

    def as_json(self) -> dict[str, Any]:
        """For a facts file."""
        return asdict(self)

    def told(self) -> str:
        """In words."""
        return (
            f"the likeliest token is the same at {self.top1:.1%} of {self.positions} positions (as good at "
            f"{self.good:.1%}), {self.greedy_equal} of {self.conversations} answers begin alike, log probabilities "
            f"differ by {self.logprob_difference:.3f} nats"
        )


def compare(reference: Sequence[Sequence[Step]], served: Sequence[Sequence[Step]], tie_nats: float) -> Agreement:
    """Both sides' steps, conversation by conversation and position by position; ValueError where there are none."""
    pairs = [list(zip(ours, theirs, strict=True)) for ours, theirs in zip(reference, served, strict=True)]
    same = [[ours.token == theirs.token for ours, theirs in talk] for talk in pairs]
    flat = [pair for talk in pairs for pair in talk]
    if not flat:
        raise ValueError("nothing to compare")
    gaps = [
        abs(logprob - theirs.logprobs[token])
        for ours, theirs in flat
        for token, logprob in ours.logprobs.items()
        if token in theirs.logprobs
    ]
    return Agreement(
        conversations=len(pairs),
        positions=len(flat),
        top1=sum(map(sum, same)) / len(flat),
        good=sum(ours.lag(theirs.token) <= tie_nats for ours, theirs in flat) / len(flat),
        greedy_equal=sum(map(all, same)),
        logprob_difference=math.fsum(gaps) / len(gaps) if gaps else 0.0,
        largest_difference=max(gaps, default=0.0),
        unlisted=sum(len(ours.logprobs) for ours, _ in flat) - len(gaps),
    )


def served_step(endpoint: Endpoint, ids: Sequence[int], likeliest: int) -> Step:
    """What a served model would say after some tokens."""
    body = {"prompt": list(ids), "n_predict": 1, "temperature": 0.0, "n_probs": likeliest, "cache_prompt": True}
    listed = post(endpoint, "/completion", body)["completion_probabilities"][0]["top_logprobs"]
    return Step({int(one["id"]): float(one["logprob"]) for one in listed})


def served_steps(endpoint: Endpoint, prompt: Sequence[int], said: Sequence[Step], likeliest: int) -> list[Step]:
    """What a served model would say at each position of another's answer."""
    tokens = [step.token for step in said]
    return [served_step(endpoint, [*prompt, *tokens[:n]], likeliest * ASKED_TIMES) for n in range(len(said))]


def served_answer(endpoint: Endpoint, prompt: Sequence[int], n_tokens: int, likeliest: int, end: int) -> list[Step]:
    """A served model's own greedy answer, up to `n_tokens` of it or the token that ends it."""
    steps: list[Step] = []
    while len(steps) < n_tokens and (not steps or steps[-1].token != end):
        steps.append(served_step(endpoint, [*prompt, *(step.token for step in steps)], likeliest))
    return steps


def refuse_unlike(found: Agreement, rules: AgreementRules, name: str, reference: str) -> None:
    """Raise TrainingError when at too few positions the file says what the reference says, or as good."""
    if found.good < rules.good_min:
        raise TrainingError(
            f"{name}: at {found.good:.0%} of {found.positions} positions in {found.conversations} conversations its "
            f"next token is one that {reference} finds likeliest or within {rules.tie_nats:g} nats of that, at least "
            f"{rules.good_min:.0%} are wanted (good_min; log probabilities differ by {found.logprob_difference:.2f} "
            "nats in the mean). The file is not the model that was trained: choose a wider format "
            "(train.export.quantization), or look for a fault of the conversion"
        )

"""What calls took, and the budget that they may take."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from tunewright.errors import BudgetError, ConfigError, ModelSetupError
from tunewright.models import Budget, Reply
from tunewright.prices import cost_usd, usd_of
from tunewright.requests import CHARS_PER_TOKEN, Request

AND_GO_ON = (
    "finished calls are in the cache: raise llm.budget in conf/config.yaml (or TUNEWRIGHT_BUDGET_USD) and run the same "
    "command to go on"
)


@dataclass
class Tally:
    """Calls and what they cost. `usd` covers the calls whose price is known; the others' models are named."""

    made: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prefix_tokens: int = 0
    usd: float = 0.0
    unpriced: set[str] = field(default_factory=set)

    @property
    def usd_text(self) -> str:
        """USD, or whose price is missing."""
        if self.unpriced:
            return f"USD unknown (no price for {', '.join(sorted(self.unpriced))})"
        return f"{self.usd:.4f} USD"

    def __str__(self) -> str:
        prompt = f"{self.prompt_tokens:,} tokens in ({self.prefix_tokens:,} from the prefix cache)"
        tokens = f"{prompt}, {self.completion_tokens:,} out"
        return f"{self.made} model calls made, {self.cached} from the cache; {tokens}; {self.usd_text}"


class Account:
    """Counts every call, and says when the budget is spent."""

    def __init__(self, budget: Budget) -> None:
        self.tally = Tally()
        self._budget = budget
        self._reserved: dict[str, tuple[int, float]] = {}  # tokens and USD of requests that are out, by key
        self._tokens, self._usd = 0, 0.0  # guessed where the provider counts nothing: a budget is never left to luck

    def before(self, request: Request) -> None:
        """Raise before a call that the budget does not allow: ModelSetupError for want of a price, else BudgetError."""
        if self._budget.usd is not None and usd_of(request.spec, 1, 1) is None:
            raise ModelSetupError(
                f"{request.spec.model}: there is a budget of {self._budget.usd:g} USD and no price for this model; "
                "give it one in conf/llm (price: {input_usd_per_mtok: ..., output_usd_per_mtok: ...}) or set "
                "llm.budget.tokens instead"
            )
        if error := self.spent():
            raise error

    @property
    def n_reserved(self) -> int:
        """For how many requests something is set aside."""
        return len(self._reserved)

    def reserve(self, request: Request, price_factor: float, anyway: bool = False) -> bool:
        """Set aside the most that a request can take, until `release`; whether the budget has that much left."""
        tokens = (request.prompt_tokens_guess, request.spec.max_tokens)
        most = sum(tokens), price_factor * (usd_of(request.spec, *tokens) or 0.0)
        out = [most, *self._reserved.values()]
        all_tokens, all_usd = self._tokens + sum(t for t, _ in out), self._usd + sum(usd for _, usd in out)
        over_usd = self._budget.usd is not None and all_usd > self._budget.usd
        over_tokens = self._budget.tokens is not None and all_tokens > self._budget.tokens
        if anyway or not (over_usd or over_tokens):
            self._reserved[request.key] = most
            return True
        return False

    def release(self, keys: Iterable[str]) -> None:
        """What was set aside for these requests is not needed any more: they are back."""
        for key in keys:
            self._reserved.pop(key, None)

    def no_room(self, n: int) -> BudgetError:
        """The error that says that not one of n requests can be paid from what is left."""
        return BudgetError(
            f"what is left of the budget ({self._limit(self._budget.usd is not None)}; spent: {self._usd:.4f} USD and "
            f"{self._tokens:,} tokens) may not pay any of {n:,} requests that wait for a batch, with replies as long "
            f"as max_tokens allows; {AND_GO_ON}"
        )

    def after(self, request: Request, reply: Reply, price_factor: float = 1.0) -> None:
        """Count a call that was made, at `price_factor` times the model's price."""
        self.tally.made += 1
        self.tally.prompt_tokens += reply.prompt_tokens or 0
        self.tally.completion_tokens += reply.completion_tokens or 0
        self.tally.prefix_tokens += reply.cached_prompt_tokens or 0
        usd = cost_usd(request.spec, reply)
        if usd is None:
            self.tally.unpriced.add(request.spec.model)
        else:
            self.tally.usd += price_factor * usd
        self._charge(request, reply, price_factor)

    def spent(self) -> BudgetError | None:
        """The error that says that the budget is spent, once it is."""
        budget = self._budget
        over_usd = budget.usd is not None and self._usd >= budget.usd
        over_tokens = budget.tokens is not None and self._tokens >= budget.tokens
        if not over_usd and not over_tokens:
            return None
        return BudgetError(
            f"the budget of {self._limit(over_usd)} is spent ({self._usd:.4f} USD and {self._tokens:,} tokens in "
            f"{self.tally.made} calls); {AND_GO_ON}"
        )

    def _limit(self, in_usd: bool) -> str:
        return f"{self._budget.usd:g} USD" if in_usd else f"{self._budget.tokens:,} tokens"

    def _charge(self, request: Request, reply: Reply, price_factor: float) -> None:
        prompt, completion = reply.prompt_tokens, reply.completion_tokens
        prompt = request.prompt_tokens_guess if prompt is None else prompt
        completion = len(reply.text) // CHARS_PER_TOKEN if completion is None else completion
        self._tokens += prompt + completion
        self._usd += price_factor * (usd_of(request.spec, prompt, completion) or 0.0)


def budget_of(configured: Budget) -> Budget:
    """The budget of this run: TUNEWRIGHT_BUDGET_USD, where it is set, instead of the configured USD."""
    named = os.environ.get("TUNEWRIGHT_BUDGET_USD", "")
    try:
        return Budget.model_validate({**configured.model_dump(), "usd": float(named)}) if named else configured
    except ValueError:
        raise ConfigError(
            f"TUNEWRIGHT_BUDGET_USD: found {named[:40]!r}, expected a number of USD, such as 2.50; set it anew"
        ) from None

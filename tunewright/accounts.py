"""What calls took, and the budget that they may take."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from tunewright.errors import BudgetError, ConfigError, ModelSetupError
from tunewright.models import Budget, Reply
from tunewright.prices import cost_usd, usd_of
from tunewright.requests import CHARS_PER_TOKEN, Request


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

    def after(self, request: Request, reply: Reply) -> None:
        """Count a call that was made."""
        self.tally.made += 1
        self.tally.prompt_tokens += reply.prompt_tokens or 0
        self.tally.completion_tokens += reply.completion_tokens or 0
        self.tally.prefix_tokens += reply.cached_prompt_tokens or 0
        usd = cost_usd(request.spec, reply)
        if usd is None:
            self.tally.unpriced.add(request.spec.model)
        else:
            self.tally.usd += usd
        self._charge(request, reply)

    def spent(self) -> BudgetError | None:
        """The error that says that the budget is spent, once it is."""
        budget = self._budget
        over_usd = budget.usd is not None and self._usd >= budget.usd
        over_tokens = budget.tokens is not None and self._tokens >= budget.tokens
        if not over_usd and not over_tokens:
            return None
        limit = f"{budget.usd:g} USD" if over_usd else f"{budget.tokens:,} tokens"
        return BudgetError(
            f"the budget of {limit} is spent ({self._usd:.4f} USD and {self._tokens:,} tokens in {self.tally.made} "
            "calls); finished calls are in the cache: raise llm.budget in conf/config.yaml (or TUNEWRIGHT_BUDGET_USD) "
            "and run the same command to go on"
        )

    def _charge(self, request: Request, reply: Reply) -> None:
        prompt, completion = reply.prompt_tokens, reply.completion_tokens
        prompt = request.prompt_tokens_guess if prompt is None else prompt
        completion = len(reply.text) // CHARS_PER_TOKEN if completion is None else completion
        self._tokens += prompt + completion
        self._usd += usd_of(request.spec, prompt, completion) or 0.0


def budget_of(configured: Budget) -> Budget:
    """The budget of this run: TUNEWRIGHT_BUDGET_USD, where it is set, instead of the configured USD."""
    named = os.environ.get("TUNEWRIGHT_BUDGET_USD", "")
    try:
        return configured.model_copy(update={"usd": float(named)}) if named else configured
    except ValueError:
        raise ConfigError(f"TUNEWRIGHT_BUDGET_USD is {named!r}; expected a number of USD, such as 2.50") from None

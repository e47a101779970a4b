"""Models as configuration names them: which one plays a role, where it is, and what it answered.

A ModelSpec holds all that determines a reply beside the messages, and is tracked; a Connection says only where a
provider is and how fast to use it, and is not.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, field_validator

from tunewright.config import Config
from tunewright.records import RULES
from tunewright.weights import Weights, identity

EMBEDDED = "embedded"  # the provider that is this process
VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")  # in capitals alone: keys, which get pasted here, have small letters


class Price(Config):
    """USD per million tokens."""

    input_usd_per_mtok: float = Field(ge=0)
    output_usd_per_mtok: float = Field(ge=0)


class ModelSpec(Config):
    """Which model, and how it samples: all that determines a reply beside the messages. Tracked by DVC."""

    model: str = Field(pattern=r"^[!-~]{1,200}$")  # litellm's name, or embedded/<name> with `weights`
    weights: Weights | None = None  # embedded: what is served; elsewhere: what the server was started with
    temperature: float | None = Field(ge=0, le=10)  # None: not sent
    max_tokens: int = Field(ge=1)
    price: Price | None = None  # None: litellm's price list, else unknown

    @property
    def provider(self) -> str:
        """The part of the name before the first slash: the key of `llm.connections`."""
        return self.model.split("/", 1)[0]

    @property
    def identity(self) -> str:
        """What answers, wherever it runs: the weights' hash where they are known, else the model's name."""
        return identity(self.weights) if self.weights else self.model  # type: ignore[arg-type]


class Judge(ModelSpec):
    """A model that judges, under the name that verdicts carry."""

    name: str

    @field_validator("name")
    @classmethod
    def _not_a_rule(cls, name: str) -> str:
        if name in RULES:
            raise ValueError(
                f"a judge cannot be called {name!r}: found the name of verdicts that no model gave, expected another"
            )
        if "#" in name:
            raise ValueError(
                f"a judge cannot be called {name[:60]!r}: found #, which numbers a judge's samples, expected none"
            )
        if not name.isprintable() or not name.strip() or len(name) > 60:
            raise ValueError(f"found the name {name[:60]!r}, expected one to 60 printable characters")
        return name


def _unique_names(judges: tuple[Judge, ...]) -> tuple[Judge, ...]:
    names = [judge.name for judge in judges]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            f"found two judges that are called {twice[0]!r}, expected every name once: verdicts could not be told apart"
        )
    return judges


Judges = Annotated[tuple[Judge, ...], AfterValidator(_unique_names)]  # every name once


class BatchAPI(Config):
    """How requests that can wait go through a provider's Batch API: cheaper, and answered within its window."""

    window: str  # within which the provider answers, in its own words
    price_factor: float = Field(gt=0, le=1)  # a request's price there over its price elsewhere
    max_requests: int = Field(ge=1)  # of one batch
    max_bytes: int = Field(ge=1)  # of one batch's file
    attempts: int = Field(ge=1)  # batches that a request goes into before it counts as failed
    quiet_s: float = Field(ge=0)  # a batch is sent when no more requests have come for so long
    poll_s: float = Field(gt=0)  # between two looks at a batch


class Connection(Config):
    """Where a provider is and how fast to use it. Never tracked: it changes no reply. Caps hold for each model."""

    concurrency: int = Field(ge=1)  # most requests at once; below it the limit is found by itself
    timeout_s: float = Field(gt=0)
    attempts: int = Field(ge=1)  # tries of one request; a 429 counts only while nothing else gets through
    api_key_env: str | tuple[str, ...] | None = None  # several: taken in turn
    api_base: str | None = None
    requests_per_minute: float | None = Field(default=None, gt=0)  # None: no cap
    tokens_per_minute: float | None = Field(default=None, gt=0)  # None: no cap
    batch_api: BatchAPI | None = None  # None: every request is answered at once, at the full price
    conversations: int | None = Field(default=None, ge=1)  # most in flight; None: as many as keep all models busy
    # embedded models only; None: as much as the model takes
    context_tokens_per_slot: int | None = Field(default=None, ge=1)
    threads: int | None = Field(default=None, ge=1)  # embedded models only; None: one per core
    gpu_layers: int | None = None  # embedded models only, where xllamacpp was built for a GPU; None: none

    @field_validator("api_key_env")
    @classmethod
    def _a_name_and_no_key(cls, given: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        """What stands in conf/ gets into params.yaml and git: a key must not, and must not be repeated in a message."""
        for name in (given,) if isinstance(given, str) else given or ():
            if not VARIABLE.fullmatch(name):
                raise ValueError(
                    "expected the name of an environment variable in capitals, such as OPENAI_API_KEY, and not its "
                    f"value; found {len(name)} characters that are no such name (not shown; a key? make a new one)"
                )
        return given

    @field_validator("api_base")
    @classmethod
    def _without_password(cls, address: str | None) -> str | None:
        """An address is printed and stored in params.yaml; what opens it belongs into the environment."""
        try:
            parts = urlsplit(address or "")
            _ = parts.port
        except ValueError:  # whose words repeat the host or the port: a password, where the host is forgotten
            raise ValueError(
                "found a host or port that cannot be read (not shown), expected http://HOST:PORT/PATH"
            ) from None
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ValueError(
                "expected an address without user, password, query or fragment, found one with them (not shown); a key "
                "belongs into the environment, under the name that api_key_env gives"
            )
        if address is not None and (parts.scheme not in ("http", "https") or not parts.hostname):
            is_shown = ":" in address and "@" not in address  # without a scheme urlsplit sees no password
            told = repr(address[:80]) if is_shown else "another value (not shown; a key? make a new one)"
            raise ValueError(f"found {told}, expected http://HOST or https://HOST, with a port and a path")
        return address

    @property
    def key_names(self) -> tuple[str, ...]:
        """The environment variables that hold the keys."""
        names = self.api_key_env
        return (names,) if isinstance(names, str) else names or ()


class Budget(Config):
    """What the calls of one run may take. Never tracked. None: no bound."""

    usd: float | None = Field(default=None, ge=0)
    tokens: int | None = Field(default=None, ge=0)  # in and out together


class LLMSection(Config):
    """The part of the params section `llm` that the client reads: connections by provider, and the budget."""

    connections: dict[str, Connection]
    budget: Budget = Budget()


PLANNED = "planned"  # the finish reason of a placeholder that stands for a reply while a run is planned


class Reply(BaseModel):
    """What a model answered. Tokens are None where the provider did not say."""

    text: str
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_prompt_tokens: int | None = None

    @property
    def is_cut(self) -> bool:
        """Whether the model stopped because `max_tokens` ran out, not because it had ended."""
        return self.finish_reason == "length"

    @property
    def is_placeholder(self) -> bool:
        """Whether nobody said this: only `tunewright plan` makes such replies, and nothing can be asked of them."""
        return self.finish_reason == PLANNED

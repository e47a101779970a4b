"""The Hugging Face Hub: whose token is here, what it may do, and the Hub's refusals as messages of ours.

A token is asked before anything is sent. What is said here was tried against bench/fake_hub.py through the real client,
never against the real Hub; the client reads HF_ENDPOINT once, when it is imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tunewright.errors import TunewrightError
from tunewright.keys import hide

TOKENS = "https://huggingface.co/settings/tokens"
LOGIN = f"make one that may write at {TOKENS}, then: hf auth login (or set HF_TOKEN)"
WRITES = "repo.write"  # the Hub's name for that permission of a fine-grained token


@dataclass(frozen=True)
class Errand:
    """What somebody is at the Hub for: the kind of error that stops it, the params key of its namespace, what to do
    after a failure that may pass, and what a status means to it beside the general meaning. `also`: exceptions of the
    client that are no answer and no broken connection, and that this errand takes for failures too.
    """

    error: type[TunewrightError]
    namespace_key: str
    again: str
    meanings: Mapping[int, str] = field(default_factory=dict)
    also: tuple[type[Exception], ...] = ()

    def client(self) -> Any:
        """The client with the token that is there; raises this errand's error without one."""
        from huggingface_hub import HfApi, get_token
        from huggingface_hub.utils import disable_progress_bars

        if not sys.stderr.isatty():
            disable_progress_bars()
        if not (token := get_token()):
            raise self.error(f"no Hugging Face token here: {LOGIN}")
        return HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)

    def namespace_of(self, api: Any, wanted: str | None) -> str:
        """Where repositories belong: `wanted`, else the token's account; raises for a token that cannot write there."""
        with self.explained("ask whose token this is"):
            who = api.whoami()
        owner, roles = who["name"], {org["name"]: org.get("roleInOrg") for org in who.get("orgs", [])}
        namespace = wanted or owner
        if namespace not in (owner, *roles):
            raise self.error(
                f"{self.namespace_key} is {namespace!r}, but this token is of {owner} (organisations: "
                f"{', '.join(roles) or 'none'}); correct it in conf/ and run: make params; or use another token: "
                "hf auth login"
            )
        if roles.get(namespace) == "read":
            raise self.error(f"{owner} may only read in {namespace}: ask its admin for the role `write`")
        self._refuse_reader(who.get("auth", {}).get("accessToken", {}), owner, namespace)
        return namespace

    def _refuse_reader(self, token: Mapping[str, Any], owner: str, namespace: str) -> None:
        role, name = token.get("role"), token.get("displayName", "without a name")
        if role == "read":
            raise self.error(f"the token {name!r} of {owner} may only read: {LOGIN}")
        if role == "fineGrained" and WRITES not in granted(token.get("fineGrained", {}), namespace):
            raise self.error(
                f"the fine-grained token {name!r} of {owner} may not write repositories of {namespace}: give it that "
                f"at {TOKENS}, then run the same command again"
            )

    @contextmanager
    def explained(self, what: str) -> Iterator[None]:
        """Within: what the Hub, or the way there, refuses becomes an error that says what could not be done."""
        import httpx
        from huggingface_hub import get_token
        from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

        try:
            yield
        except OfflineModeIsEnabled:
            raise self.error(f"cannot {what}: HF_HUB_OFFLINE is set; unset it; {self.again}") from None
        except HFValidationError as error:
            raise self.error(f"cannot {what}: {error}; correct the name in conf/ and run: make params") from None
        except GatedRepoError:
            raise self.error(
                f"cannot {what}: its licence is not accepted by the owner of this token; accept it on its page"
            ) from None
        except (HfHubHTTPError, httpx.HTTPError, ConnectionError, TimeoutError, *self.also) as error:
            raise self.error(f"cannot {what}: {hide(self._meaning(error), [get_token() or ''])}") from None

    def _meaning(self, error: BaseException) -> str:
        """What went wrong, in a sentence; the client wraps what happened to one file of several in a RuntimeError."""
        import httpx
        from huggingface_hub.errors import HfHubHTTPError

        if isinstance(error, HfHubHTTPError):
            status = error.response.status_code
            known = self.meanings.get(status) or MEANINGS.get(status)
            return known or f"the Hub answered {status} ({last_line(error)}); {self.again}"
        if isinstance(error, RuntimeError) and error.__cause__ is not None:
            return f"{last_line(error)} {self._meaning(error.__cause__)}"
        if isinstance(error, httpx.TransportError | ConnectionError | TimeoutError):
            return f"no connection to the Hub ({last_line(error)}); {self.again}"
        return f"{last_line(error)}; {self.again}"


MEANINGS = {
    401: f"the token is not valid (any more): {LOGIN}",
    403: f"the token may not do this: {LOGIN}",
    404: "it is not there, or this token may not see it: correct its name in conf/ and run: make params",
    429: "too many requests: wait some minutes and run the same command again",
}


def granted(fine: Mapping[str, Any], namespace: str) -> set[str]:
    """What a fine-grained token allows in a namespace."""
    scoped = [one for one in fine.get("scoped", []) if one.get("entity", {}).get("name") == namespace]
    return {*fine.get("global", []), *(right for one in scoped for right in one.get("permissions", []))}


def last_line(error: BaseException) -> str:
    """What an error says at its end, where the Hub's own words stand."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__

"""Whose token it is and what it may do, asked before anything is sent; and the Hub's errors as messages of ours."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
from huggingface_hub.utils import disable_progress_bars

from tunewright.errors import PublishError

TOKENS = "https://huggingface.co/settings/tokens"
AGAIN = "what has arrived there is kept: run the same command again to go on"
MEANINGS = {
    401: f"the token is not valid (any more); make one that may write at {TOKENS}, then: hf auth login",
    403: f"the token may not do this; make one that may write there at {TOKENS}, then: hf auth login",
    409: f"somebody else is writing there at the same time; {AGAIN}",
    412: f"something was committed there meanwhile; {AGAIN}",
    429: f"too many requests; wait some minutes, {AGAIN}",
}


def hub() -> HfApi:
    """The client with the token that is there; raises PublishError without one."""
    if not sys.stderr.isatty():
        disable_progress_bars()
    token = get_token()
    if token is None:
        raise PublishError(f"no Hugging Face token here; make one that may write at {TOKENS}, then: hf auth login")
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)


def namespace_of(api: HfApi, wanted: str | None) -> str:
    """Where the repositories go: `wanted`, else the token's own account.

    Raises PublishError for a token that cannot write there.
    """
    with explained("ask whose token this is"):
        who = api.whoami()
    namespace = wanted or who["name"]
    orgs = {org["name"]: org.get("roleInOrg") for org in who.get("orgs", [])}
    if namespace != who["name"] and namespace not in orgs:
        known = ", ".join([who["name"], *orgs])
        raise PublishError(
            f"publish.namespace is {namespace!r}, and the token is of {who['name']}, who can write to: {known}. "
            "Correct it in conf/config.yaml and run: make params; or use another token: hf auth login"
        )
    if orgs.get(namespace) == "read":
        raise PublishError(f"{who['name']} may only read in {namespace}; ask its admin for the role `write`")
    _refuse_reader(who.get("auth", {}).get("accessToken", {}), namespace)
    return namespace


def _refuse_reader(token: Mapping[str, Any], namespace: str) -> None:
    role = token.get("role")
    if role == "read" or (role == "fineGrained" and "repo.write" not in _granted(token, namespace)):
        raise PublishError(
            f"the token {token.get('displayName', '')!r} may only read in {namespace}; make one that may write "
            f"repositories there at {TOKENS}, then: hf auth login"
        )


def _granted(token: Mapping[str, Any], namespace: str) -> set[str]:
    fine = token.get("fineGrained", {})
    scoped = [one for one in fine.get("scoped", []) if one.get("entity", {}).get("name") == namespace]
    return {*fine.get("global", []), *(right for one in scoped for right in one.get("permissions", []))}


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Within: what the Hub, or the way there, refuses becomes a PublishError that says what could not be done."""
    try:
        yield
    except OfflineModeIsEnabled:
        raise PublishError(f"cannot {what}: HF_HUB_OFFLINE is set; unset it and run the same command again") from None
    except HFValidationError as error:
        raise PublishError(f"cannot {what}: {error}; correct the section publish in conf/config.yaml") from None
    except (HfHubHTTPError, httpx.HTTPError, OSError, RuntimeError, ValueError) as error:
        raise PublishError(f"cannot {what}: {_meaning(error)}") from None


def _meaning(error: BaseException) -> str:
    """What went wrong, in a sentence; the client wraps what happened to one file of several in a RuntimeError."""
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return MEANINGS.get(status) or f"the Hub answered {status} ({_last_line(error)}); {AGAIN}"
    if isinstance(error, RuntimeError) and error.__cause__ is not None:
        return f"{_last_line(error)} {_meaning(error.__cause__)}"
    if isinstance(error, httpx.TransportError | ConnectionError | TimeoutError):
        return f"no connection to the Hub ({_last_line(error)}); {AGAIN}"
    return f"{_last_line(error)}; {AGAIN}"


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__

"""The Hub's client, and what must hold before anything is spent: a token, that may write, in the right namespace.

Everything that is said here was tried against bench/fake_hub.py through the real client, never against the real Hub.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tunewright.errors import TrainingError

TOKENS = "https://huggingface.co/settings/tokens"
WRITES = "repo.write"  # the Hub's name for the permission of a fine-grained token
MEANINGS = {
    401: f"the token is not valid (any more): make one with the role `write` at {TOKENS} and run: hf auth login",
    402: "nobody pays for it: jobs need credit at https://huggingface.co/settings/billing",
    403: f"the token does not allow it: it needs the role `write`, or to write repositories and jobs ({TOKENS})",
    404: "it is not there, or this token may not see it: correct its name in conf/ and run: make params",
    429: "too many requests: wait some minutes and run the same command again",
}


def hub_client() -> Any:
    """The client of the Hub (of HF_ENDPOINT, if set), with the token that is there; raises TrainingError without."""
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.utils import disable_progress_bars

    if not (token := get_token()):
        raise TrainingError(
            "no Hugging Face token here: a training job needs one that may write. Make one with the role `write` at "
            f"{TOKENS} and run: hf auth login (or set HF_TOKEN)"
        )
    disable_progress_bars()
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Within: a failure of the Hub or of the way to it becomes a TrainingError that says what could not be done."""
    import httpx
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled:
        raise TrainingError(
            f"cannot {what}: HF_HUB_OFFLINE is set; unset it and run: dvc repro train-adapter"
        ) from None
    except GatedRepoError:
        raise TrainingError(
            f"cannot {what}: its licence is not accepted by the owner of this token; accept it on its page on the Hub"
        ) from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        meaning = MEANINGS.get(status) or f"the Hub answered {status} ({last_line(error)})"
        raise TrainingError(f"cannot {what}: {meaning}") from None
    except (httpx.HTTPError, ConnectionError, TimeoutError) as error:
        raise TrainingError(
            f"cannot {what}: no connection to the Hub ({last_line(error)}); run again: dvc repro train-adapter"
        ) from None


def last_line(error: Exception) -> str:
    """What an error says at its end, where the Hub's own words stand."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def namespace_of(api: Any, wanted: str | None) -> str:
    """Where repositories and the job belong; raises TrainingError for a token that may not write there."""
    with explained("ask whose token this is"):
        who = api.whoami()
    names = [who["name"], *(org["name"] for org in who.get("orgs", []))]
    namespace = wanted or who["name"]
    if namespace not in names:
        raise TrainingError(
            f"trainer.place.namespace is {namespace!r}, but this token is of {names[0]} (organisations: "
            f"{', '.join(names[1:]) or 'none'}); correct conf/trainer/hf_jobs.yaml and run: make params"
        )
    refuse_readers(who.get("auth", {}).get("accessToken", {}), who["name"], namespace)
    return namespace


def refuse_readers(token: dict[str, Any], owner: str, namespace: str) -> None:
    """Raise TrainingError for a token that is known to be unable to write in the namespace."""
    role, name = token.get("role"), token.get("displayName", "without a name")
    if role == "read":
        raise TrainingError(
            f"the token {name!r} of {owner} may only read: make one with the role `write` at {TOKENS} and run: "
            "hf auth login"
        )
    if role == "fineGrained" and WRITES not in granted(token.get("fineGrained", {}), namespace):
        raise TrainingError(
            f"the fine-grained token {name!r} of {owner} may not write repositories of {namespace}: give it that and "
            f"jobs at {TOKENS}, then run the same command again"
        )


def granted(fine: dict[str, Any], namespace: str) -> set[str]:
    """What a fine-grained token allows in a namespace."""
    scoped = [s for s in fine.get("scoped", []) if s.get("entity", {}).get("name") == namespace]
    return {*fine.get("global", []), *(p for s in scoped for p in s.get("permissions", []))}


def private_repo(api: Any, repo: str, kind: str) -> None:
    """Make a private repository, if there is none; raises TrainingError where one is public."""
    with explained(f"make the private {kind} repository {repo}"):
        api.create_repo(repo, repo_type=kind, private=True, exist_ok=True)
        private = api.repo_info(repo, repo_type=kind).private
    if not private:
        raise TrainingError(
            f"the {kind} repository {repo} is public, and conversations would be too: make it private, or name another "
            "in conf/trainer/hf_jobs.yaml and run: make params"
        )

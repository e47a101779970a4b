"""Keys and endpoints of the models that play a role. Nothing is paid: a provider is asked for its list of models."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from pydantic import BaseModel, ConfigDict

from tunewright.config import PARAMS, load
from tunewright.doctor.finding import Finding
from tunewright.errors import ConfigError
from tunewright.faults import error_words, one_line
from tunewright.keys import ONE_WORD
from tunewright.models import EMBEDDED, Connection
from tunewright.providers import DIRECT

PATIENCE_S = 10.0
BEARER = ("Authorization", "Bearer {}")
LISTS: Mapping[str, tuple[str, tuple[str, str]]] = {  # where a provider lists its models, and how it takes a key
    "anthropic": ("https://api.anthropic.com/v1/models?limit=1000", ("x-api-key", "{}")),
    "gemini": ("https://generativelanguage.googleapis.com/v1beta/models?pageSize=1000", ("x-goog-api-key", "{}")),
    "openai": ("https://api.openai.com/v1/models", BEARER),
}


@dataclass(frozen=True)
class Use:
    """A model that configuration names, and the roles that it plays."""

    model: str
    roles: tuple[str, ...]

    @property
    def provider(self) -> str:
        """The key of its connection."""
        return self.model.split("/", 1)[0]

    @property
    def name(self) -> str:
        """What its provider calls it."""
        return self.model.partition("/")[2] or self.model


class Section(BaseModel):
    """The params section `llm`: the connections, and as extras whatever plays a role."""

    model_config = ConfigDict(frozen=True, extra="allow")
    connections: dict[str, Connection]


def uses(section: Mapping[str, Any]) -> list[Use]:
    """Every model of the params section `llm`, in the order in which it is named first."""
    roles: dict[str, list[str]] = {}
    for role, value in section.items():
        specs: Any = value if isinstance(value, list) else [value]
        if role == "candidates" and isinstance(value, dict):
            specs = value.values()
        for spec in specs:
            if isinstance(spec, dict) and isinstance(spec.get("model"), str):
                roles.setdefault(spec["model"], []).append(role)
    return [Use(model, tuple(dict.fromkeys(names))) for model, names in roles.items()]


def connections() -> Iterator[Finding]:
    """For each provider that is used: its package or its keys, then whether it answers."""
    section = load("llm", Section)
    by_provider: dict[str, list[Use]] = {}
    for one in uses(section.model_extra or {}):
        by_provider.setdefault(one.provider, []).append(one)
    for provider, found in by_provider.items():
        connection = section.connections.get(provider)
        if connection is None:
            raise ConfigError(
                f"{PARAMS}: {found[0].model} has no connection {provider!r} in llm.connections; "
                "add one in conf/llm/ and run: make params"
            )
        models = {one.name: one.roles for one in found}
        yield from embedded(models) if provider == EMBEDDED else remote(provider, connection, models)


def embedded(models: Mapping[str, tuple[str, ...]]) -> Iterator[Finding]:
    """Models of this process need the package that serves them."""
    if find_spec("xllamacpp") is None:
        found = f"{', '.join(models)}: served in this process by xllamacpp, which is not installed"
        yield Finding("models", "fault", found, "pip install -e '.[local]'")
    else:
        yield Finding("models", "ok", f"{', '.join(models)}: served in this process, no key needed")


def remote(provider: str, connection: Connection, models: Mapping[str, tuple[str, ...]]) -> Iterator[Finding]:
    """A provider's keys, and what it answers to each of them."""
    missing = [name for name in connection.key_names if not os.environ.get(name)]
    roles = ", ".join(dict.fromkeys(role for names in models.values() for role in names))
    if missing:
        found = f"{provider} (for {roles}): {', '.join(f'${name}' for name in missing)} not set"
        yield Finding("keys", "fault", found, f"export {missing[0]}=..., or: dvc exp run -S llm=embedded")
        return
    if broken := [name for name in connection.key_names if not ONE_WORD.fullmatch(os.environ[name])]:
        names = ", ".join(f"${name}" for name in broken)
        found = f"{provider} (for {roles}): {names} holds a space, a line end or a sign that no key has (not shown)"
        yield Finding("keys", "fault", found, f"export {broken[0]}=... again, without quotes inside")
        return
    if connection.key_names:
        yield Finding("keys", "ok", f"{provider}: {', '.join(f'${name}' for name in connection.key_names)} set")
    if os.environ.get("TUNEWRIGHT_OFFLINE", "") not in ("", "0"):
        yield Finding("endpoints", "note", f"{provider}: not asked, since TUNEWRIGHT_OFFLINE is set")
        return
    for name in connection.key_names or ("",):
        yield answered(provider, connection, name, models)


def answered(provider: str, connection: Connection, key_name: str, models: Mapping[str, tuple[str, ...]]) -> Finding:
    """What a provider says to one key when it is asked which models it serves."""
    import httpx

    listed = question(provider, connection)
    if listed is None:
        return Finding("endpoints", "note", f"{provider}: not asked; its first call will show")
    url, (header, form) = listed
    key = os.environ.get(key_name, "")
    with_key = f" with ${key_name}" if key_name else ""
    try:
        response = httpx.get(url, headers={header: form.format(key)} if key else {}, timeout=PATIENCE_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        words = one_line(str(error) or type(error).__name__, [key])
        return Finding("endpoints", "fault", f"{provider}: no answer from {url.split('?')[0]} ({words})", START)
    if response.status_code in (401, 403):
        if not key_name:
            return Finding(
                "endpoints", "fault", f"{provider} wants a key", "add api_key_env to its connection in conf/llm"
            )
        return Finding("endpoints", "fault", f"{provider} refuses the key{with_key}", f"export {key_name}=...")
    if response.status_code != 200:
        words = one_line(error_words(response.text), [key])
        found = f"{provider}{with_key}: status {response.status_code} from {url.split('?')[0]} ({words})"
        return Finding("endpoints", "note", found, "not every server lists its models; the first call will show")
    return served(provider + with_key, response, models)


START = "start the server, or correct api_base in conf/llm/; behind a proxy set HTTPS_PROXY"


def question(provider: str, connection: Connection) -> tuple[str, tuple[str, str]] | None:
    """Where to ask and how the key goes along; None for a provider whose list of models is not known here."""
    if connection.api_base and provider in DIRECT:
        suffix = DIRECT[provider]
        return connection.api_base.rstrip("/").removesuffix(suffix) + suffix + "/models", BEARER
    return None if connection.api_base else LISTS.get(provider)


def served(who: str, response: Any, models: Mapping[str, tuple[str, ...]]) -> Finding:
    """Whether the models that are wanted are in the list."""
    try:
        body = response.json()
        ids = [str(one.get("id") or one.get("name")) for one in body.get("data") or body.get("models") or []]
    except (AttributeError, TypeError, ValueError, RecursionError):
        return Finding("endpoints", "note", f"{who}: answers, but not with a list of models", START)
    known = {name.removeprefix("models/") for name in ids}
    unknown = [name for name in models if known and not any(one == name or one.startswith(f"{name}-") for one in known)]
    if unknown:
        found = f"{who}: answers, and does not list {', '.join(unknown)}"
        return Finding("endpoints", "note", found, "see that the name in conf/llm/ is one that it serves")
    return Finding("endpoints", "ok", f"{who}: answers, serves {', '.join(models)}")

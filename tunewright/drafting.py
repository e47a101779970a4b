"""Drafts of design files by a model that plays an expert: asked for, checked, sent back with their faults, given up.

A draft is made of parts, each one structured answer of bounded size. A part that does not fit its schema or breaks a
rule of the method goes back to the model with every fault named, `repairs` times; then the stage stops, and the last
answer is kept for a person to mend. An answer that a person has mended stands in for the model's, under the same rules.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, Field, ValidationError

from tunewright.config import PREP_PARAMS, Config, Domain
from tunewright.errors import DraftError
from tunewright.interrupts import run_watched
from tunewright.items import ItemFailure, map_items
from tunewright.llm import Client, parse_json
from tunewright.models import ModelSpec
from tunewright.prompts import ChatMessage, render
from tunewright.records import write_text

REPAIR_PROMPT = "prompts/shared/draft_repair.md"
FAULTS_SHOWN = 12  # in a message to a person; the model gets all
M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")
Check = Callable[[M], Iterable[str]]


class Drafting(Config):
    """What every drafting stage is configured with; stages add the method's numbers."""

    expert: ModelSpec
    repairs: int = Field(ge=0)


class Expert:
    """The model that drafts for one stage, and where that stage's rejected and mended answers are."""

    def __init__(self, client: Client, config: Drafting, domain: Domain, stage: str) -> None:
        self.client, self.config, self.stage = client, config, stage
        self.rejected = draft_folder(domain) / "rejected"
        self.mended = Path(domain.prompts) / "mended"

    async def draft(self, part: str, messages: list[ChatMessage], model: type[M], check: Check[M]) -> M:
        """One part that fits `model` and that `check` finds no fault with; raises DraftError with the faults."""
        mended = self.mended / f"{part}.json"
        if mended.exists():
            return self._mended(mended, model, check)
        text, faults, history, attempt = "", ["no answer"], messages, 0
        schema = model.model_json_schema()
        for attempt in range(1 + self.config.repairs):  # each a sample of its own: a repeated draft is asked for anew
            try:
                reply = await self.client.complete(self.config.expert, history, sample=attempt, schema=schema)
            except ItemFailure as failure:
                faults = [str(failure)]
                break
            answer, faults = read_answer(reply.text, model, check)
            if answer is not None:
                self._forget(part)
                return answer
            if reply.is_cut:
                faults = [f"the answer was cut off at {self.config.expert.max_tokens} tokens: write less", *faults]
            text = reply.text
            again = render(REPAIR_PROMPT, faults=faults)
            history = [*messages, {"role": "assistant", "content": text}, *again]
        raise self._reject(part, text, faults, n_tries=attempt + 1)

    async def draft_all(self, items: Sequence[T], work: Callable[[T], Coroutine[Any, Any, Any]]) -> list[Any]:
        """`work` over independent parts, as many at once as the provider takes."""
        return await map_items(items, work, self.client.in_flight([self.config.expert]))

    def _mended(self, path: Path, model: type[M], check: Check[M]) -> M:
        answer, faults = read_answer(path.read_text("utf-8"), model, check)
        if answer is None:
            raise DraftError(
                f"{path}: mended by hand, and still at fault:\n{listed(faults)}\n"
                f"edit it and run: dvc repro prep/dvc.yaml"
            )
        self._forget(path.stem)
        return answer

    def _forget(self, part: str) -> None:
        for path in self.rejected.glob(f"{part}.*"):
            path.unlink()

    def _reject(self, part: str, text: str, faults: list[str], n_tries: int) -> DraftError:
        kept, mended = self.rejected / f"{part}.json", self.mended / f"{part}.json"
        self._forget(part)
        write_text(kept.with_suffix(".faults.txt"), "".join(f"{fault}\n" for fault in faults))
        by_hand = "Try again: dvc repro prep/dvc.yaml"
        if text:
            write_text(kept, pretty(text))
            by_hand = f"Mend it by hand: cp {kept} {mended}, edit that, and run: dvc repro prep/dvc.yaml"
        tries = "1 try" if n_tries == 1 else f"{n_tries} tries"
        return DraftError(
            f"{self.stage}: {self.config.expert.model} gave no usable draft of {part} in {tries}. "
            f"The last one failed:\n{listed(faults)}\n{by_hand}\n"
            f"Or give the work to a stronger model: tunewright params --prep {self.domain_override} llm=mixed"
        )

    @property
    def domain_override(self) -> str:
        """The override that names this domain to `tunewright params`."""
        return f"domain={self.rejected.parent.name}"


def draft_folder(domain: Domain) -> Path:
    """Where the drafts of a domain are."""
    return Path("data/prep") / domain.id


def run_drafting(
    config: Drafting, domain: Domain, stage: str, work: Callable[[Expert], Coroutine[Any, Any, T]]
) -> tuple[T, str]:
    """Run a stage's calls with an expert; returns what they made, and the account of the calls."""
    client = Client.from_params(PREP_PARAMS)
    try:
        return run_watched(client, work(Expert(client, config, domain, stage))), str(client.tally)
    finally:
        client.close()


def read_answer(text: str, model: type[M], check: Check[M]) -> tuple[M | None, list[str]]:
    """The answer when it is a JSON value that fits the model and passes the check; else None and every fault."""
    try:
        answer = model.model_validate(parse_json(text))
    except (ValidationError, ValueError) as error:
        return None, faults_of(error)
    faults = list(check(answer))
    return (None, faults) if faults else (answer, [])


def faults_of(error: Exception) -> list[str]:
    """Every fault of a value that does not fit its model, one line each, with where it is."""
    if not isinstance(error, ValidationError):
        return [f"not JSON: {error}"]
    return [
        f"{'.'.join(map(str, fault['loc'])) or 'the answer'}: {fault['msg'].removeprefix('Value error, ')}"
        for fault in error.errors(include_url=False)
    ]


def model_faults(model: type[BaseModel], value: Any) -> list[str]:
    """What keeps a value from being a design file of this model; empty when nothing does."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        return faults_of(error)
    return []


def write_yaml(path: Path, model: BaseModel, comment: str) -> None:
    """Write a design file under a comment: keys in the model's order, one value a line, defaults left out."""
    value = model.model_dump(mode="json", exclude_defaults=True)
    body = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=math.inf)
    write_text(path, f"# {comment}\n{body}")


def pretty(text: str) -> str:
    """JSON indented, for a person to edit; any other text as it is."""
    try:
        return json.dumps(parse_json(text), indent=2, ensure_ascii=False) + "\n"
    except ValueError:
        return text + "\n"


def listed(faults: list[str]) -> str:
    """Faults as indented lines, the first dozen of them."""
    more = [f"  ... and {len(faults) - FAULTS_SHOWN} more"] if len(faults) > FAULTS_SHOWN else []
    return "\n".join([*(f"  - {fault}" for fault in faults[:FAULTS_SHOWN]), *more])

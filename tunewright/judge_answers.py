"""What a judge must answer, and what of its answer can be used.

A criterion alone is answered by one JSON object; several by one object with an entry for each, under its id. Evidence
comes before reasoning and reasoning before the answer, so that the answer follows from them and not they from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tunewright.config import Config
from tunewright.evidence import sift
from tunewright.json_text import said_value
from tunewright.records import Transcript, Verdict
from tunewright.rubric import Criterion

Batching = Literal["criterion", "category", "conversation"]
MISQUOTED = "evidence quoted is not in the transcript"
TWICE = "(a key that is given twice)"  # stands for the value of such a key: nobody can say which one was meant


class EvidenceRules(Config):
    """What a judge must show for its answer."""

    quotes: int = Field(ge=0, le=5)  # the most of an answer; 0: exchange numbers alone are asked for
    quote_chars: int = Field(ge=20)
    required: bool  # an answer whose quotes are all invented, or a NO without evidence, does not count


class AskingConfig(Config):
    """How questions are put to judges: the same in calibration and in use, or trust would not carry over."""

    batching: Batching
    reasks: int = Field(ge=0)
    reasoning_chars: int = Field(ge=20)
    example_tokens: int = Field(ge=0)  # of calibration examples in one call, by tiktoken's cl100k
    evidence: EvidenceRules


class JudgeAnswer(BaseModel):
    """The answer to one criterion."""

    model_config = ConfigDict(extra="ignore")
    evidence: Annotated[list[int], BeforeValidator(lambda found: found[:12] if isinstance(found, list) else found)] = (
        Field(max_length=12, description="numbers of the exchanges that decide it")  # of more, the first twelve
    )
    quotes: list[str] = Field(default=[], description="what a message says there, word for word")
    reasoning: str = Field(description="one or two sentences on what those exchanges show")
    answer: Literal["YES", "NO", "NA"]


class Fault(NamedTuple):
    """Why an answer cannot be used, as the judge is told, and the words that it invented."""

    said: str
    misquotes: tuple[str, ...] = ()


def answer_schema(criteria: Sequence[Criterion], rules: AskingConfig, keyed: bool) -> dict[str, Any]:
    """The JSON schema of the answer; `keyed`: an entry for each criterion under its id.

    Every text has a limit, since a weak model runs on until its tokens end.
    """
    one = JudgeAnswer.model_json_schema()
    one["properties"]["reasoning"]["maxLength"] = rules.reasoning_chars
    quotes = one["properties"]["quotes"]
    quotes.pop("default")
    quotes["maxItems"] = rules.evidence.quotes
    quotes["items"]["maxLength"] = rules.evidence.quote_chars
    if not rules.evidence.quotes:
        del one["properties"]["quotes"]
    one["required"] = list(one["properties"])
    if not keyed:
        return one
    ids = [c.id for c in criteria]
    return {"title": "JudgeAnswers", "type": "object", "properties": dict.fromkeys(ids, one), "required": ids}


def read_answers(
    text: str, criteria: Sequence[Criterion], transcript: Transcript, judge: str, rules: AskingConfig, keyed: bool
) -> tuple[dict[str, Verdict], dict[str, Fault]]:
    """The verdicts that a reply gives, and the faults of the criteria that it gives none for, by criterion.

    An entry under an id that was not asked is passed over: a missing one is the fault that it usually goes with.
    """
    try:
        value = _object(text)
    except ValueError as error:
        return {}, {c.id: Fault(f"not JSON ({error})") for c in criteria}
    entries = value if keyed else {criteria[0].id: value}
    strays = [key for key in entries if key not in {c.id for c in criteria}]
    verdicts, faults = {}, {}
    for criterion in criteria:
        if criterion.id in entries:
            found = _verdict(entries[criterion.id], criterion, transcript, judge, rules)
        else:
            found = Fault("no entry under this id" + (f", but one under {strays[0]!r}" if strays else ""))
        if isinstance(found, Fault):
            faults[criterion.id] = found
        else:
            verdicts[criterion.id] = found
    return verdicts, faults


def ask_again(faults: Mapping[str, Fault], keyed: bool) -> str:
    """What a judge is told of an answer that cannot be used, in part or whole."""
    if not keyed:
        [fault] = faults.values()
        return f"That answer cannot be used: {fault.said}. Answer again with one JSON object that fits the schema."
    lines = "".join(f"- {criterion}: {fault.said}\n" for criterion, fault in faults.items())
    return (
        f"These entries cannot be used:\n{lines}Answer these criteria again, and no others, with one JSON object that "
        f"has an entry under each id: {', '.join(faults)}."
    )


def _object(text: str) -> dict[str, Any]:
    """The JSON object of a reply, whatever stands around it; raises ValueError."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        raise ValueError(f"no object in {text[:40]!r}")
    return said_value(text[start : end + 1], object_pairs_hook=_once, parse_constant=float)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON in which a key that is given twice has no value of use (Python would keep the last)."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[key] = TWICE if key in found else value
    return found


def _verdict(
    entry: Any, criterion: Criterion, transcript: Transcript, judge: str, rules: AskingConfig
) -> Verdict | Fault:
    """One criterion's verdict; quotes that are not in the transcript are dropped, and kept as misquotes."""
    if entry == TWICE:
        return Fault("answered twice")
    try:
        found = JudgeAnswer.model_validate(entry)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return Fault(f"{'.'.join(map(str, first['loc'])) or 'answer'}: {first['msg']}")
    quotes, misquotes = sift(found.quotes[: rules.evidence.quotes], found.evidence, transcript.exchanges)
    within = {n for n in found.evidence if 1 <= n <= len(transcript.exchanges)}
    evidence = tuple(sorted(within | {q.exchange for q in quotes}))
    if rules.evidence.required:
        if misquotes and not quotes:
            words = "; ".join(f'"{m}"' for m in misquotes)
            return Fault(f"no message says {words}; quote word for word, or quote nothing", misquotes)
        if found.answer == "NO" and not evidence:
            return Fault("a NO needs evidence: the number of an exchange that decides it")
    return Verdict(
        transcript_id=transcript.id,
        criterion=criterion.id,
        judge=judge,
        answer=found.answer,
        evidence=evidence,
        quotes=quotes,
        misquotes=misquotes,
        reasoning=" ".join(found.reasoning.split()),
    )

"""Entailment: would the user's next message still be a natural answer to the rewritten reply?

There are no calibration examples of this question, so that no judge can be trusted on it by its own record. The rule:
a judge's answer counts when judges are assumed to be right (judge_trust: assumed), or when design-calibrate trusts that
judge on at least `min_trusted_criteria` judged criteria of the rubric (conf: generate.fixup). It reads replies better
than chance then, which is less than to know that it can do this. All judges that count are asked; one NO is a NO.
Where none counts the answer is "not checked", and unknown is never YES.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from tunewright.items import ItemFailure, OutageError
from tunewright.llm import Client
from tunewright.models import Judge
from tunewright.prompts import ChatMessage, render
from tunewright.records import Exchange
from tunewright.repairs import Entailed
from tunewright.rubric import Rubric
from tunewright.trust import Trust, why_untrusted

ENTAILMENT_PROMPT = "prompts/shared/entailment.md"


class EntailmentAnswer(BaseModel):
    """What a judge must answer, the reasoning before the answer."""

    model_config = ConfigDict(extra="ignore")
    reasoning: str = Field(description="what the next message reacts to, and whether it is there")
    answer: Literal["YES", "NO"]


class Entailing(NamedTuple):
    """Who is asked, and how."""

    judges: tuple[Judge, ...]  # those whose answer counts
    reasks: int
    reasoning_chars: int


class Answered(NamedTuple):
    """The judges' answer together, and the reasoning that decided it."""

    entailment: Entailed
    reasoning: str


def judges_that_count(
    judges: Sequence[Judge], rubric: Rubric, trust: Trust | None, min_trusted_criteria: int
) -> tuple[Judge, ...]:
    """The judges that the rule above lets answer (`trust` None: all)."""
    judged = [c.id for c in rubric.criteria if c.evaluator == "judge"]
    return tuple(
        j
        for j in judges
        if trust is None or sum(why_untrusted(trust, j.name, c) is None for c in judged) >= min_trusted_criteria
    )


async def entails(
    client: Client, how: Entailing, before: Sequence[Exchange], rewritten: Exchange, following: str
) -> Answered:
    """Whether `following` could still come after `rewritten`; the first judge that does not say YES decides.

    Raises OutageError where a judge's provider did not answer.
    """
    if not how.judges:
        return Answered("not checked", "no judge is trusted on enough criteria to be asked")
    said = []
    for judge in how.judges:
        try:
            found = await client.structured(
                judge,
                entailment_messages(before, rewritten, following),
                EntailmentAnswer,
                schema=answer_schema(how.reasoning_chars),
                reasks=how.reasks,
            )
        except OutageError:
            raise
        except ItemFailure as failure:
            return Answered("no answer", f"{judge.name}: {failure}")
        said.append(f"{judge.name}: {' '.join(found.reasoning.split())}")
        if found.answer == "NO":
            return Answered("NO", said[-1])
    return Answered("YES", " ".join(said))


def entailment_messages(before: Sequence[Exchange], rewritten: Exchange, following: str) -> list[ChatMessage]:
    """The question: role and rules (constant), the conversation up to there, the rewritten reply, the next message.

    The reply as it was is not shown: nobody who reads or learns from the repaired conversation sees it.
    """
    return render(
        ENTAILMENT_PROMPT,
        before=[e.model_dump() for e in before],
        said=rewritten.user,
        reply=rewritten.assistant,
        following=following,
    )


def answer_schema(reasoning_chars: int) -> dict[str, Any]:
    """The JSON schema of EntailmentAnswer with a limit on the reasoning, as for verdicts."""
    schema = EntailmentAnswer.model_json_schema()
    schema["properties"]["reasoning"]["maxLength"] = reasoning_chars
    return schema

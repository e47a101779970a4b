"""What only a reader can see of a simulated user: one question a call, the transcript first, so that it is cached."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from tunewright.items import ItemFailure, why_unjudged
from tunewright.llm import Client
from tunewright.models import ModelSpec
from tunewright.personas import PersonaTemplate
from tunewright.prompts import ChatMessage, render
from tunewright.records import Persona, Transcript

PROMPT = "prompts/shared/simulator_review.md"


class SimulatorAnswer(BaseModel):
    """What the judge must answer, evidence and reasoning before the answer."""

    model_config = ConfigDict(extra="ignore")
    evidence: list[int] = Field(max_length=12, description="numbers of the exchanges that show the fault")
    reasoning: str = Field(description="one or two sentences on what those messages show")
    answer: Literal["YES", "NO"]


class Judged(NamedTuple):
    """A judge's answers on one conversation, by fault: where it shows, and why; or why there is no answer."""

    found: dict[str, tuple[tuple[int, ...], str]]
    unjudged: dict[str, str]


async def judge_user(
    client: Client,
    judge: ModelSpec,
    transcript: Transcript,
    persona: Persona,
    template: PersonaTemplate,
    questions: dict[str, str],
    reasks: int,
    reasoning_chars: int,
) -> Judged:
    """All questions on one conversation, in turn: each finds the transcript in the prefix cache."""
    judged = Judged({}, {})
    schema = answer_schema(reasoning_chars)
    for fault, question in questions.items():
        messages = review_messages(transcript, persona, template, question)
        try:
            given = await client.structured(judge, messages, SimulatorAnswer, schema=schema, reasks=reasks)
        except ItemFailure as failure:
            judged.unjudged[fault] = why_unjudged(failure)
            continue
        evidence = tuple(sorted({n for n in given.evidence if 1 <= n <= len(transcript.exchanges)}))
        if given.answer == "YES" and evidence:
            judged.found[fault] = (evidence, " ".join(given.reasoning.split()))
        elif given.answer == "YES":
            judged.unjudged[fault] = "the judge says YES and names no exchange"
    return judged


def review_messages(
    transcript: Transcript, persona: Persona, template: PersonaTemplate, question: str
) -> list[ChatMessage]:
    """The judge's messages: role, transcript and persona (the same for all questions), then the question."""
    return render(
        PROMPT,
        exchanges=[e.model_dump() for e in transcript.exchanges],
        persona=persona.model_dump(),
        manner=template.styles[persona.style].manner,
        trajectory=template.trajectory[persona.trajectory].text,
        flaws=[template.flaws.kinds[f.id] for f in persona.flaws if f.id in template.flaws.kinds],
        question=question,
    )


def answer_schema(reasoning_chars: int) -> dict[str, Any]:
    """The JSON schema of SimulatorAnswer with a limit on the reasoning."""
    schema = SimulatorAnswer.model_json_schema()
    schema["properties"]["reasoning"]["maxLength"] = reasoning_chars
    return schema

"""What exported files are tried on, and how: a domain's own conversations, and answers begun by two models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tunewright.chat_tokenizer import ChatTokenizer
from tunewright.config import Domain
from tunewright.continuations import Agreement, AgreementRules, Step, compare, served_answer, served_steps
from tunewright.conversation import as_messages, assistant_variables, history
from tunewright.greedy import reference_steps
from tunewright.own_talk import own_conversations
from tunewright.prompts import render
from tunewright.records import Example, stable_unit
from tunewright.serving import Endpoint
from tunewright.terminal import bar

CONTEXT_TOKENS = 2048  # of a server, at least
OPENING = 2  # messages: what the system and the user say first


def conversations(domain: Domain) -> list[Example]:
    """The domain's own conversations under its system prompt."""
    system = as_messages(render(Path(domain.prompts) / "system.md", **assistant_variables(domain)))
    return [
        Example(
            id=talk.id,
            transcript_id=talk.id,
            persona_id=talk.persona_id,
            n_exchanges=len(talk.exchanges),
            n_tokens=0,  # not counted: nothing is trained on these
            messages=(*system, *as_messages(history(talk.exchanges))),
        )
        for talk in own_conversations(domain)
    ]


def pick(examples: Sequence[Example], count: int) -> list[Example]:
    """Which conversations are compared: `count` of them by stable hash, or all when there are fewer."""
    return sorted(examples, key=lambda e: (stable_unit("parity", e.id), e.id))[:count]


def openings(examples: Sequence[Example], tokenizer: ChatTokenizer) -> list[list[int]]:
    """Tokens of each conversation up to its first reply, which is then to be given: short, so that it takes seconds."""
    return [tokenizer.encode(tokenizer.render(e.messages[:OPENING], generation_prompt=True)) for e in examples]


def room_for(prompts: Sequence[Sequence[int]], rules: AgreementRules) -> int:
    """Tokens of context that a server needs for these prompts and their answers."""
    return max(CONTEXT_TOKENS, max(map(len, prompts), default=0) + 2 * rules.tokens)


def said_by_weights(
    folder: Path, prompts: Sequence[Sequence[int]], rules: AgreementRules, end: int
) -> list[list[Step]]:
    """How transformers goes on with the unquantized weights of a model; `end` is the token that ends a reply."""
    with bar("transformers answering", len(prompts)) as progress:
        return reference_steps(folder, prompts, rules.tokens, rules.likeliest, end, progress.advance)


def said_by_file(
    endpoint: Endpoint, prompts: Sequence[Sequence[int]], rules: AgreementRules, end: int
) -> list[list[Step]]:
    """How a served file goes on by itself."""
    found = []
    with bar("the file answering", len(prompts)) as progress:
        for prompt in prompts:
            found.append(served_answer(endpoint, prompt, rules.tokens, rules.likeliest, end))
            progress.advance()
    return found


def agreement(
    endpoint: Endpoint, prompts: Sequence[Sequence[int]], said: Sequence[Sequence[Step]], rules: AgreementRules
) -> Agreement:
    """How a served file agrees with what another said after the same prompts."""
    served = []
    with bar("comparing answers", len(prompts)) as progress:
        for prompt, steps in zip(prompts, said, strict=True):
            served.append(served_steps(endpoint, prompt, steps, rules.likeliest))
            progress.advance()
    return compare(said, served, rules.tie_nats)

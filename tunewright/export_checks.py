"""What exported files are tried on, and how: a domain's own conversations, and answers begun by two models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tunewright.chat_tokenizer import ChatTokenizer
from tunewright.config import Domain
from tunewright.continuations import Agreement, AgreementRules, compare, served_answer, served_steps
from tunewright.conversation import as_messages, assistant_variables, history
from tunewright.greedy import reference_steps
from tunewright.own_talk import own_conversations
from tunewright.prompts import render
from tunewright.records import Example, stable_unit
from tunewright.serving import Endpoint
from tunewright.terminal import bar

CONTEXT_TOKENS = 2048  # of a server, at least
OPENING = 4  # messages: system, user, assistant, user


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
    """Tokens of each conversation up to its second reply (of a shorter one: its first), which is then to be given."""
    found = []
    for example in examples:
        messages = example.messages[: OPENING if len(example.messages) > OPENING else OPENING - 2]
        found.append(tokenizer.encode(tokenizer.render(messages, generation_prompt=True)))
    return found


def room_for(prompts: Sequence[Sequence[int]], rules: AgreementRules) -> int:
    """Tokens of context that a server needs for these prompts and their answers."""
    return max(CONTEXT_TOKENS, max(map(len, prompts), default=0) + 2 * rules.tokens)


def against_weights(
    folder: Path, endpoint: Endpoint, prompts: Sequence[Sequence[int]], rules: AgreementRules, tokenizer: ChatTokenizer
) -> Agreement:
    """How a served file goes on, compared with transformers on the weights that it was made of."""
    with bar("transformers answering", len(prompts)) as progress:
        end, advance = tokenizer.backend.eos_token_id, progress.advance
        said = reference_steps(folder, prompts, rules.tokens, rules.likeliest, end, advance)
    with bar("the file answering", len(prompts)) as progress:
        served = []
        for prompt, steps in zip(prompts, said, strict=True):
            served.append(served_steps(endpoint, prompt, steps, rules.likeliest))
            progress.advance()
    return compare(said, served)


def against_file(
    reference: Endpoint, endpoint: Endpoint, prompts: Sequence[Sequence[int]], rules: AgreementRules, end: int
) -> Agreement:
    """How a served file goes on, compared with another served file."""
    said, served = [], []
    with bar("both files answering", len(prompts)) as progress:
        for prompt in prompts:
            said.append(served_answer(reference, prompt, rules.tokens, rules.likeliest, end))
            served.append(served_steps(endpoint, prompt, said[-1], rules.likeliest))
            progress.advance()
    return compare(said, served)

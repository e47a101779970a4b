"""What a domain's prompts and rubric rest on: frameworks, behavioural anchors, documented failure modes.

Read from conf/domain/<id>/frameworks.yaml. The counter of a failure mode and every anchor are sentences that stand
word for word in the assistant prompt; design-check looks for them there.
"""

from __future__ import annotations

from pydantic import Field

from tunewright.config import Config, load_file


class Snippet(Config):
    """A moment of conversation that shows a technique at work."""

    user: str = Field(min_length=1)
    assistant: str = Field(min_length=1)


class Framework(Config):
    """A named way of working: what it does, when it helps and when not yet, and how it sounds."""

    name: str
    technique: str
    use_when: str
    not_when: str
    snippets: tuple[Snippet, ...] = Field(min_length=1)


class Anchors(Config):
    """Observable behaviour, each a sentence that begins with a verb."""

    always: tuple[str, ...]
    never: tuple[str, ...]


class FailureMode(Config):
    """Something that chat models do wrong in this domain, as it looks, and the sentence that guards against it."""

    name: str
    instance: str
    counter: str


class Research(Config):
    """What is known of a domain before anchors are derived from it."""

    frameworks: tuple[Framework, ...] = Field(min_length=1)
    failure_modes: tuple[FailureMode, ...] = Field(min_length=1)


class Frameworks(Research):
    """All of frameworks.yaml."""

    anchors: Anchors


def load_frameworks(path: str) -> Frameworks:
    """Read and check a frameworks file; raises ConfigError."""
    return load_file(path, Frameworks)

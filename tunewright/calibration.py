"""Labelled material to test judges with: calibration examples, worked evaluations, planted flaws.

Read from conf/domain/<id>/calibration.yaml and planted.yaml. A conversation is written out, or taken from the domain's
authored ones, whole or in part, with some replies put in their place. A planted flaw is a stretch of conversation that
goes into a good one at some point, in two versions that differ in their last reply alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from tunewright.config import Config, load_file
from tunewright.errors import ConfigError
from tunewright.records import Answer, Exchange, Transcript
from tunewright.token_count import count_tokens

ANSWERS: Mapping[str, Answer] = {"pass": "YES", "fail": "NO", "na": "NA"}
Label = Literal["pass", "fail", "na"]
REALISTIC_EXCHANGES = 5  # a conversation of this length or more is of realistic length (the method, section 1)


class Turn(Config):
    """One exchange, as design files write it."""

    user: str = Field(min_length=1)
    assistant: str = Field(min_length=1)


class Conversation(Config):
    """Exchanges written out, or an authored transcript: its first `until` exchanges, with `replies` put in."""

    exchanges: tuple[Turn, ...] | None = None
    transcript: str | None = None
    until: int | None = Field(default=None, ge=1)
    replies: dict[int, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_source(self) -> Conversation:
        if (self.exchanges is None) == (self.transcript is None):
            raise ValueError(
                "found both or none of `exchanges` and `transcript`, expected one: written out, or an authored id"
            )
        if self.exchanges is not None and (not self.exchanges or self.until is not None or self.replies):
            raise ValueError(
                "found `exchanges` empty or with `until` or `replies`, expected those with `transcript` alone"
            )
        return self

    def resolve(self, authored: Mapping[str, Transcript], where: str) -> tuple[Exchange, ...]:
        """The exchanges themselves; `authored` by id. Raises ConfigError that begins with `where`."""
        if self.exchanges is not None:
            return tuple(Exchange(user=tidy(t.user), assistant=tidy(t.assistant)) for t in self.exchanges)
        if self.transcript is None or self.transcript not in authored:
            raise ConfigError(
                f"{where}: found transcript {self.transcript!r}, expected the id of an authored one; edit it and "
                "run: dvc repro"
            )
        whole = authored[self.transcript].exchanges[: self.until]
        if beyond := [n for n in self.replies if not 1 <= n <= len(whole)]:
            raise ConfigError(
                f"{where}: found a reply for exchange {beyond[0]}, expected 1 to {len(whole)}, as {self.transcript} "
                "has here; edit it and run: dvc repro"
            )
        return tuple(
            e.model_copy(update={"assistant": tidy(self.replies[n])}) if n in self.replies else e
            for n, e in enumerate(whole, 1)
        )


class CalibrationExample(Conversation):
    """A conversation with the right answer to one criterion, and why."""

    label: Label
    borderline: bool = False
    reason: str = Field(min_length=10)

    @property
    def answer(self) -> Answer:
        """The label as a verdict's answer."""
        return ANSWERS[self.label]


class Finding(Config):
    """One criterion's line in a worked evaluation."""

    label: Label
    reason: str = Field(min_length=10)


class WorkedEvaluation(Conversation):
    """A whole conversation evaluated by hand on every criterion."""

    kind: Literal["strong", "mediocre", "safety_violation"]
    findings: dict[str, Finding]


class Calibration(Config):
    """All of calibration.yaml."""

    examples: dict[str, tuple[CalibrationExample, ...]]
    worked: tuple[WorkedEvaluation, ...]


class Hosts(Config):
    """Ids of good authored conversations that flaws are planted in."""

    short: tuple[str, ...]
    long: tuple[str, ...]


class PlantedFlaw(Config):
    """A stretch of conversation whose last reply is either good or violates the criterion."""

    before: tuple[Turn, ...] = ()
    user: str = Field(min_length=1)
    good: str = Field(min_length=1)
    bad: str = Field(min_length=1)
    reason: str = Field(min_length=10)


class Planted(Config):
    """All of planted.yaml."""

    hosts: Hosts
    flaws: dict[str, tuple[PlantedFlaw, ...]]


class Labelled(NamedTuple):
    """One conversation, one criterion, the right answer."""

    criterion: str
    answer: Answer
    exchanges: tuple[Exchange, ...]
    reason: str
    borderline: bool
    source: str  # the authored transcript it was made from, or ""
    name: str = ""  # where it stands in the calibration file


def load_calibration(path: str) -> Calibration:
    """Read and check a calibration file; raises ConfigError."""
    return load_file(path, Calibration)


def load_planted(path: str) -> Planted:
    """Read and check a file of planted flaws; raises ConfigError."""
    return load_file(path, Planted)


def labelled_examples(calibration: Calibration, authored: Sequence[Transcript], path: str) -> list[Labelled]:
    """Every calibration example and every line of the worked evaluations; raises ConfigError for a wrong reference."""
    by_id = {t.id: t for t in authored}
    found = []
    for criterion, examples in calibration.examples.items():
        for number, one in enumerate(examples, 1):
            exchanges = one.resolve(by_id, f"{path}: example {number} of {criterion}")
            source = one.transcript or ""
            name = f"{criterion} example {number}"
            found.append(Labelled(criterion, one.answer, exchanges, one.reason, one.borderline, source, name))
    for one in calibration.worked:
        exchanges = one.resolve(by_id, f"{path}: worked evaluation {one.kind}")
        for criterion, finding in one.findings.items():
            answer, source = ANSWERS[finding.label], one.transcript or one.kind
            name = f"{criterion} in worked evaluation {one.kind}"
            found.append(Labelled(criterion, answer, exchanges, finding.reason, False, source, name))
    return found


def choose_balanced(examples: Sequence[Labelled], n: int | None) -> list[Labelled]:
    """`n` of one criterion's examples (None: all): YES, NO and NA by turns, each in the file's order."""
    queues = [[e for e in examples if e.answer == answer] for answer in ("YES", "NO", "NA")]
    by_turns = [e for row in zip_longest(*queues) for e in row if e is not None]
    return by_turns[:n]


def shown_to_judge(
    examples: Sequence[Labelled], budget_tokens: int, source: str, but: Labelled | None
) -> list[Labelled]:
    """The examples of one criterion that a judge is shown: by turns of their answers, shortest first, within a budget.

    Never the one that is asked (`but`), nor any that was made from the same conversation as the one judged (`source`).
    """
    asked = but.exchanges if but else ()
    open_ones = [e for e in examples if e.exchanges != asked and not (source and e.source == source)]
    shown, left = [], budget_tokens
    for example in choose_balanced(sorted(open_ones, key=n_words), None):
        if budget_tokens and (n := n_tokens(example)) <= left:
            shown.append(example)
            left -= n
    return shown


def n_tokens(example: Labelled) -> int:
    """About how many tokens an example takes in a judge's prompt, its reason and the speakers' names included."""
    said = "".join(f"User: {e.user}\nAssistant: {e.assistant}\n" for e in example.exchanges)
    return count_tokens(f"<example>\n{said}Answer: {example.answer}. {example.reason}\n</example>\n")


def n_words(example: Labelled) -> int:
    """Words of an example's conversation and reason."""
    return sum(len(f"{e.user} {e.assistant}".split()) for e in example.exchanges) + len(example.reason.split())


def by_criterion(examples: Sequence[Labelled]) -> dict[str, list[Labelled]]:
    """Examples grouped by their criterion, in order."""
    found: dict[str, list[Labelled]] = {}
    for example in examples:
        found.setdefault(example.criterion, []).append(example)
    return found


def tidy(text: str) -> str:
    """Line breaks of the YAML file to spaces; paragraphs stay."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))

"""The rubric: what a good conversation is, as binary criteria in weighted categories with safety gates.

Read from the domain's rubric.yaml and checked whole, so that a stage never meets half a rubric.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from tunewright.config import Bounds, Config, brief, load_file
from tunewright.measures import STATISTICS, Lexicon, normalise
from tunewright.records import digest

WEIGHT_TOLERANCE = 1e-6
SAFETY = "safety"  # the category of gates; it has no weight


class Category(Config):
    """A group of criteria and its share of the score (0 to 1)."""

    title: str
    weight: float = Field(gt=0, le=1)


class Criterion(Config):
    """One YES / NO / NA question on a whole conversation."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    category: str
    question: str = Field(min_length=10)
    evaluator: Literal["judge", "measure"]
    na_allowed: bool
    na_when: str | None = None
    min_exchanges: int = Field(ge=1)
    gate: bool = False
    measure: dict[str, Bounds] | None = None

    @field_validator("question")
    @classmethod
    def _is_a_question(cls, question: str) -> str:
        if not question.rstrip().endswith("?"):
            raise ValueError(f"found {brief(question)}, expected a question that ends in '?'")
        return question

    @model_validator(mode="after")
    def _consistent(self) -> Criterion:
        if (self.evaluator == "measure") != bool(self.measure):
            raise ValueError(
                f"{self.id}: found evaluator {self.evaluator} {'with' if self.measure else 'without'} "
                "`measure:`, expected it with evaluator measure and only there"
            )
        for statistic in self.measure or {}:
            if statistic not in STATISTICS:
                raise ValueError(
                    f"{self.id}: found statistic {brief(statistic)}, expected one of {', '.join(STATISTICS)}"
                )
        if self.na_allowed != bool(self.na_when):
            raise ValueError(
                f"{self.id}: found {'no ' if self.na_allowed else ''}`na_when`, expected it exactly where "
                "na_allowed is true"
            )
        if self.gate != (self.category == SAFETY):
            raise ValueError(
                f"{self.id}: found category {brief(self.category)} and gate: {str(self.gate).lower()}, expected "
                f"gates, and only gates, in {SAFETY!r}"
            )
        return self


class Rubric(Config):
    """All of rubric.yaml."""

    pass_threshold: float = Field(ge=0, le=1)
    all_na_category: Literal["leave_out", "count_full"]
    categories: dict[str, Category]
    criteria: tuple[Criterion, ...]
    lexicon: Lexicon
    background: str | None  # what a judge must know of the domain and cannot see: policies, prices, rules

    @field_validator("lexicon")
    @classmethod
    def _can_match(cls, lexicon: Lexicon) -> Lexicon:
        phrases = [phrase for listed in lexicon.model_dump().values() for phrase in listed]
        if odd := [phrase for phrase in phrases if not phrase.strip() or normalise(phrase) != phrase.strip()]:
            raise ValueError(
                f"found {brief(odd[0])}, expected phrases in lower case, straight quotes and single spaces"
            )
        return lexicon

    @model_validator(mode="after")
    def _whole(self) -> Rubric:
        total = sum(c.weight for c in self.categories.values())
        if abs(total - 1) > WEIGHT_TOLERANCE:
            parts = " + ".join(f"{name} {c.weight:g}" for name, c in self.categories.items())
            raise ValueError(f"category weights: found a sum of {total:g} ({parts}), expected 1")
        ids = [c.id for c in self.criteria]
        if twice := sorted({i for i in ids if ids.count(i) > 1}):
            raise ValueError(f"criteria: found {', '.join(twice)} given twice, expected every id once")
        for criterion in self.criteria:
            if not criterion.gate and criterion.category not in self.categories:
                raise ValueError(
                    f"{criterion.id}: found category {brief(criterion.category)}, expected one of "
                    f"{', '.join(self.categories)}"
                )
        if empty := [c for c in self.categories if not self.in_category(c)]:
            raise ValueError(f"categories: found {', '.join(empty)} without a criterion, expected one or more in each")
        return self

    @property
    def fingerprint(self) -> str:
        """12 hex digits that change with any criterion or the background (not with weights or the threshold)."""
        return digest([c.model_dump(mode="json") for c in self.criteria] + [self.background])[:12]

    def question_hash(self, criterion: Criterion) -> str:
        """12 hex digits that change with what a judge of this criterion is asked and told, and with nothing else."""
        asked = criterion.model_dump(include={"question", "na_allowed", "na_when", "min_exchanges", "gate"})
        return digest([asked, self.background])[:12]

    @property
    def gates(self) -> tuple[Criterion, ...]:
        """The safety gates."""
        return tuple(c for c in self.criteria if c.gate)

    @property
    def safety_first(self) -> tuple[Criterion, ...]:
        """All criteria, gates before the others, else in the file's order."""
        return tuple(sorted(self.criteria, key=lambda c: not c.gate))

    def in_category(self, category: str) -> tuple[Criterion, ...]:
        """A category's criteria."""
        return tuple(c for c in self.criteria if c.category == category)

    def criterion_weight(self, criterion: Criterion) -> float:
        """A criterion's share of the score: its category's weight split evenly; 0 for a gate."""
        if criterion.gate:
            return 0.0
        return self.categories[criterion.category].weight / len(self.in_category(criterion.category))


def load_rubric(path: str) -> Rubric:
    """Read and check a rubric file; raises ConfigError."""
    return load_file(path, Rubric)

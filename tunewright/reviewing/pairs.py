"""What the comparing pages show: pairs of conversations, the questions, and what people said of them so far.

What was read is read again when a file's size or time has changed, since `dvc repro` may run beside the app.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from tunewright.config import load
from tunewright.errors import MissingInputError
from tunewright.pairing import MADE_BY, Side, TalkPair, input_paths, questions, read_pairs, split_stale, to_compare
from tunewright.preferences import OVERALL, Preference, PreferenceBook
from tunewright.records import Persona, read_jsonl
from tunewright.reviewing.settings import Settings
from tunewright.reviewing.stamps import Stamp, stamp
from tunewright.rubric import Rubric, load_rubric

if TYPE_CHECKING:
    from tunewright.preference_rates import PreferenceRules

PERSONAS = "data/evaluate/personas.jsonl"


@dataclass(frozen=True)
class Pairs:
    """All that there is to compare. `asked`: the ids of the pairs that readers are asked about, in their order."""

    pairs: Mapping[str, TalkPair]
    asked: tuple[str, ...]
    personas: Mapping[str, Persona]
    rubric: Rubric
    rules: PreferenceRules

    @property
    def questions(self) -> dict[str, str]:
        """What is asked of every pair, by title."""
        return questions(self.rubric)

    def title(self, pair: TalkPair) -> str:
        """Who writes, in a few words."""
        who = self.personas.get(pair.base.persona_id)
        if who is None:
            return pair.base.persona_id
        return ", ".join([who.name, *([str(who.age)] if who.age else []), who.topic.replace("_", " ")])


class PairShelf:
    """The pairs and the preferences as they are on disk now."""

    def __init__(self, settings: Settings) -> None:
        self.book = PreferenceBook(settings.root / settings.domain.reviews, settings.reviewer)
        self._settings = settings
        self._lock = Lock()
        self._kept: tuple[list[Stamp | None], Pairs] | None = None

    def pairs(self) -> Pairs:
        """What there is to compare; raises MissingInputError naming the stage to run, RecordError, ConfigError."""
        root, rubric = self._settings.root, self._settings.root / self._settings.domain.rubric
        paths = [*input_paths(root), root / PERSONAS, root / "params.yaml", rubric]
        with self._lock:
            stamps = [stamp(path) for path in paths]
            if self._kept is None or self._kept[0] != stamps:
                self._kept = stamps, load_pairs(self._settings)
            return self._kept[1]

    def opinions(self, pairs: Pairs) -> Opinions:
        """What people said of the pairs, as it is on disk now."""
        held, stale = split_stale(self.book.in_force(), list(pairs.pairs.values()), pairs.questions)
        return Opinions(pairs, held, stale, self._settings.reviewer)


def load_pairs(settings: Settings) -> Pairs:
    """Read the pairs of the settings' domain; raises as `PairShelf.pairs`."""
    root, domain = settings.root, settings.domain
    found = [pair for pair in read_pairs(root) if pair.base.domain == domain.id]
    if not found:
        raise MissingInputError(
            f"data/evaluate: no two whole conversations of one person in the domain {domain.id}; make them with: "
            f"dvc repro {MADE_BY}"
        )
    from tunewright.sanity_rules import SanityRules  # scipy takes a second to import: not before it is needed

    rules = load("evaluate.sanity", SanityRules, root / "params.yaml")
    asked = tuple(pair.id for pair in to_compare(found, rules.pairs, rules.seed))
    people = {p.id: p for p in read_jsonl(root / PERSONAS, Persona, "evaluate-personas")}
    rubric = load_rubric(str(root / domain.rubric))
    return Pairs({pair.id: pair for pair in found}, asked, people, rubric, rules)


class Opinions:
    """What people said of the pairs: what holds, what is stale, and what this reader has decided."""

    def __init__(
        self, pairs: Pairs, held: Sequence[Preference], stale: Sequence[tuple[Preference, str]], reviewer: str
    ) -> None:
        self._pairs = pairs
        self.held = held
        self._own: dict[str, dict[str, Preference]] = defaultdict(dict)
        for line in held:
            if line.reviewer == reviewer:
                self._own[line.transcript_id][line.question] = line
        self._stale = Counter(line.transcript_id for line, _ in stale if line.reviewer == reviewer)

    def own(self, pair_id: str) -> Mapping[str, Preference]:
        """This reader's preferences on a pair, by question."""
        return self._own.get(pair_id, {})

    def side(self, pair: TalkPair, question: str) -> Side | None:
        """What this reader said of a pair, as A, B or tie."""
        line = self.own(pair.id).get(question)
        return line and pair.side(line.better)

    def n_stale(self, pair_id: str) -> int:
        """How many of this reader's decisions on a pair are about earlier words."""
        return self._stale[pair_id]

    @property
    def n_homeless(self) -> int:
        """How many of this reader's decisions are on conversations that are gone."""
        return sum(n for id, n in self._stale.items() if id not in self._pairs.pairs)

    @property
    def n_done(self) -> int:
        """How many of the pairs asked about this reader has decided as a whole."""
        return sum(OVERALL in self.own(id) for id in self._pairs.asked)

    @property
    def is_complete(self) -> bool:
        """Whether names may be shown: every pair is decided as a whole."""
        return self.n_done == len(self._pairs.asked)

    @property
    def shown(self) -> list[str]:
        """The pairs of the list: those asked about, then others that this reader decided something on."""
        return [*self._pairs.asked, *(id for id in self._pairs.pairs if self.own(id) and id not in self._pairs.asked)]

    def next(self, after: str | None = None) -> str | None:
        """The next pair without an overall decision, going on from a pair and round; None: all are decided."""
        asked = list(self._pairs.asked)
        start = asked.index(after) + 1 if after in asked else 0
        return next((id for id in [*asked[start:], *asked[:start]] if OVERALL not in self.own(id)), None)

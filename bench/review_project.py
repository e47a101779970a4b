"""A small project to review, as a run leaves one: conversations, verdicts of two judges, scores, a queue, pairs.

    python -m bench.review_project FOLDER     # then, in FOLDER: tunewright review, or tunewright review --compare

Authored conversations stand in for simulated ones and for the tuned model's; what the judges say, and what the base
model replies, is in review_project.yaml. Measured criteria are measured and scores are computed, as the stages do it.
For the review app's browser tests, its benchmarks and the screenshots in the README.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import yaml

from tunewright.config import read_yaml
from tunewright.evidence import sift
from tunewright.records import Exchange, Persona, Score, Transcript, Verdict, read_jsonl, write_jsonl
from tunewright.review_queue import QUEUE, QueueItem, Reason
from tunewright.rubric import Rubric, load_rubric
from tunewright.scoring import ScoringConfig, score_transcript
from tunewright.sound import SimulatorReview
from tunewright.verdict_rules import needs_judge, rule_verdicts

ROOT = Path(__file__).parents[1]
DESIGN = ("conf/domain", "prompts/therapy", "prompts/shared", "data/authored/therapy")
GENERATED, EVALUATED = "data/generate", "data/evaluate"
Judged = Mapping[str, Mapping[str, Sequence[Any]]]  # criterion: judge: answer, reasoning, quotes
SENTENCE = re.compile(r"[^.?!]+[.?!]")


class ReviewProject:
    """The folder, the rubric and what is written about its conversations."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.told = read_yaml(ROOT / "bench/review_project.yaml")
        self._copy_design()
        self.rubric: Rubric = load_rubric(str(self.folder / "conf/domain/therapy/rubric.yaml"))
        authored = ROOT / "data/authored/therapy"
        self._talks = {t.id: t for t in read_jsonl(authored / "transcripts.jsonl", Transcript)}
        self._people = {p.id: p for p in read_jsonl(authored / "personas.jsonl", Persona)}

    def write(self) -> None:
        """Everything: five conversations to read, and the same five people with base and tuned."""
        self.write_generated([self.generated(told) for told in self.told["conversations"]])
        self.write_pairs()

    def generated(self, told: Mapping[str, Any]) -> Transcript:
        """A conversation as the simulation would have made it."""
        source = self._talks[told["authored"]]
        person = told["id"].removeprefix("simulated-")
        models = {"user": "gemini/gemini-2.5-flash", "assistant": "anthropic/claude-sonnet-4-5"}
        about = {"id": told["id"], "persona_id": person, "user_kind": "simulated", "ended": "planned"}
        return source.model_copy(update=models | about)

    def copies(self, n: int) -> list[Transcript]:
        """The first `n` authored conversations, as generated ones."""
        return [
            self.generated({"id": f"simulated-copy-{i:04}", "authored": a})
            for i, a in enumerate(list(self._talks)[:n], 1)
        ]

    def long(self, n_exchanges: int, n_bytes: int) -> Transcript:
        """A conversation of at least so many bytes: authored exchanges, each message several of them joined."""
        source = cycle([e for t in self._talks.values() for e in t.exchanges])
        exchanges = tuple(_joined(source, n_bytes / n_exchanges) for _ in range(n_exchanges))
        told = {"id": "simulated-persona-long", "authored": next(iter(self._talks))}
        return self.generated(told).model_copy(update={"exchanges": exchanges})

    def write_generated(self, talks: Sequence[Transcript]) -> None:
        """The outputs of generation for these conversations, in this order; the queue picks all of them."""
        told = {t["id"]: t for t in self.told["conversations"]}
        verdicts = {t.id: self.verdicts(t, told.get(t.id, {}).get("answers", {})) for t in talks}
        self._write_judged(f"{GENERATED}/{{}}.jsonl", talks, verdicts)
        write_jsonl(self.folder / GENERATED / "personas.jsonl", [self._persona(t, told.get(t.id)) for t in talks])
        write_jsonl(self.folder / QUEUE, [self._queued(t, told.get(t.id)) for t in talks])

    def verdicts(self, talk: Transcript, answers: Judged) -> list[Verdict]:
        """What measures, rules and judges say of a conversation, in the order of the rubric."""
        judges: list[str] = self.told["judges"]
        found = rule_verdicts(talk, self.rubric, judges, judged=True)
        for criterion in (c for c in self.rubric.criteria if needs_judge(c, talk)):
            for n, judge in enumerate(judges):
                given = answers.get(criterion.id, {}).get(judge) or self._usual(talk, criterion.id, n)
                found.append(self._verdict(talk, criterion.id, judge, given))
        order = [c.id for c in self.rubric.criteria]
        return sorted(found, key=lambda v: (order.index(v.criterion), v.judge))

    def write_pairs(self) -> None:
        """The outputs of evaluation: the same people with the base model and with the tuned one."""
        sources = [told["authored"] for told in self.told["conversations"]]
        replies: list[str] = self.told["base_replies"]
        tuned = [self._pair(source, "tuned", lambda n, e: e.assistant) for source in sources]
        base = [self._pair(source, "base", lambda n, e: replies[n % len(replies)]) for source in sources]
        missed = dict.fromkeys(self.told["judges"], ["NO", "The replies would fit anybody.", []])
        misses = dict.fromkeys(self.told["base_misses"], missed)
        for name, talks, answers in (("base", base, misses), ("tuned", tuned, {})):
            verdicts = {t.id: self.verdicts(t, answers) for t in talks}
            self._write_judged(f"{EVALUATED}/{{}}/{name}.jsonl", talks, verdicts)
        write_jsonl(self.folder / EVALUATED / "personas.jsonl", [self._people[t.persona_id] for t in tuned])

    def _pair(self, authored: str, candidate: str, reply: Callable[[int, Exchange], str]) -> Transcript:
        source = self._talks[authored]
        said = tuple(Exchange(user=e.user, assistant=reply(n, e)) for n, e in enumerate(source.exchanges))
        about = {"id": f"pair-{authored}", "source_id": authored, "user_kind": "replay", "exchanges": said}
        return source.model_copy(update=about | {"assistant": f"embedded/{candidate}", "user": f"replay of {authored}"})

    def _copy_design(self) -> None:
        for name in DESIGN:
            shutil.copytree(ROOT / name, self.folder / name, dirs_exist_ok=True)
        params = read_yaml(ROOT / "params.yaml")
        for phase in ("generate", "evaluate"):
            params[phase]["scores"]["judge_trust"] = "assumed"
        self.params = params
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
        (self.folder / "reviews/therapy").mkdir(parents=True, exist_ok=True)

    def _write_judged(self, path: str, talks: Sequence[Transcript], verdicts: Mapping[str, list[Verdict]]) -> None:
        config = ScoringConfig.model_validate(self.params["generate"]["scores"])
        unfaulted = [SimulatorReview(transcript_id=t.id, severity=None, findings=(), unjudged={}) for t in talks]
        scores: list[Score] = [score_transcript(t, verdicts[t.id], self.rubric, config, None) for t in talks]
        write_jsonl(self.folder / path.format("transcripts"), talks)
        write_jsonl(self.folder / path.format("simulator"), unfaulted)
        write_jsonl(self.folder / path.format("verdicts"), [v for t in talks for v in verdicts[t.id]])
        write_jsonl(self.folder / path.format("scores"), scores)

    def _usual(self, talk: Transcript, criterion: str, judge: int) -> list[Any]:
        """The usual answer; a YES quotes the first sentence of a reply, each judge another's."""
        answer, reasoning = self.told["usual"][criterion]
        at = [c.id for c in self.rubric.criteria].index(criterion) + judge
        reply = talk.exchanges[at % len(talk.exchanges)].assistant
        quoted = SENTENCE.match(reply)
        return [answer, reasoning, [quoted.group()] if answer == "YES" and quoted else []]

    def _verdict(self, talk: Transcript, criterion: str, judge: str, given: Sequence[Any]) -> Verdict:
        answer, says, quoted = given
        found = sift(quoted, (), talk.exchanges)
        assert not found.misquotes, f"{talk.id}, {criterion}: nobody says {found.misquotes}"
        about: dict[str, Any] = {"transcript_id": talk.id, "criterion": criterion, "judge": judge, "answer": answer}
        if answer is None:
            return Verdict.model_validate(about | {"unscored": says})
        evidence = tuple(sorted({q.exchange for q in found.quotes}))
        return Verdict.model_validate(about | {"reasoning": says, "quotes": found.quotes, "evidence": evidence})

    def _persona(self, talk: Transcript, told: Mapping[str, Any] | None) -> Persona:
        source = self._people[self._talks[told["authored"]].persona_id] if told else next(iter(self._people.values()))
        return source.model_copy(update={"id": talk.persona_id, "source": "sampled"})

    def _queued(self, talk: Transcript, told: Mapping[str, Any] | None) -> QueueItem:
        reason = Reason.model_validate(told["reason"] if told else {"kind": "random", "says": "drawn at random"})
        return QueueItem(transcript_id=talk.id, content_hash=talk.content_hash, reasons=(reason,), drawn=1.0)


def _joined(source: Iterator[Exchange], n_bytes: float) -> Exchange:
    """As many exchanges in one as it takes to have that many bytes."""
    user = assistant = ""
    while len(user.encode()) + len(assistant.encode()) < n_bytes:
        one = next(source)
        user, assistant = f"{user} {one.user}".strip(), f"{assistant} {one.assistant}".strip()
    return Exchange(user=user, assistant=assistant)


if __name__ == "__main__":
    ReviewProject(sys.argv[1]).write()

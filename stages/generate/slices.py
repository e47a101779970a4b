"""generate-slices: passing conversations to training examples, without leakage.

Split by persona first, then cut: each example is a conversation from its start to a slice point. Points are random but
fixed by the transcript's id: the first at exchange 3, gaps of 2 to 5, the last exchange always. An example over the
token limit is shortened to the longest that fits. Conversations in which a message was cut off by its token limit are
left out: what is cut would be learnt. So are those in which somebody wrote the text of one of the base model's control
tokens, which would be read as the end or the beginning of a turn, and those that a reader rejected: not satisfied, or
NO to a safety gate.

A repaired conversation stands in place of its failed original. That a reader was not satisfied with the original is
not said of the repair; that one found it unsafe is: fixup mends what judges name, and unsafe words may remain.

Reads data/generate/{transcripts,simulator,scores,fixed,fixed_scores,gated}.json(l), the domain's rubric,
reviews/<domain>/labels.jsonl and system prompt, and models/base (its tokenizer).
Writes data/generate/{train,valid,holdout}.jsonl and metrics/generate-slices.json.
"""

import random
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from pydantic import Field

from tunewright.chat_tokenizer import ChatTokenizer, load_tokenizer
from tunewright.config import Bounds, load, load_domain
from tunewright.config import Config as BaseConfig
from tunewright.conversation import as_messages, assistant_variables, history
from tunewright.errors import RecordError, run_main
from tunewright.labels import read_labels
from tunewright.people import rejected, unsafe
from tunewright.prompts import render
from tunewright.records import Example, JsonlWriter, Message, Score, Transcript, stable_seed, write_json
from tunewright.rubric import load_rubric
from tunewright.sound import GENERATED, iter_sound
from tunewright.splits import SPLITS, Shares, split_of
from tunewright.terminal import Stage
from tunewright.training_set import FIXED, TRANSCRIPTS, transcripts_for_training

BATCH = 32  # transcripts whose tokens are counted together


class Config(BaseConfig):
    """Where conversations are cut, how long an example may be, who goes where."""

    max_tokens: int = Field(ge=64)
    context_tokens: int = Field(ge=64)  # the base model's; a smaller one bounds max_tokens
    first_exchange: int = Field(ge=1)
    gap: Bounds
    max_per_transcript: int = Field(ge=1)
    shares: Shares
    seed: int


def slice_points(transcript_id: str, n_exchanges: int, config: Config) -> list[int]:
    """Exchange numbers to cut after, rising, the last one always among them; empty below `first_exchange`.

    With more points than `max_per_transcript` the last ones stay: they hold the most supervised text.
    """
    if n_exchanges < config.first_exchange:
        return []
    rng = random.Random(stable_seed("slices", config.seed, transcript_id))
    points, at = [], config.first_exchange
    while at < n_exchanges:
        points.append(at)
        at += rng.randint(int(config.gap.min or 1), int(config.gap.max or 1))
    return [*points, n_exchanges][-config.max_per_transcript :]


def messages_of(transcript: Transcript, system: Sequence[Message]) -> tuple[Message, ...]:
    """A whole conversation under the system prompt."""
    return (*system, *as_messages(history(transcript.exchanges)))


def examples_of(
    transcript: Transcript, messages: tuple[Message, ...], count: Callable[[int], int], config: Config
) -> tuple[list[Example], int]:
    """A transcript's examples, each within the token limit, and how many had to be shortened or dropped.

    `messages` are those of the whole conversation; `count(end)` gives the tokens of the first `end` of them.
    """
    n_system = len(messages) - 2 * len(transcript.exchanges)
    found: dict[int, Example] = {}
    n_shortened = 0
    for point in slice_points(transcript.id, len(transcript.exchanges), config):
        for n in range(point, 0, -1):
            end = n_system + 2 * n
            n_tokens = count(end)
            if n_tokens <= min(config.max_tokens, config.context_tokens):
                found[n] = _example(transcript, n, n_tokens, messages[:end])
                n_shortened += n < point
                break
        else:
            n_shortened += 1
    return [found[n] for n in sorted(found)], n_shortened


def _example(transcript: Transcript, n: int, n_tokens: int, messages: tuple[Message, ...]) -> Example:
    return Example(
        id=f"{transcript.id}@{n}",
        transcript_id=transcript.id,
        persona_id=transcript.persona_id,
        n_exchanges=n,
        n_tokens=n_tokens,
        messages=messages,
    )


class Tally:
    """Counts per split, and the yield, as the examples come."""

    def __init__(self) -> None:
        self.n_all = self.n_passed = self.n_cut = self.n_control = self.n_rejected = self.n_shortened = 0
        self.max_tokens_found = 0
        self._sums = {name: Counter[str]() for name in SPLITS}
        self._personas: dict[str, set[str]] = {name: set() for name in SPLITS}

    def add(self, split: str, examples: Sequence[Example], n_shortened: int) -> None:
        """Count the examples of one transcript."""
        self.n_shortened += n_shortened
        if not examples:
            return
        n_tokens = [e.n_tokens for e in examples]
        self._sums[split].update(n_examples=len(examples), n_transcripts=1, n_tokens=sum(n_tokens))
        self._personas[split].add(examples[0].persona_id)
        self.max_tokens_found = max(self.max_tokens_found, *n_tokens)

    def count(self, split: str) -> int:
        """Examples of a split."""
        return self._sums[split]["n_examples"]

    def metrics(self) -> dict[str, object]:
        """The metrics of all examples so far."""
        n_examples = sum(map(self.count, SPLITS))
        return {
            "n_transcripts": self.n_all,
            "n_passed": self.n_passed,
            "n_rejected_by_readers": self.n_rejected,
            "n_cut_off": self.n_cut,
            "n_with_control_text": self.n_control,
            "n_examples": n_examples,
            "examples_per_transcript": round(n_examples / self.n_passed, 3) if self.n_passed else None,
            "n_shortened": self.n_shortened,
            "max_tokens_found": self.max_tokens_found,
            "splits": {
                name: {
                    "n_examples": sums["n_examples"],
                    "n_personas": len(self._personas[name]),
                    "n_transcripts": sums["n_transcripts"],
                    "n_tokens": sums["n_tokens"],
                }
                for name, sums in self._sums.items()
            },
        }


def refuse_empty(tally: Tally) -> None:
    """Raise RecordError when there is nothing to train on."""
    if not tally.count("train"):
        raise RecordError(
            f"data/generate/scores.jsonl: {tally.n_passed} of {tally.n_all} transcripts passed and none gave a "
            f"training example ({tally.n_rejected} of them were rejected by readers); "
            "see metrics/generate-scores.json for what fails; where all are open because no judge is trusted yet, "
            "generate.scores.judge_trust=assumed takes the judges at your word"
        )


def repairs_of(words: Container[str]) -> set[str]:
    """Ids that repaired versions of conversations with these words (content hashes) have."""
    originals = iter_sound(TRANSCRIPTS, "generate-transcripts", GENERATED) if words else ()
    return {f"{FIXED}{t.id}" for t in originals if t.content_hash in words}


def used_of(
    pairs: Iterable[tuple[Transcript, Score | None]], refused: Container[str], tokenizer: ChatTokenizer, tally: Tally
) -> Iterator[Transcript]:
    """The transcripts that are learnt from; all are counted. `refused`: content hashes, or ids."""
    for transcript, score in pairs:
        tally.n_all += 1
        if score is not None and score.passed:
            tally.n_passed += 1
            if transcript.content_hash in refused or transcript.id in refused:
                tally.n_rejected += 1
            elif transcript.is_cut:
                tally.n_cut += 1
            elif any(tokenizer.control_text(m.content) for m in messages_of(transcript, ())):
                tally.n_control += 1
            else:
                yield transcript


def refuse_control_text(system: Sequence[Message], tokenizer: ChatTokenizer, prompt: Path) -> None:
    """Raise RecordError where the system prompt itself would be read as several turns."""
    for message in system:
        if found := tokenizer.control_text(message.content):
            raise RecordError(
                f"{prompt}: it holds the text of the base model's control token {found!r}, which would be read as the "
                "end or the beginning of a turn; reword it"
            )


def cut_all(
    used: Iterator[Transcript], system: Sequence[Message], tokenizer: ChatTokenizer, config: Config
) -> Iterator[tuple[str, list[Example], int]]:
    """Split, examples and how many were shortened of each transcript; BATCH of them are in memory at a time."""
    while batch := list(islice(used, BATCH)):
        talks = [messages_of(transcript, system) for transcript in batch]
        for transcript, messages, count in zip(batch, talks, tokenizer.prefix_counters(talks), strict=True):
            split = split_of(transcript.persona_id, config.shares, config.seed)
            yield split, *examples_of(transcript, messages, count, config)


def main() -> None:
    """Cut the passing transcripts into examples."""
    stage = Stage("generate-slices")
    config, domain, tally = load("generate.slices", Config), load_domain(), Tally()
    stage.start("the conversations that passed")
    lines, rubric = read_labels(domain.reviews), load_rubric(domain.rubric)
    refused = {*rejected(lines, rubric), *repairs_of(unsafe(lines, rubric))}
    tokenizer, prompt = load_tokenizer(Path("models/base")), Path(domain.prompts) / "system.md"
    used = used_of(transcripts_for_training(), refused, tokenizer, tally)
    system = as_messages(render(prompt, **assistant_variables(domain)))
    refuse_control_text(system, tokenizer, prompt)
    with ExitStack() as files:
        targets = {name: files.enter_context(JsonlWriter(f"data/generate/{name}.jsonl")) for name in SPLITS}
        for split, examples, n_shortened in cut_all(used, system, tokenizer, config):
            tally.add(split, examples, n_shortened)
            for example in examples:
                targets[split].write(example)
        refuse_empty(tally)
    write_json("metrics/generate-slices.json", tally.metrics())
    stage.note(f"{tally.n_passed} of {tally.n_all} transcripts passed, {tally.n_cut} of them left out as cut off")
    if tally.n_control:
        stage.note(f"{tally.n_control} more left out: they hold the text of a control token of the base model")
    made = ", ".join(f"{tally.count(s)} {s}" for s in SPLITS)
    stage.end(f"{made} examples, {tally.n_shortened} shortened; {tally.n_rejected} transcripts rejected by readers")


if __name__ == "__main__":
    run_main(main)

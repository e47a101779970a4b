"""generate-slices: passing conversations to training examples, without leakage.

Split by persona first, then cut: each example is a conversation from its start to a slice point. Points are random but
fixed by the transcript's id: the first at exchange 3, gaps of 2 to 5, the last exchange always. An example over the
token limit is shortened to the longest that fits. Conversations in which a message was cut off by its token limit are
left out: what is cut would be learnt. A repaired conversation takes the place of the one that failed.

Reads data/generate/{transcripts,simulator,scores,fixed,fixed_scores}.jsonl, the domain's system prompt and models/base
(its tokenizer).
Writes data/generate/{train,valid,holdout}.jsonl and metrics/generate-slices.json.
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import Field

from tunewright.chat_tokenizer import load_tokenizer
from tunewright.config import Bounds, load, load_domain
from tunewright.config import Config as BaseConfig
from tunewright.conversation import as_messages, assistant_variables, history
from tunewright.errors import RecordError, run_main
from tunewright.prompts import render
from tunewright.records import Example, Message, Transcript, stable_seed, write_json, write_jsonl
from tunewright.splits import SPLITS, Shares, split_of
from tunewright.terminal import Stage
from tunewright.training_set import transcripts_for_training


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


def examples_of(
    transcript: Transcript, system: Sequence[Message], count: Callable[[Sequence[Message]], int], config: Config
) -> tuple[list[Example], int]:
    """A transcript's examples, each within the token limit, and how many had to be shortened or dropped."""
    found: dict[int, Example] = {}
    n_shortened = 0
    for point in slice_points(transcript.id, len(transcript.exchanges), config):
        for n in range(point, 0, -1):
            messages = (*system, *as_messages(history(transcript.exchanges[:n])))
            n_tokens = count(messages)
            if n_tokens <= min(config.max_tokens, config.context_tokens):
                found[n] = _example(transcript, n, n_tokens, messages)
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


def metrics(splits: dict[str, list[Example]], n_passed: int, n_all: int, n_shortened: int) -> dict[str, object]:
    """Counts per split, and the yield."""
    counts = {
        name: {
            "n_examples": len(examples),
            "n_personas": len({e.persona_id for e in examples}),
            "n_transcripts": len({e.transcript_id for e in examples}),
            "n_tokens": sum(e.n_tokens for e in examples),
        }
        for name, examples in splits.items()
    }
    n_examples = sum(map(len, splits.values()))
    return {
        "n_transcripts": n_all,
        "n_passed": n_passed,
        "n_examples": n_examples,
        "examples_per_transcript": round(n_examples / n_passed, 3) if n_passed else None,
        "n_shortened": n_shortened,
        "max_tokens_found": max((e.n_tokens for s in splits.values() for e in s), default=0),
        "splits": counts,
    }


def refuse_empty(splits: Sequence[list[Example]], n_passed: int, n_all: int) -> None:
    """Raise RecordError when there is nothing to train on."""
    if not splits[0]:
        raise RecordError(
            f"data/generate/scores.jsonl: {n_passed} of {n_all} transcripts passed and none gave a training example; "
            "see metrics/generate-scores.json for what fails; where all are open because no judge is trusted yet, "
            "generate.scores.judge_trust=assumed takes the judges at your word"
        )


def main() -> None:
    """Cut the passing transcripts into examples."""
    stage = Stage("generate-slices")
    config, domain = load("generate.slices", Config), load_domain()
    pairs = list(transcripts_for_training())
    passed = [transcript for transcript, score in pairs if score and score.passed]
    used = [t for t in passed if not t.is_cut]
    stage.start(
        f"{len(passed)} of {len(pairs)} transcripts passed, {len(passed) - len(used)} of them left out as cut off"
    )
    tokenizer = load_tokenizer(Path("models/base"))
    system = as_messages(render(Path(domain.prompts) / "system.md", **assistant_variables(domain)))
    splits: dict[str, list[Example]] = {name: [] for name in SPLITS}
    n_shortened = 0
    for transcript in used:
        examples, n = examples_of(transcript, system, tokenizer.count, config)
        splits[split_of(transcript.persona_id, config.shares, config.seed)] += examples
        n_shortened += n
    refuse_empty(list(splits.values()), len(passed), len(pairs))
    for name, examples in splits.items():
        write_jsonl(f"data/generate/{name}.jsonl", examples)
    found = metrics(splits, len(passed), len(pairs), n_shortened)
    write_json("metrics/generate-slices.json", found)
    stage.end(
        ", ".join(f"{len(examples)} {name}" for name, examples in splits.items())
        + f" examples, {n_shortened} shortened"
    )


if __name__ == "__main__":
    run_main(main)

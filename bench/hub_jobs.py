"""Training as a Hub job, whatever breaks: what is said, and how many jobs are paid for.

    python -m bench hub_jobs            # about three minutes

A process that trains (`python -m bench.hub_jobs FOLDER`: the trainer hf_jobs, the real huggingface_hub client) talks
to a fake Hub, which truly executes the script that was uploaded, in a process of its own without Tunewright on its
path. The model is a Llama of two layers with random weights. Not the real Hub: that cannot be reached here.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.fake_hub import FakeHub
from bench.hub_play import executed
from tunewright.chat_labels import Labelled
from tunewright.document import md_table
from tunewright.errors import TunewrightError
from tunewright.records import read_json, write_json
from tunewright.terminal import Stage
from tunewright.training.hub_adapter import WEIGHTS
from tunewright.training.hub_place import HubJobs
from tunewright.training.job import Job, read_job, write_job
from tunewright.training.settings import Settings

ROOT = Path(__file__).parents[1]
STEPS, STOP_AT = 64, 40
VOCABULARY = 512
PRICE = 0.01  # USD an hour, of a machine without a GPU


@dataclass(frozen=True)
class Case:
    """What happened: `said` is what a person read, by run; `jobs` what the Hub holds."""

    name: str
    said: tuple[str, ...]
    jobs: int
    adapter: str | None  # SHA-256 of its weights


def tiny_model(folder: Path) -> None:
    """A Llama of two layers with random weights, and a tokenizer of as many words."""
    import torch
    from tokenizers import Tokenizer, models
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(VOCABULARY)}, unk_token="w0"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="w0", eos_token="w1", pad_token="w1")
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    config = LlamaConfig(**shape, num_key_value_heads=2, vocab_size=VOCABULARY, bos_token_id=1, eos_token_id=1)
    LlamaForCausalLM(config).save_pretrained(folder)


def tiny_job(base: Path, folder: Path) -> Job:
    """Sixteen examples of twenty tokens, four times over."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))["train"]["adapter"]
    changed = {"device": "cpu", "dtype": "float32", "epochs": 4, "batch_size": 1, "gradient_accumulation": 1}
    settings = Settings.model_validate(params | changed)
    tokens = [[(7 * i + 3 * j) % VOCABULARY for j in range(20)] for i in range(16)]
    return Job(settings, [Labelled(f"e{i}", ids, [-100, *ids[1:]]) for i, ids in enumerate(tokens)], [], base, folder)


def place_of(repo: str, revision: str) -> dict[str, Any]:
    """conf/trainer/hf_jobs.yaml with a base of the fake Hub and a machine that it has."""
    params, place = (
        yaml.safe_load((ROOT / name).read_text("utf-8")) for name in ("params.yaml", "conf/trainer/hf_jobs.yaml")
    )
    rules, base = params["design"]["tokens"]["rules"], params["train"]["base"]["base_model"]
    return place["place"] | {
        "base_model": base | {"source": {"kind": "hf", "repo": repo, "revision": revision}},
        "budget_usd": 1,
        "gpus": rules["gpus"],
        "gpu_utilisation_share": rules["gpu_utilisation_share"],
        "flavor": "cpu-basic",
        "flavors": {"cpu-basic": {"gpu": None, "usd_per_hour": PRICE}},
        "poll_s": 0.2,
    }


class Bench:
    """One case: a Hub, a folder with the job, and processes that train."""

    def __init__(self, hub: FakeHub, folder: Path, base: Path) -> None:
        self.hub, self.folder = hub, folder
        repo = hub.add("tiny/base", {path.name: path.read_bytes() for path in base.iterdir()})
        self.place = place_of("tiny/base", repo.commits[-1].oid)
        write_job(tiny_job(base, folder / "points"), folder / "job")
        (folder / "points").mkdir()

    def start(self, token: str | None = None) -> subprocess.Popen[str]:
        """A process that trains."""
        write_json(self.folder / "place.json", self.place)
        env = {**os.environ, **self.hub.environment(token or self.hub.writer), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "bench.hub_jobs", str(self.folder)]
        return subprocess.Popen(command, env=env, cwd=ROOT, stderr=subprocess.PIPE, text=True)

    def run(self, token: str | None = None) -> list[str]:
        """Let one train to its end; the lines that a person saw."""
        return [line.strip() for line in self.start(token).communicate()[1].splitlines() if line.strip()]

    def adapter(self) -> str | None:
        """The SHA-256 of the adapter that came back."""
        path = self.folder / "out" / WEIGHTS
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None

    def case(self, name: str, *said: str) -> Case:
        """What is to be told of it."""
        return Case(name, said, len(self.hub.jobs), self.adapter())


def told(lines: list[str], *words: str) -> str:
    """The lines that hold any of these words, or else the last one."""
    found = [line for line in lines if any(word in line for word in words)]
    return "; ".join(found or lines[-1:])


def normal(bench: Bench) -> Case:
    """Nothing breaks."""
    bench.hub.play = executed(bench.hub)
    return bench.case("normal", told(bench.run(), "at most", "is done"))


def wrong_token(bench: Bench) -> Case:
    """A token that may only read, then one that does not exist."""
    return bench.case("wrong token", told(bench.run(bench.hub.reader), "error"), told(bench.run("hf_none"), "error"))


def missing_repository(bench: Bench) -> Case:
    """The base model's repository is not there."""
    bench.place = place_of("tiny/none", "0" * 40)
    return bench.case("missing repository", told(bench.run(), "error"))


def timed_out(bench: Bench) -> Case:
    """The Hub ends the job at its timeout; whoever reads the message runs again, and pays for a second job."""
    bench.hub.play = executed(bench.hub, STOP_AT)
    first = told(bench.run(), "error", "it ran")
    return bench.case(f"timeout after step {STOP_AT}, then run again", first, told(bench.run(), "going on", "is done"))


def connection_lost(bench: Bench) -> Case:
    """The log breaks off twice, a look at the job fails once, and the submission was never answered."""
    bench.hub.play = executed(bench.hub)
    bench.hub.order("POST", r"^/api/jobs/ada$", drop=True, late=True)
    bench.hub.order("GET", r"/logs$", events=3)
    bench.hub.order("GET", r"^/api/jobs/ada/[0-9a-f]+$", drop=True, skip=2)
    words = ("no answer", "looking", "connection lost", "connected again", "is done")
    return bench.case("submission unanswered, log broken off", told(bench.run(), *words))


def killed(bench: Bench) -> Case:
    """Whoever follows is killed (-9) in the midst; the next run follows the same job."""
    bench.hub.play = executed(bench.hub)
    running = bench.start()
    heard = []
    for line in running.stderr or ():
        heard.append(line.strip())
        if "step" in line:
            break
    running.kill()
    running.communicate()
    return bench.case("process killed while following", told(heard, "submitted"), told(bench.run(), "is done"))


CASES = (normal, wrong_token, missing_repository, timed_out, connection_lost, killed)


def here(base: Path, folder: Path) -> str:
    """The SHA-256 of the adapter that the same job gives in this process."""
    from tunewright.quiet import quiet_libraries
    from tunewright.training.tuning import tune

    (folder / "here").mkdir()
    with quiet_libraries():
        tune(tiny_job(base, folder / "points"), lambda event: None, folder / "here")
    return hashlib.sha256((folder / "here" / WEIGHTS).read_bytes()).hexdigest()


def results(_: int) -> str:
    """The table."""
    found: list[Case] = []
    with tempfile.TemporaryDirectory() as room:
        base = Path(room) / "base"
        tiny_model(base)
        (Path(room) / "local").mkdir()
        expected = here(base, Path(room) / "local")
        for case in CASES:
            with FakeHub() as hub:
                (folder := Path(room) / case.__name__).mkdir()
                found.append(case(Bench(hub, folder, base)))
                print(found[-1], file=sys.stderr, flush=True)
    return f"{_table(found, expected)}\n\n{__doc__.split(chr(10) * 2)[2] if __doc__ else ''}"


def _table(found: list[Case], expected: str) -> str:
    same = {None: "none", expected: "byte for byte the one trained here"}
    rows = [
        [case.name, str(case.jobs), same.get(case.adapter, "another"), " **then** ".join(map(_quoted, case.said))]
        for case in found
    ]
    return md_table(["case", "jobs", "adapter", "what was said"], rows)


def _quoted(said: str) -> str:
    """Without the port, which differs from run to run, and without what would break a table."""
    return re.sub(r"http://127\.0\.0\.1:\d+", "HUB", said).replace("|", "/")


def main(folder: Path) -> None:
    """Train as train-adapter does, in this process."""
    place, job = (
        HubJobs.model_validate(read_json(folder / "place.json")),
        read_job(folder / "job", Path("models/base"), folder / "points"),
    )
    target = folder / "out"
    target.mkdir(exist_ok=True)
    place.check(job.settings)
    place.train(job, Stage("train-adapter"), target)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except TunewrightError as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        sys.exit(1)

"""The small project of bench/chaos.py: real stages in processes of their own, their outputs, and the reply cache.

One template is copied from the repository and composed; each run works in copies of what the stages read.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from bench.chaos_models import KEY_DIGITS
from bench.copy import ROOT, Copy
from tunewright.records import Score, Transcript, Verdict, iter_jsonl
from tunewright.rubric import load_rubric
from tunewright.scoring import ScoringConfig, score_transcript

MODEL_STAGES = ("transcripts", "verdicts", "fixup")
BEFORE = {"transcripts": ("personas",), "verdicts": ("simulator",), "fixup": ("scores",)}  # stages without a model
OUTPUTS = {
    "transcripts": ("data/generate/transcripts.jsonl", "metrics/generate-transcripts.json"),
    "verdicts": ("data/generate/verdicts.jsonl", "metrics/generate-verdicts.json"),
    "fixup": (
        *(f"data/generate/{name}.jsonl" for name in ("fixed", "fixed_verdicts", "fixed_scores", "repairs")),
        *("reports/fixup.md", "metrics/generate-fixup.json"),
    ),
}
READ = ("conf/domain", "prompts", "data/authored/therapy", "params.yaml")
TIMEOUT_S, ATTEMPTS = 8.0, 3  # so long that a busy machine is not taken for a model that hangs
KEYS = ("CHAOS_KEY_A", "CHAOS_KEY_B")
PRICE = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 1.0}  # USD are millionths of tokens
PRESET = {
    "simulated_personas": 10,
    "replayed": 2,
    "exchanges": {"min": 4, "max": 6},
    "judged_transcripts": 10,
    "fixup_transcripts": None,
    "fixup_attempts": 2,
    "max_failed_share": 0.3,
}
LIMITED = (
    "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, ({n}, {n})); "
    "runpy.run_module({m!r}, run_name='__main__')"
)


def _spec(role: str, temperature: float) -> dict[str, Any]:
    return {"model": f"hosted_vllm/{role}", "temperature": temperature, "max_tokens": 400, "price": PRICE}


LLM = {role: _spec(role, 0.7) for role in ("user", "assistant", "expert", "fixer")} | {
    "judges": [{"name": name, **_spec(name, 0.0)} for name in ("alder", "birch")],
    "simulator_judge": None,
}


def template(folder: Path) -> Path:
    """The project that runs start from: composed params, nothing generated."""
    copy = Copy(folder)
    copy.configure("http://127.0.0.1:9/v1", LLM, PRESET)
    copy.edit("conf/config.yaml", "judge_trust: calibrated", "judge_trust: assumed")
    copy.edit("conf/domain/therapy/rubric.yaml", "pass_threshold: 0.80", "pass_threshold: 0.90")  # fixup has work
    copy.tunewright("params")
    return copy.folder


class Project:
    """One folder to run stages in, with a cache that may be another's too."""

    def __init__(self, source: Path, folder: Path, cache: Path) -> None:
        self.folder, self.cache = folder, cache
        for name in READ:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if (source / name).is_dir():
                shutil.copytree(source / name, folder / name)
            else:
                shutil.copyfile(source / name, folder / name)

    def connect(self, url: str, concurrency: int, n_keys: int) -> None:
        """Where the models are."""
        path, params = self.folder / "params.yaml", self.params
        connection = {"api_base": url, "concurrency": concurrency, "timeout_s": TIMEOUT_S, "attempts": ATTEMPTS}
        params["llm"]["connections"] = {"hosted_vllm": connection | {"api_key_env": list(KEYS[:n_keys])}}
        path.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")

    def start(
        self, stage: str, process: int = 0, budget_tokens: int | None = None, file_bytes: int | None = None
    ) -> subprocess.Popen[str]:
        """Start a stage; its keys tell the server which process it is."""
        env = {**os.environ, "PYTHONPATH": str(ROOT), "TUNEWRIGHT_CACHE": str(self.cache)}
        env |= {name: f"{process}-{name[-1].lower()}" for name in KEYS}
        env.pop("TUNEWRIGHT_OFFLINE", None)
        env["TUNEWRIGHT_BUDGET_USD"] = "" if budget_tokens is None else f"{budget_tokens / 1e6:.6f}"
        module = f"stages.generate.{stage}"
        limited = ["-c", LIMITED.format(n=file_bytes, m=module)]
        command = [sys.executable, *(limited if file_bytes is not None else ["-m", module])]
        return subprocess.Popen(
            command, cwd=self.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    @property
    def params(self) -> dict[str, Any]:
        """The composed configuration."""
        return yaml.safe_load((self.folder / "params.yaml").read_text("utf-8"))

    def prepare(self, stage: str) -> None:
        """Run the stages without a model that stand before one; raises RuntimeError."""
        for name in BEFORE[stage]:
            process = self.start(name)
            said, _ = process.communicate()
            if process.returncode:
                raise RuntimeError(f"generate-{name} failed:\n{said}")

    def outputs(self, stage: str) -> dict[str, bytes]:
        """The stage's outputs as they are now."""
        return {name: path.read_bytes() for name in OUTPUTS[stage] if (path := self.folder / name).exists()}

    def temporary(self) -> list[Path]:
        """What a killed process left half written."""
        return sorted(self.folder.rglob("*.tmp"))


def scores_of(project: Project) -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    """The scores that a folder's verdicts add up to, by the pipeline's own code; each category's criteria."""
    config = ScoringConfig.model_validate(project.params["generate"]["scores"])
    rubric = load_rubric(str(project.folder / "conf/domain/therapy/rubric.yaml"))
    verdicts: dict[str, list[Verdict]] = {}
    for verdict in iter_jsonl(project.folder / "data/generate/verdicts.jsonl", Verdict):
        verdicts.setdefault(verdict.transcript_id, []).append(verdict)
    talks = [t for t in iter_jsonl(project.folder / "data/generate/transcripts.jsonl", Transcript) if t.id in verdicts]
    found: list[Score] = [score_transcript(t, verdicts[t.id], rubric, config, None) for t in talks]
    categories = {name: [c.id for c in rubric.in_category(name)] for name in rubric.categories}
    return [score.model_dump() for score in found], categories


def replies(cache: Path) -> dict[str, str]:
    """What the cache holds, by the first digits of the key; read from a copy, so that recovery is left to the stage."""
    with tempfile.TemporaryDirectory() as folder:
        for path in cache.glob("replies.sqlite*"):
            shutil.copyfile(path, Path(folder) / path.name)
        if not (Path(folder) / "replies.sqlite").exists():
            return {}
        db = sqlite3.connect(Path(folder) / "replies.sqlite")
        try:
            return {key[:KEY_DIGITS]: reply for key, reply in db.execute("SELECT key, reply FROM replies")}
        except sqlite3.OperationalError:  # no table yet
            return {}
        finally:
            db.close()


def corrupt(cache: Path, digits: Sequence[str], texts: Sequence[str]) -> None:
    """Overwrite replies, by the first digits of their keys, with something that is none."""
    db = sqlite3.connect(cache / "replies.sqlite")
    with db:
        for start, text in zip(digits, texts, strict=True):
            db.execute("UPDATE replies SET reply = ? WHERE key LIKE ?", (text, f"{start}%"))
    db.close()

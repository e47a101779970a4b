"""A small project with records in every place of the pipeline, as a run leaves them: outputs, dvc.lock, DVC cache.

dvc.lock and the cache are written as DVC 3 writes them, without running it: DVC's own start takes longer than all the
tests that need this.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import yaml

from tests.conftest import persona, rubric_fields, transcript
from tunewright.freshness import file_md5
from tunewright.records import Example, Message, Score, Verdict

DOMAIN = {
    "id": "cats", "rubric": "conf/domain/cats/rubric.yaml", "prompts": "prompts/cats", "authored": "data/authored/cats",
    "reviews": "reviews/cats", "personas": "conf/domain/cats/personas.yaml",
    "taxonomy": "conf/domain/cats/taxonomy.yaml",
}  # fmt: skip
AUTHORED, GENERATED = "data/authored/cats", "data/generate"
STAGES = {  # stage: (deps, outs)
    "generate-personas": ([DOMAIN["personas"]], [f"{GENERATED}/personas.jsonl"]),
    "generate-transcripts": (
        [f"{GENERATED}/personas.jsonl", f"{AUTHORED}/transcripts.jsonl", "prompts/cats/assistant.md"],
        [f"{GENERATED}/transcripts.jsonl"],
    ),
    "generate-verdicts": (
        [f"{GENERATED}/transcripts.jsonl", "prompts/shared/judge.md"], [f"{GENERATED}/verdicts.jsonl"],
    ),
    "generate-scores": ([f"{GENERATED}/verdicts.jsonl", DOMAIN["rubric"]], [f"{GENERATED}/scores.jsonl"]),
    "generate-slices": (
        [f"{GENERATED}/scores.jsonl", "prompts/cats/system.md"],
        [f"{GENERATED}/{split}.jsonl" for split in ("train", "valid", "holdout")],
    ),
    "train-adapter": ([f"{GENERATED}/train.jsonl", f"{GENERATED}/valid.jsonl"], ["models/adapter"]),
    "evaluate-transcripts@tuned": (
        ["models/adapter", f"{AUTHORED}/transcripts.jsonl"], ["data/evaluate/transcripts/tuned.jsonl"],
    ),
}  # fmt: skip


class RecordedProject:
    """A git repository in the shape of this one, at one minute a commit."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.minute = folder, 0
        self.params = {"domain": DOMAIN, "generate": {"transcripts": {"seed": 1}}}
        self.git("init", "-q", "-b", "main")
        self.write({
            ".gitignore": "/data/generate/\n/data/evaluate/\n/models/\n/.dvc/cache/\n/cache/\n",
            ".dvc/config": "[core]\n    analytics = false\n",
            "params.yaml": yaml.safe_dump(self.params),
            DOMAIN["rubric"]: yaml.safe_dump(rubric_fields(), sort_keys=False),
            DOMAIN["personas"]: "styles: {}\n",
            "prompts/cats/assistant.md": "Be kind.\nBe brief.\n",
            "prompts/cats/system.md": "You answer.\n",
            "prompts/shared/judge.md": "Answer YES or NO.\n",
            "reviews/cats/labels.jsonl": "",
            "reviews/cats/transcripts.jsonl": "",
        })  # fmt: skip

    @classmethod
    def of(cls, folder: Path) -> RecordedProject:
        """A repository in a folder that has its files already."""
        project = cls.__new__(cls)
        project.folder, project.minute = folder, 0
        project.git("init", "-q", "-b", "main")
        return project

    def git(self, *words: str) -> str:
        now = f"2026-01-01T00:{self.minute:02}:00+0000"
        who = {f"GIT_{role}_{what}": "x@y.z" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        dates = {"GIT_AUTHOR_DATE": now, "GIT_COMMITTER_DATE": now, "HOME": str(self.folder)}
        env = who | dates | {"PATH": os.environ["PATH"]}
        done = subprocess.run(["git", *words], cwd=self.folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, files: dict) -> None:
        """Files by path: text as it is, records as JSON Lines."""
        for path, content in files.items():
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            lines = content if isinstance(content, str) else "".join(r.model_dump_json() + "\n" for r in content)
            target.write_text(lines)

    def run(self) -> None:
        """What `dvc repro` leaves behind when every stage has just run."""
        self.write({"models/adapter": f"weights of {self.md5(f'{GENERATED}/train.jsonl')}"})
        stages = {}
        for name, (deps, outs) in STAGES.items():
            stages[name] = {"deps": [self._entry(p) for p in deps], "outs": [self._entry(p) for p in outs]}
            for out in stages[name]["outs"]:
                kept = self.folder / ".dvc/cache/files/md5" / out["md5"][:2] / out["md5"][2:]
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes((self.folder / out["path"]).read_bytes())
        seed = self.params["generate"]["transcripts"]
        stages["generate-transcripts"]["params"] = {"params.yaml": {"generate.transcripts": dict(seed)}}
        self.write({"dvc.lock": yaml.safe_dump({"schema": "2.0", "stages": stages}, sort_keys=False)})

    def commit(self, subject: str) -> str:
        self.minute += 1
        self.git("add", "-A")
        self.git("commit", "-q", "-m", subject)
        return self.git("rev-parse", "--short=7", "HEAD")

    def md5(self, path: str) -> str:
        return file_md5((self.folder / path).read_bytes())

    def _entry(self, path: str) -> dict:
        return {"path": path, "hash": "md5", "md5": self.md5(path)}


def verdict(talk: str, criterion: str, answer: str | None, reasoning: str = "it shows") -> Verdict:
    return Verdict(
        transcript_id=talk, criterion=criterion, judge="small", answer=answer, reasoning=reasoning if answer else "",
        unscored=None if answer else "no answer",
    )  # fmt: skip


def score(talk: str, person: str, passed: bool | None, value: float = 0.9) -> Score:
    return Score(
        transcript_id=talk, persona_id=person, answers={}, unscored={}, categories={}, score=value, coverage=1.0,
        gates_failed=(), gates_unscored=(), disagreements=(), passed=passed, outcome="",
    )  # fmt: skip


def example(talk: str, person: str, n: int = 3, words: str = "My cat is ill again 1") -> Example:
    said = (Message(role="user", content=words), Message(role="assistant", content="Which cat is it 1"))
    return Example(id=f"{talk}@{n}", transcript_id=talk, persona_id=person, n_exchanges=n, n_tokens=40, messages=said)


def first_run(project: RecordedProject, phrase: str = "My cat is ill again") -> None:
    """Two authored people, two sampled ones; one replay, one pair; `phrase` is what Ann says in hers."""
    ann = transcript(
        "ann-1", user=phrase, persona_id="ann", user_kind="authored", assistant="Which cat is it", domain="cats"
    )
    ann = ann.model_copy(update={"assistant": "author", "user": "author"})
    bea = ann.model_copy(update={"id": "bea-1", "persona_id": "bea", "exchanges": transcript().exchanges[:2]})
    simulated = [transcript(f"simulated-persona-000{n}", persona_id=f"persona-000{n}", domain="cats") for n in (1, 2)]
    copies = {"user_kind": "replay", "source_id": "ann-1", "assistant": "m"}
    replay, pair = (ann.model_copy(update=copies | {"id": f"{kind}-ann-1"}) for kind in ("replay", "pair"))
    people = [persona("ann", source="authored"), persona("bea", source="authored")]
    talks = [ann, bea, *simulated, replay]
    project.write({
        f"{AUTHORED}/personas.jsonl": people,
        f"{AUTHORED}/transcripts.jsonl": [ann, bea],
        f"{GENERATED}/personas.jsonl": [persona("persona-0001", batch=1), persona("persona-0002", batch=1)],
        f"{GENERATED}/transcripts.jsonl": talks,
        f"{GENERATED}/verdicts.jsonl": [verdict(t.id, c, "YES") for t in talks for c in ("warm", "safe")],
        f"{GENERATED}/scores.jsonl": [score(t.id, t.persona_id, True) for t in talks],
        f"{GENERATED}/train.jsonl": [example("ann-1", "ann", words=phrase), example(simulated[0].id, "persona-0001")],
        f"{GENERATED}/valid.jsonl": [example("simulated-persona-0002", "persona-0002")],
        f"{GENERATED}/holdout.jsonl": [example("bea-1", "bea", 2)],
        "data/evaluate/transcripts/tuned.jsonl": [pair],
        "metrics/generate-scores.json": json.dumps({"n_passed": 5, "pass_rate": 1.0}),
    })  # fmt: skip
    project.run()

"""What the repository has, for what a skill says of it: files, stages, outputs, params, metrics."""

from __future__ import annotations

import contextlib
import fnmatch
import json
import re
import subprocess
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

from tunewright.composing import known_keys
from tunewright.config import read_yaml
from tunewright.structure import dependencies

MADE_BY_COMMANDS = {  # what no stage makes, and what does
    "data/imported/*/*": "tunewright import",
    "reviews/*/proposed_calibration.yaml": "tunewright review",
    "reviews/*/labels.jsonl": "tunewright review",
    "reviews/*/preferences.jsonl": "tunewright review --compare",
    "reviews/*/transcripts.jsonl": "tunewright review",
    "data/prep/*/rejected/*": "a drafting stage whose draft was refused to the end",
    "data/lm_eval/*/*": "lm-eval",
    ".cache/*": "every run",
    "log/*": "every run, in the cache folder",
}


@dataclass(frozen=True)
class Repository:
    """A checkout; a thorough one composes each set of overrides too."""

    root: Path
    thorough: bool = False

    @cached_property
    def files(self) -> set[str]:
        """Files that git has, or would take."""
        listed = subprocess.run(
            ["git", "ls-files", "-coz", "--exclude-standard"], cwd=self.root, capture_output=True, text=True, check=True
        )
        return {name for name in listed.stdout.split("\0") if name and (self.root / name).exists()}

    @cached_property
    def present(self) -> set[str]:
        """Files and the folders that they lie in."""
        return self.files | {str(parent) for name in self.files for parent in Path(name).parents} - {"."}

    @cached_property
    def stages(self) -> dict[str, dict]:
        """Stages of both pipelines by name; one of a foreach also as name@item."""
        found = {}
        for file in ("dvc.yaml", "prep/dvc.yaml"):
            for name, stage in read_yaml(self.root / file)["stages"].items():
                found[name] = stage.get("do", stage)
                found |= {f"{name}@{item}": stage["do"] for item in stage.get("foreach", [])}
        return found

    @cached_property
    def outputs(self) -> dict[str, str]:
        """Patterns of what stages make, with the stage of each; a variable stands for anything."""
        return {
            re.sub(r"\$\{[^}]*\}", "*", path): name
            for name, stage in self.stages.items()
            for kind in ("outs", "metrics", "plots")
            for path in map(_path_of, stage.get(kind, []))
        }

    @cached_property
    def metrics(self) -> list[str]:
        """Patterns of the files that `dvc metrics show` prints."""
        listed = (path for stage in self.stages.values() for path in map(_path_of, stage.get("metrics", [])))
        return [re.sub(r"\$\{[^}]*\}", "*", path) for path in listed]

    @cached_property
    def folders(self) -> set[str]:
        """First parts that a path may begin with."""
        made = [*self.outputs, *MADE_BY_COMMANDS]
        return {name.split("/")[0] for name in [*self.present, *made] if "/" in name or (self.root / name).is_dir()}

    @cached_property
    def keys(self) -> dict:
        """Every key that conf/ can give to params.yaml, composed ones included."""
        with contextlib.chdir(self.root):
            known = known_keys()
        return known | {"domain": read_yaml(self.root / "params.yaml")["domain"]}

    @cached_property
    def words(self) -> set[str]:
        """Names with an underscore in code, configuration, prompts and authored data."""
        folders = ("tunewright/", "stages/", "conf/", "prompts/", "bench/", "prep/templates/", "data/authored/")
        sources = [name for name in self.files if name.startswith(folders) or name in ("params.yaml", "pyproject.toml")]
        texts = ((self.root / name).read_text("utf-8", errors="ignore") for name in sources)
        return {word for text in texts for word in re.findall(r"[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+", text)}

    def has(self, path: str) -> bool:
        """Whether a path (with * for anything) is there, or is what a stage or a command makes."""
        path = path.rstrip("/")
        if any(fnmatch.fnmatch(name, path) for name in self.present):
            return True
        return any(_within(path, made) for made in [*self.outputs, *MADE_BY_COMMANDS])

    def has_name(self, name: str) -> bool:
        """Whether a bare file name is that of some file or output."""
        names = [*self.files, *self.outputs, *MADE_BY_COMMANDS]
        return any(fnmatch.fnmatch(name, one.split("/")[-1]) for one in names if not one.endswith("*"))

    def has_key(self, address: str) -> bool:
        value = self.keys
        for part in address.split("."):
            if not isinstance(value, dict) or part not in value:
                return False
            value = value[part]
        return True

    def stage_of(self, path: str) -> str | None:
        """The stage that makes a file."""
        return next((stage for made, stage in self.outputs.items() if _within(path, made)), None)

    def has_number(self, path: str, key: str) -> bool:
        """Whether a stage writes a key into a file.

        Looked up in the file where git has it; else the last part must be a word of the stage's own code.
        """
        if path in self.files:
            value = json.loads((self.root / path).read_text("utf-8"))
            for part in key.split("."):
                if not isinstance(value, dict) or part not in value:
                    return False
                value = value[part]
            return True
        stage = self.stage_of(path)
        if stage is None:
            return False
        phase, _, name = stage.partition("@")[0].partition("-")
        sources = dependencies(Path(f"stages/{phase}/{name}.py"), self.root)
        word = re.compile(rf"\b{re.escape(key.split('.')[-1])}\b")
        return any(word.search((self.root / source).read_text("utf-8")) for source in sources)


def _path_of(entry: str | dict) -> str:
    return entry if isinstance(entry, str) else next(iter(entry))


def _within(path: str, made: str) -> bool:
    """Whether a path is an output, lies in it, or is a folder that outputs lie in; both may hold a *."""
    mine, its = path.split("/"), made.split("/")
    return all(fnmatch.fnmatch(a, b) or fnmatch.fnmatch(b, a) for a, b in zip(mine, its, strict=False))


def spelled_out(path: str) -> list[str]:
    """A path with {a,b} as the paths that it stands for, and slots such as <domain> as *."""
    parts = [part.split(",") for part in re.split(r"[{}]", re.sub(r"<[^>]*>", "*", path))]
    return ["".join(one) for one in product(*parts)]

"""Everything that the cards tell, read once from what the stages left."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunewright.base_models import BaseModelConfig, HubSource
from tunewright.config import Domain, load, load_domain
from tunewright.conversation import assistant_variables
from tunewright.json_files import read_object
from tunewright.prompts import render
from tunewright.publishing.examples import IMPORTED, Examples, personas_of, read_examples
from tunewright.publishing.settings import Settings
from tunewright.publishing.writers import Writers
from tunewright.records import Persona, Score, Transcript, read_jsonl
from tunewright.rubric import Rubric, load_rubric
from tunewright.sound import evaluated, read_sound
from tunewright.tracing import Project, load_project
from tunewright.trust import Trust, load_trust

SIDES = ("base", "tuned")
METRICS = ("generate-scores", "generate-slices", "generate-gate", "generate-audit")


@dataclass(frozen=True)
class Facts:
    """What is known of the run that both cards speak of."""

    domain: Domain
    settings: Settings
    project: Project
    rubric: Rubric
    examples: Examples
    people: Sequence[Persona]  # the published ones
    writers: Writers
    base: BaseModelConfig
    metrics: Mapping[str, Any]  # by stage
    trust: Trust
    system_prompt: str
    commit: str | None  # None: not in git; ends in "+" where files differ from it

    @property
    def hub_base(self) -> str | None:
        """The base model's repository on the Hub, where it has one."""
        source = self.base.source
        return source.repo if isinstance(source, HubSource) else self.settings.base_models.get(self.base.id)


@dataclass(frozen=True)
class Evaluated:
    """What the model card says beside that."""

    compare: Mapping[str, Any]
    sanity: Mapping[str, Any]
    training: Mapping[str, Any]  # metrics/train-adapter.json
    base: Mapping[str, Any]  # data/train/base.json
    exports: Mapping[str, Any]  # data/train/export/*.json, by side
    scores: Sequence[Score]  # both sides'
    talks: Mapping[str, Sequence[Transcript]]  # by side

    @property
    def quotes_imported(self) -> bool:
        """Whether the evaluation replayed imported people's words."""
        return any(IMPORTED in t.user for side in self.talks.values() for t in side)


def read_facts(include_imported: bool) -> Facts:
    """The facts; raises ConfigError, MissingInputError or RecordError for what cannot be read."""
    domain, settings, project = load_domain(), load("publish", Settings), load_project()
    examples = read_examples(include_imported)
    system = render(Path(domain.prompts) / "system.md", **assistant_variables(domain))
    return Facts(
        domain=domain,
        settings=settings,
        project=project,
        rubric=load_rubric(domain.rubric),
        examples=examples,
        people=personas_of(examples, known_people(domain)),
        writers=Writers(project.params, settings.terms),
        base=load("train.base.base_model", BaseModelConfig),
        metrics={name: read_object(f"metrics/{name}.json", name) for name in METRICS},
        trust=load_trust(),
        system_prompt="\n".join(message["content"] for message in system),
        commit=commit(),
    )


def known_people(domain: Domain) -> list[Persona]:
    """Everybody who can be described: a log's people cannot."""
    authored = read_jsonl(Path(domain.authored) / "personas.jsonl", Persona)
    return authored + read_jsonl("data/generate/personas.jsonl", Persona, "generate-personas")


def read_evaluated() -> Evaluated:
    """The evaluation; raises as `read_facts` does."""
    scores = [
        s for side in SIDES for s in read_jsonl(f"data/evaluate/scores/{side}.jsonl", Score, f"evaluate-scores@{side}")
    ]
    talks = {
        side: read_sound(f"data/evaluate/transcripts/{side}.jsonl", f"evaluate-transcripts@{side}", evaluated(side))
        for side in SIDES
    }
    return Evaluated(
        compare=read_object("data/evaluate/compare.json", "evaluate-compare"),
        sanity=read_object("data/evaluate/sanity.json", "evaluate-sanity"),
        training=read_object("metrics/train-adapter.json", "train-adapter"),
        base=read_object("data/train/base.json", "train-base"),
        exports={side: read_object(f"data/train/export/{side}.json", f"train-export@{side}") for side in SIDES},
        scores=scores,
        talks=talks,
    )


def commit() -> str | None:
    """The commit that the workspace is at, with "+" where tracked files differ; None outside of git."""
    asked = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True)
    if asked.returncode:
        return None
    changed = subprocess.run(["git", "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True)
    return asked.stdout.strip()[:12] + ("+" if changed.stdout.strip() else "")

"""The pipeline as a graph, read from dvc.yaml: which stage needs which, and whom each asks.

A stage needs another when one of its deps is an output, a metric or a plot of the other, or lies in or around one. The
stages of a `foreach` count as one where they differ in nothing but a name (base, tuned), and stand apart where each
item has values of its own. Edges that others imply are left out: what scores need by way of verdicts is drawn once.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
import yaml

PHASES = ("design", "generate", "train", "evaluate")
ITEM = re.compile(r"\$\{(?:item|key)(?:\.(\w+))?\}")
REFERENCE = re.compile(r"\$\{([\w.]+)\}")
ROLES = ("user", "assistant", "expert", "fixer", "judges", "simulator_judge", "candidates")  # of conf/llm
CONFIG = "conf/config.yaml"


@dataclass(frozen=True)
class Node:
    """What a picture and a table say of one stage."""

    name: str  # as `dvc repro` takes it
    question: str  # the first line of its docstring
    needs: tuple[str, ...]  # names of other nodes
    outputs: tuple[str, ...]  # without metrics and plots
    asks: tuple[str, ...]  # roles of conf/llm
    items: tuple[str, ...]  # of a foreach whose stages count as one

    @property
    def phase(self) -> str:
        return self.name.split("-")[0]

    @property
    def script(self) -> str:
        return f"stages/{self.phase}/{self.name.split('-', 1)[1].split('@')[0]}.py"


def read_pipeline(root: Path, file: str) -> list[Node]:
    """All stages of a dvc.yaml, in its order."""
    raw: dict[str, Any] = yaml.safe_load((root / file).read_text("utf-8"))["stages"]
    config = yaml.safe_load((root / CONFIG).read_text("utf-8"))
    stages = {name: found for one, stage in raw.items() for name, found in _apart(one, stage)}
    made = {name: set(_spelled(stage, "outs", "metrics", "plots")) for name, stage in stages.items()}
    return [_node(root, config, name, stage, made) for name, stage in stages.items()]


def _apart(name: str, stage: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A foreach over a mapping as its stages, anything else as it is."""
    items = stage.get("foreach")
    if isinstance(items, dict):
        for item in items:
            yield f"{name}@{item}", stage | {"foreach": {item: items[item]}}
    else:
        yield name, stage


def _node(root: Path, config: Any, name: str, stage: dict[str, Any], made: Mapping[str, set[str]]) -> Node:
    phase, short = name.split("@")[0].split("-", 1)
    wanted = set(_spelled(stage, "deps"))
    items = stage.get("foreach", ())
    return Node(
        name=name,
        question=question(root / f"stages/{phase}/{short}.py"),
        needs=tuple(one for one, paths in made.items() if one != name and _touch(wanted, paths)),
        outputs=tuple(_named(path, items) for path in _paths(stage.get("do", stage).get("outs", []))),
        asks=tuple(role for role in ROLES if role in asked(config[phase][short], config)),
        items=tuple(items) if len(items) > 1 else (),
    )


def question(script: Path) -> str:
    """What a stage does: the first line of its docstring behind its name; raises ValueError where it is not so."""
    first = (ast.get_docstring(ast.parse(script.read_text("utf-8"))) or "").split("\n")[0]
    name, colon, said = first.partition(": ")
    if not colon or name.split(" (")[0] != f"{script.parent.name}-{script.stem}":
        raise ValueError(f"{script}: its docstring begins {first!r}; expected the stage's name, a colon, what it does")
    return said


def asked(value: Any, config: Any) -> set[str]:
    """The roles of conf/llm that a section of the configuration refers to, through other sections too."""
    if isinstance(value, dict):
        return set().union(*(asked(one, config) for one in value.values()))
    if not isinstance(value, str) or not (found := REFERENCE.fullmatch(value)):
        return set()
    first, *keys = found[1].split(".")
    if first == "llm":
        return {keys[0]} if len(keys) == 1 or keys[0] == "candidates" and len(keys) == 2 else set()
    there = config.get(first)
    for key in keys:
        there = there.get(key) if isinstance(there, dict) else None
    return asked(there, config)


def reduced(nodes: Iterable[Node]) -> nx.DiGraph:
    """Stages with the edges that no others imply."""
    graph = nx.DiGraph()
    for node in nodes:
        graph.add_node(node.name)
        graph.add_edges_from((need, node.name) for need in node.needs)
    return nx.transitive_reduction(graph)


def _named(path: str, items: Iterable[str]) -> str:
    """A path as people write it: {base,tuned} where there is one for each item, <domain> for the domain's name."""
    listed = list(items)
    name = "{" + ",".join(listed) + "}" if len(listed) > 1 else "".join(listed)
    return ITEM.sub(name, path).replace("${domain.id}", "<domain>")


def _spelled(stage: dict[str, Any], *kinds: str) -> Iterator[str]:
    """The paths of a stage, with every item of its foreach put in."""
    done, items = stage.get("do", stage), stage.get("foreach", {})
    for path in (path for kind in kinds for path in _paths(done.get(kind, []))):
        yield from {_put_in(path, item, items) for item in items} or {path}


def _put_in(path: str, item: str, items: Any) -> str:
    return ITEM.sub(lambda found: str(items[item][found[1]] if found[1] else item), path)


def _paths(entries: Iterable[Any]) -> list[str]:
    """dvc.yaml names a path, or a path with its options."""
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def _touch(wanted: set[str], made: set[str]) -> bool:
    """Is one of these paths one of those, in it or around it?"""
    return any(a == b or a.startswith(b + "/") or b.startswith(a + "/") for a in wanted for b in made)

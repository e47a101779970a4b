"""How a card's text is put together: its template, its tables, and what is written the same in both cards.

Everything that comes from data or configuration is escaped, so that nothing a model or a user wrote becomes markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import CardData
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tunewright.document import md_escape, md_table
from tunewright.publishing.facts import Facts
from tunewright.publishing.parcel import Files
from tunewright.publishing.writers import NOT_NOTED, Model

TEMPLATES = Path(__file__).parent / "templates"
SOURCES = {
    "authored": "written by the project's authors, as exemplars",
    "imported": "imported from logs of real conversations",
    "simulated": "a model played a persona, another the assistant",
    "replay": "the user's messages of a recorded conversation, answered anew by a model",
    "fixed": "one of the others, in which a model repaired replies",
}
_environment = ImmutableSandboxedEnvironment(
    loader=FileSystemLoader(TEMPLATES),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_environment.filters["md"] = lambda value: md_escape(str(value))


def card(template: str, metadata: CardData, values: dict[str, Any]) -> str:
    """A card: its metadata between dashes, and its template filled in."""
    text = _environment.get_template(template).render(values)
    return f"---\n{metadata.to_yaml()}\n---\n{text}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; every cell is shown literally."""
    return md_table(head, [[md_escape(str(cell), True) for cell in row] for row in rows])


def size(n_bytes: int) -> str:
    """Bytes for a person."""
    if n_bytes < 1000:
        return f"{n_bytes} B"
    power = next(p for p in (1, 2, 3, 4) if n_bytes < 1000 ** (p + 1) or p == 4)
    return f"{n_bytes / 1000**power:.1f} {'kMGT'[power - 1]}B"


def file_table(files: Files, meanings: Mapping[str, str]) -> str:
    """What a reader looks for, with its meaning; `meanings` by path, or by folder with a slash at its end."""
    rows = []
    for path, meaning in meanings.items():
        found = [n for name, n in files.items() if name == path or (path.endswith("/") and name.startswith(path))]
        if found:
            rows.append((path, meaning, size(sum(found))))
    return table(("file", "what", "size"), rows)


def origin_table(facts: Facts) -> str:
    """The published conversations by where they come from and who wrote them, counted by split."""
    rows = []
    for origin, n in facts.examples.by_origin().items():
        who = (facts.writers.name(origin.user_by), facts.writers.name(origin.assistant_by))
        what = f"{origin.source}: {SOURCES[origin.source]}"
        rows.append((what, *who, n.get("train", 0), n.get("valid", 0), n.get("holdout", 0)))
    return table(("conversations", "user written by", "replies written by", "train", "validation", "test"), rows)


def terms_table(facts: Facts) -> str:
    """Every model that wrote or judged, with the line on its terms; empty where there was none."""
    models = {model: "wrote" for model in facts.writers.wrote(facts.examples)}
    for model in facts.writers.judges.values():
        models[model] = "wrote and judged" if models.get(model, "").startswith("wrote") else "judged"
    rows = [(model.name, part, terms(model)) for model, part in models.items()]
    return table(("model", "part", "its terms"), rows) if rows else ""


def terms(model: Model) -> str:
    """The line on a model's terms."""
    return (
        "nobody has noted where they stand; look them up before you use this"
        if model.terms == NOT_NOTED
        else model.terms
    )


def judge_lines(facts: Facts) -> list[str]:
    """On how many criteria each judge may be believed, and why not on the rest."""
    lines = []
    for name, model in facts.writers.judges.items():
        by = facts.trust.get(name, {})
        trusted = sum(decision.trusted for decision in by.values())
        reasons = sorted({decision.reason for decision in by.values() if not decision.trusted})
        why = f"; not on the others: {'; '.join(reasons[:3])}. Answers there did not count" if reasons else ""
        lines.append(f"Judge {name}, {model.name}: trusted on {trusted} of {len(by)} criteria{why}.")
    if assumed(facts):
        lines.append("Judges were taken at the user's word (judge_trust: assumed), whatever calibration found.")
    return lines


def assumed(facts: Facts) -> bool:
    """Whether judges counted without calibration."""
    return facts.project.params["generate"]["scores"]["judge_trust"] == "assumed"


def made_with(facts: Facts) -> list[tuple[str, str]]:
    """The exact versions: commit, and the hashes of what was published, as dvc.lock recorded them."""
    rows = [("commit", (facts.commit or "not in git").replace("+", ", with changes that are not committed"))]
    if facts.settings.source_code:
        rows.append(("code", facts.settings.source_code))
    wanted = ("generate-slices", "train-base", "train-adapter", "train-merge", "train-export@tuned", "evaluate-compare")
    for stage in wanted:
        for out in facts.project.stages.get(stage, {}).get("outs", ()):
            if not out["path"].startswith(("metrics/", "plots/")) and "md5" in out:
                rows.append((f"{out['path']} ({stage})", f"md5 {out['md5']}"))
    return rows

"""The stages as a page and as pictures: docs/pipeline.md, docs/pipeline.svg and docs/drafting.svg.

    python -m bench.pipeline_page            # after a change of dvc.yaml or of a stage's docstring

Nothing in them is written by hand; tests/test_pipeline_page.py compares them with what this makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.pipeline_graph import PHASES, Node, read_pipeline, reduced
from bench.pipeline_picture import picture
from tunewright.records import write_text

ROOT = Path(__file__).parents[1]
PAGE, PICTURE, DRAFTING = "docs/pipeline.md", "docs/pipeline.svg", "docs/drafting.svg"
HEAD = """# The stages

Made by `python -m bench.pipeline_page` from dvc.yaml, prep/dvc.yaml and the first line of each stage's docstring; do
not edit it. Stage `generate-verdicts` is `stages/generate/verdicts.py`, has its params under `generate.verdicts` in
`params.yaml` and its numbers in `metrics/generate-verdicts.json`; so have all others. `dvc repro generate-verdicts`
runs it and what it needs, as far as something has changed; `dvc dag generate-verdicts` draws all its edges.

*Asks*: the roles of `conf/llm` whose models it may ask. *Needs*: stages whose outputs it reads, without those that
others in the list need already. *Writes*: outputs besides metrics and plots.
"""
TWICE = "What writes {{base,tuned}} runs twice: `dvc repro {}@tuned` runs one of the two."
PREP = """## prep: drafting a domain

A pipeline of its own, prep/dvc.yaml, run when a domain is started: [new-domain.md](new-domain.md). What it drafts
becomes the design only when a person takes it (`tunewright adopt NAME`).

![The drafting stages](drafting.svg)
"""


def made(root: Path) -> dict[str, str]:
    """Every file that this module writes, by its path."""
    nodes, drafting = (read_pipeline(root, file) for file in ("dvc.yaml", "prep/dvc.yaml"))
    return {
        PAGE: page(nodes, drafting),
        PICTURE: picture(nodes, PHASES, "The stages of dvc.yaml and what each needs"),
        DRAFTING: picture(drafting, ("prep",), "The stages of prep/dvc.yaml and what each needs"),
    }


def page(nodes: Sequence[Node], drafting: Sequence[Node]) -> str:
    """The whole page."""
    parts = [HEAD, "![The stages and what each needs](pipeline.svg)\n"]
    for phase in PHASES:
        parts.append(f"## {phase}\n")
        parts.append(table([node for node in nodes if node.phase == phase], nodes))
    return "\n".join([*parts, PREP, table(drafting, drafting)])


def table(shown: Sequence[Node], everything: Sequence[Node]) -> str:
    """A row for each stage; below them, how to run one of two."""
    needs = reduced(everything)
    rows = [_row(node, sorted(needs.predecessors(node.name))) for node in shown]
    twice = [TWICE.format(node.name) for node in shown if node.items]
    lines = ["| stage | does | asks | needs | writes |", "|---|---|---|---|---|", *rows]
    return "\n".join([*lines, *(["", *twice[:1]] if twice else []), ""])


def _row(node: Node, needs: Sequence[str]) -> str:
    does = node.question[0].upper() + node.question[1:].rstrip(".")
    cells = [
        f"[{node.name}](../{node.script})", does, ", ".join(node.asks), ", ".join(needs),
        ", ".join(f"`{path}`" for path in node.outputs),
    ]  # fmt: skip
    return "| " + " | ".join(cell.replace("|", "\\|") or "-" for cell in cells) + " |"


def main() -> None:
    """Write all of them."""
    for path, text in made(ROOT).items():
        write_text(ROOT / path, text)
        print(f"wrote {path}")


if __name__ == "__main__":
    main()

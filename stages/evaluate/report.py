"""evaluate-report: the evaluation as a page that a stranger can read, and as Markdown.

The first screen says what was scored and what was not, then whether the tuned model is better, how sure that is, and
what it does not show, with one figure. All text of users and models is shown literally. Same inputs, same bytes.

Reads data/evaluate/{compare,sanity}.json, data/evaluate/personas.jsonl, {metrics,plots}/train-adapter.json,
data/evaluate/{scores,transcripts,simulator}/{base,tuned}.jsonl, metrics/generate-{scores,slices}.json and the rubric.
Writes reports/evaluation_report.{md,html} and reports/figures/*.png.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from tunewright import report_sections as sections
from tunewright.aligning import aligned_pairs
from tunewright.config import Config as BaseConfig
from tunewright.config import load, load_domain
from tunewright.document import Block, Code, Figure, Heading, Table, Text, Verdict, to_html, to_markdown
from tunewright.errors import run_main
from tunewright.figures import comparison, loss_curve, persona_differences
from tunewright.preference_report import people_section
from tunewright.records import Persona, Score, Transcript, read_json, read_jsonl, write_text
from tunewright.report_answer import answer, cut_off, levels, scored_on
from tunewright.rubric import Rubric, load_rubric
from tunewright.sound import evaluated, read_sound
from tunewright.terminal import Stage
from tunewright.trust import ASSUMED, JudgeTrust

REPORT = Path("reports/evaluation_report.html")
SIDES = ("base", "tuned")
FIRST_SCREEN_ROWS = 12  # a taller figure pushes the answer off the first screen: it then shows categories only
JSON_INPUTS = {
    "compare": ("data/evaluate/compare.json", "evaluate-compare"),
    "sanity": ("data/evaluate/sanity.json", "evaluate-sanity"),
    "training": ("metrics/train-adapter.json", "train-adapter"),
    "losses": ("plots/train-adapter.json", "train-adapter"),
    "generated": ("metrics/generate-scores.json", "generate-scores"),
    "slices": ("metrics/generate-slices.json", "generate-slices"),
}


class Config(BaseConfig):
    """How much is shown, and whether judges were taken at the user's word."""

    examples: int = Field(ge=0)
    judge_trust: JudgeTrust


@dataclass(frozen=True)
class Inputs:
    """Everything that the report is made from."""

    json: Mapping[str, Any]  # by the names of JSON_INPUTS
    scores: Mapping[str, Sequence[Score]]  # by side
    transcripts: Mapping[str, Sequence[Transcript]]  # by side
    personas: Mapping[str, Persona]
    rubric: Rubric
    domain_title: str

    @property
    def pairs(self) -> list[tuple[Score, Score]]:
        """Scored pairs in the order of their ids, on the criteria answered on both sides, as evaluate-compare's are."""
        return aligned_pairs(self.scores["base"], self.scores["tuned"], self.rubric)


def figures(inputs: Inputs) -> dict[str, Figure]:
    """The figures that there are data for."""
    compare, found = inputs.json["compare"], {}
    rows = levels(compare, inputs.rubric)
    if len(rows) > FIRST_SCREEN_ROWS:
        alt = "Base and tuned for every criterion; the numbers stand in the table below"
        found["criteria"] = _figure("criteria", comparison(rows), alt, "The same, with every criterion.")
        rows = [row for row in rows if row.rank < 2]
    if rows:
        caption = (
            f"Share of criteria met, {compare['n_pairs']} conversations each. Circle: base; diamond: tuned. "
            f"The bar is the {compare['confidence']:.0%} interval of the change, drawn from the base: "
            "where it does not reach the circle, the change is more than chance (each row for itself)."
        )
        alt = "; ".join(f"{r.label}: base {r.base:.2f}, tuned {r.tuned:.2f}" for r in rows)
        found["comparison"] = _figure("comparison", comparison(rows), alt, caption)
        changes: dict[str, list[float]] = {}
        for base, tuned in inputs.pairs:
            changes.setdefault(base.persona_id, []).append((tuned.score or 0.0) - (base.score or 0.0))
        means = [sum(values) / len(values) for values in changes.values()]
        caption = f"{sum(m < 0 for m in means)} of {len(means)} personas got a lower score from the tuned model."
        found["personas"] = _figure("personas", persona_differences(means), "Change in score per persona", caption)
    if png := loss_curve(inputs.json["losses"]):
        found["training"] = _figure("training", png, "Training loss by step", "Training loss, on replies only.")
    return found


def _figure(name: str, png: bytes, alt: str, caption: str) -> Figure:
    return Figure(f"figures/{name}.png", png, alt, caption)


def blocks(inputs: Inputs, drawn: Mapping[str, Figure], config: Config) -> list[Block]:
    """The whole report, first screen first."""
    c, rubric, preferences = inputs.json["compare"], inputs.rubric, inputs.json["sanity"]["preferences"]
    base, tuned = ({t.id: t for t in inputs.transcripts[side]} for side in SIDES)
    stages = {"adapter": inputs.json["training"], "slices": inputs.json["slices"], "scores": inputs.json["generated"]}
    cut = cut_off(inputs.transcripts["base"], inputs.transcripts["tuned"])
    everyone = [*inputs.scores["base"], *inputs.scores["tuned"]]
    talks = [*inputs.transcripts["base"], *inputs.transcripts["tuned"]]
    return [
        Heading(f"{inputs.domain_title}: is the tuned model better?", 1),
        Text(scored_on(c, rubric, everyone)),
        Text(answer(c, rubric, preferences), "lead"),
        Verdict(c["decision"], f"{_sentence(c['decision_reason'])}.", c["decision"] == "ship"),
        *([Text(ASSUMED, "warning")] if config.judge_trust == "assumed" else []),
        *(Text(f"{_sentence(warning)}.", "warning") for warning in [*c["warnings"], *([cut] if cut else [])]),
        *([drawn["comparison"]] if "comparison" in drawn else []),
        *sections.overall(c),
        *sections.categories(c, rubric),
        *sections.criteria(c, rubric),
        *([drawn["criteria"]] if "criteria" in drawn else []),
        *sections.safety(c, rubric),
        *people_section(preferences),
        *sections.perplexity(inputs.json["sanity"]),
        *sections.style(inputs.transcripts["base"], inputs.transcripts["tuned"], rubric),
        Heading("Personas"),
        *([drawn["personas"]] if "personas" in drawn else []),
        *sections.personas(inputs.pairs, inputs.personas),
        *(sections.examples(inputs.pairs, base, tuned, inputs.personas, config.examples) if config.examples else []),
        *sections.limits(c, everyone, talks),
        *sections.made_from(stages),
        *([drawn["training"]] if "training" in drawn else []),
    ]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def reproduce(digests: Mapping[str, str]) -> list[Block]:
    """The commands, and the hashes of what this report was made from."""
    rows = [(path, sha[:16]) for path, sha in digests.items()]
    return [
        Heading("How to reproduce"),
        Code("make run                      # the whole pipeline\ndvc repro -f evaluate-report  # this page alone"),
        Text("The same inputs give the same bytes. Made from (start of SHA-256):", "note"),
        Table(("file", "sha256"), rows),
    ]


def read_inputs() -> tuple[Inputs, dict[str, str]]:
    """All inputs, and the SHA-256 of each file by path."""
    domain = load_domain()
    paths = [path for path, _ in JSON_INPUTS.values()]
    values = {name: read_json(path, made_by) for name, (path, made_by) in JSON_INPUTS.items()}
    scores, transcripts = {}, {}
    for side in SIDES:
        score_path, talk_path = (f"data/evaluate/{kind}/{side}.jsonl" for kind in ("scores", "transcripts"))
        scores[side] = read_jsonl(score_path, Score, f"evaluate-scores@{side}")
        transcripts[side] = read_sound(talk_path, f"evaluate-transcripts@{side}", evaluated(side))
        paths += [score_path, talk_path, str(evaluated(side).path)]
    people = {p.id: p for p in read_jsonl("data/evaluate/personas.jsonl", Persona, "evaluate-personas")}
    paths.append("data/evaluate/personas.jsonl")
    digests = {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths}
    return Inputs(values, scores, transcripts, people, load_rubric(domain.rubric), domain.title), digests


def write_figures(drawn: Mapping[str, Figure]) -> None:
    """The PNG files that the Markdown shows."""
    folder = REPORT.parent / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn.items():
        (folder / f"{name}.png").write_bytes(figure.png)


def main() -> None:
    """Write the report."""
    stage = Stage("evaluate-report")
    config = load("evaluate.report", Config)
    inputs, digests = read_inputs()
    stage.start(f"{len(inputs.pairs)} pairs of conversations")
    drawn = figures(inputs)
    document = blocks(inputs, drawn, config) + reproduce(digests)
    write_figures(drawn)
    write_text(REPORT.with_suffix(".md"), to_markdown(document))
    write_text(REPORT, to_html(document, f"{inputs.domain_title}: evaluation"))
    stage.end(f"{len(drawn)} figures, {REPORT.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    run_main(main)

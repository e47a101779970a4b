"""evaluate-report: the evaluation as a page that a stranger can read, and as Markdown.

The first screen is the answer: the decision, three sentences (is it better, how sure, at what price) and one figure.
What must be known before believing it comes next, then the details. All text of users and models is shown literally.
Same inputs, same bytes; a section for which an older file has no numbers is left out.

Reads data/evaluate/{compare,sanity}.json, data/evaluate/personas.jsonl, data/design/judge-trust.json,
data/train/{base,adapter}.json, data/train/export/{base,tuned}.json, {metrics,plots}/train-adapter.json,
metrics/train-merge.json, data/evaluate/{scores,transcripts,simulator}/{base,tuned}.jsonl,
metrics/generate-{scores,slices}.json and the rubric.
Writes reports/evaluation_report.{md,html} and reports/figures/*.png.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from tunewright import report_abilities as abilities
from tunewright import report_origin as origin
from tunewright import report_scores as tables
from tunewright.aligning import aligned_pairs
from tunewright.config import Config as BaseConfig
from tunewright.config import load, load_domain
from tunewright.document import Answers, Block, Bullets, Contents, Figure, Heading, Verdict, to_markdown
from tunewright.document_html import to_html
from tunewright.errors import run_main
from tunewright.json_files import read_json
from tunewright.preference_report import people_section, preferred
from tunewright.records import Persona, Score, Transcript, read_jsonl, write_text
from tunewright.report_answer import answers, cut_off, unsaid
from tunewright.report_examples import examples
from tunewright.report_figures import all_figures
from tunewright.report_limits import limits
from tunewright.report_numbers import sentence
from tunewright.report_passes import passes, uncertainty
from tunewright.report_safety import safety
from tunewright.report_style import style
from tunewright.rubric import Rubric, load_rubric
from tunewright.sound import evaluated, read_sound
from tunewright.terminal import Stage
from tunewright.trust import ASSUMED, TRUST_FILE, JudgeTrust, Trust, load_trust

REPORT = Path("reports/evaluation_report.html")
SIDES = ("base", "tuned")
JSON_INPUTS = {
    "compare": ("data/evaluate/compare.json", "evaluate-compare"),
    "sanity": ("data/evaluate/sanity.json", "evaluate-sanity"),
    "training": ("metrics/train-adapter.json", "train-adapter"),
    "losses": ("plots/train-adapter.json", "train-adapter"),
    "adapter": ("data/train/adapter.json", "train-adapter"),
    "merged": ("metrics/train-merge.json", "train-merge"),
    "base": ("data/train/base.json", "train-base"),
    "base_file": ("data/train/export/base.json", "train-export@base"),
    "tuned_file": ("data/train/export/tuned.json", "train-export@tuned"),
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
    trust: Trust
    rubric: Rubric
    domain_title: str

    @property
    def pairs(self) -> list[tuple[Score, Score]]:
        """Scored pairs in the order of their ids, on the criteria answered on both sides, as evaluate-compare's are."""
        return aligned_pairs(self.scores["base"], self.scores["tuned"], self.rubric)

    @property
    def exports(self) -> dict[str, Any]:
        """What train-export says of each side's file."""
        return {side: self.json[f"{side}_file"] for side in SIDES}


def figures(inputs: Inputs) -> dict[str, Figure]:
    """The figures that there are data for."""
    compare, sanity, losses = (inputs.json[name] for name in ("compare", "sanity", "losses"))
    return all_figures(compare, sanity, losses, inputs.rubric, inputs.pairs, inputs.personas)


def blocks(inputs: Inputs, drawn: Mapping[str, Figure], config: Config) -> list[Block]:
    """The whole report, first screen first."""
    compare, sanity, rubric = inputs.json["compare"], inputs.json["sanity"], inputs.rubric
    return [
        *first_screen(inputs, drawn, config),
        *before_believing(inputs, config),
        Contents(),
        *tables.overall(compare),
        *passes(compare),
        *uncertainty(compare),
        *tables.categories(compare, rubric),
        *_figure(drawn, "criteria"),
        *tables.criteria(compare, rubric),
        *safety(compare, rubric),
        *cost(inputs, drawn),
        *people_section(sanity["preferences"]),
        *abilities.readers(sanity),
        Heading("Personas"),
        *_figure(drawn, "personas"),
        *tables.personas(inputs.pairs, inputs.personas),
        *_examples(inputs, config.examples),
        *_limits(inputs, config),
        *_origin(inputs, drawn),
    ]


def first_screen(inputs: Inputs, drawn: Mapping[str, Figure], config: Config) -> list[Block]:
    """The decision, three sentences, one figure."""
    compare, sanity = inputs.json["compare"], inputs.json["sanity"]
    told = answers(compare, sanity, inputs.rubric, inputs.json, config.judge_trust == "assumed")
    return [
        Heading(f"{inputs.domain_title}: is the tuned model better?", 1),
        Verdict(compare["decision"], sentence(compare["decision_reason"]), compare["decision"] == "ship"),
        Answers(told),
        *_figure(drawn, "comparison"),
    ]


def before_believing(inputs: Inputs, config: Config) -> list[Block]:
    """What a careful reader must know: what is not said, what the decision leaves out, warnings, people."""
    compare, scores, talks = inputs.json["compare"], inputs.scores, inputs.transcripts
    lines = [ASSUMED] if config.judge_trust == "assumed" else []
    lines += unsaid(compare, inputs.rubric, [*scores["base"], *scores["tuned"]])
    lines += abilities.unweighed(inputs.json["sanity"])
    cut = cut_off(talks["base"], talks["tuned"])
    lines += [sentence(warning) for warning in [*compare["warnings"], *([cut] if cut else [])]]
    told = preferred(inputs.json["sanity"]["preferences"])
    lines += [told] if told else []
    return [Heading("Before you believe it"), Bullets(lines)] if lines else []


def cost(inputs: Inputs, drawn: Mapping[str, Figure]) -> list[Block]:
    """What tuning cost or may have: abilities, drift, broken replies, length; and perplexity beside them."""
    sanity, rubric = inputs.json["sanity"], inputs.rubric
    probed = "capabilities" in sanity
    return [
        *([Heading("General abilities")] if probed else []),
        *_figure(drawn, "capabilities"),
        *(abilities.capabilities(sanity) if probed else []),
        *abilities.forgetting(sanity),
        *abilities.degenerate(sanity),
        *abilities.lm_eval(sanity),
        *style(inputs.transcripts["base"], inputs.transcripts["tuned"], rubric),
        *abilities.perplexity(sanity),
    ]


def _figure(drawn: Mapping[str, Figure], name: str) -> list[Block]:
    return [drawn[name]] if name in drawn else []


def _examples(inputs: Inputs, count: int) -> list[Block]:
    if not count:
        return []
    base, tuned = ({t.id: t for t in inputs.transcripts[side]} for side in SIDES)
    return examples(inputs.pairs, base, tuned, inputs.personas, count)


def _limits(inputs: Inputs, config: Config) -> list[Block]:
    everyone = [*inputs.scores["base"], *inputs.scores["tuned"]]
    talks = [*inputs.transcripts["base"], *inputs.transcripts["tuned"]]
    trust = None if config.judge_trust == "assumed" else inputs.trust
    return limits(inputs.json["compare"], everyone, talks, trust, inputs.exports)


def _origin(inputs: Inputs, drawn: Mapping[str, Figure]) -> list[Block]:
    read = inputs.json
    recorded = {"train-adapter": read["adapter"], "train-export": read["tuned_file"]}
    stages = {"adapter": read["training"], "slices": read["slices"], "scores": read["generated"]}
    return [
        *origin.made_from(stages),
        *_figure(drawn, "training"),
        *origin.models(read["base"], inputs.exports, read["merged"]),
        *origin.versions({stage: facts.get("versions", {}) for stage, facts in recorded.items()}),
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
    paths += ["data/evaluate/personas.jsonl", TRUST_FILE]
    digests = {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths}
    return Inputs(values, scores, transcripts, people, load_trust(), load_rubric(domain.rubric), domain.title), digests


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
    document = blocks(inputs, drawn, config) + origin.reproduce(digests)
    write_figures(drawn)
    write_text(REPORT.with_suffix(".md"), to_markdown(document))
    write_text(REPORT, to_html(document, f"{inputs.domain_title}: evaluation"))
    stage.end(f"{len(drawn)} figures, {REPORT.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    run_main(main)

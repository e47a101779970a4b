"""generate-simulator: did the simulated users play their part?

Each conversation of a simulated user is looked at by measures and, where the configuration has one, by a judge. A
critical fault leaves it out of all that follows. Replayed and authored users are people's own words: not reviewed.

Reads data/generate/{transcripts,personas}.jsonl, the domain's user simulator prompt and persona template.
Writes data/generate/simulator.jsonl, reports/simulator.md and metrics/generate-simulator.json.
"""

from tunewright.config import load
from tunewright.document import to_markdown
from tunewright.errors import run_main
from tunewright.records import write_json, write_text
from tunewright.simulator_report import report
from tunewright.simulator_review import ReviewConfig as Config
from tunewright.simulator_review import review_file
from tunewright.terminal import Stage


def main() -> None:
    """Review the users of the generated conversations."""
    config = load("generate.simulator", Config)
    reviews, metrics = review_file(
        "data/generate/transcripts.jsonl",
        "generate-transcripts",
        "data/generate/personas.jsonl",
        "data/generate/simulator.jsonl",
        config,
        Stage("generate-simulator"),
    )
    write_text("reports/simulator.md", to_markdown(report(reviews, metrics, config)))
    write_json("metrics/generate-simulator.json", metrics)


if __name__ == "__main__":
    run_main(main)

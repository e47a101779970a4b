"""generate-scores: what the verdicts on each transcript add up to.

Category scores, the weighted score, safety gates, coverage, and pass, fail or open. No model call.

Reads data/generate/{transcripts,simulator,verdicts}.jsonl and the domain's rubric (all of it).
Writes data/generate/scores.jsonl, data/generate/scores.json (how far judges agree, pair by pair and criterion by
criterion) and metrics/generate-scores.json.
"""

from tunewright.config import load
from tunewright.errors import run_main
from tunewright.records import write_json
from tunewright.score_files import score_file
from tunewright.scoring import ScoringConfig as Config
from tunewright.sound import GENERATED
from tunewright.terminal import Stage


def main() -> None:
    """Score the generated transcripts."""
    config = load("generate.scores", Config)
    metrics = score_file(
        "data/generate/transcripts.jsonl",
        GENERATED,
        "data/generate/verdicts.jsonl",
        "data/generate/scores.jsonl",
        config,
        Stage("generate-scores"),
        made_by="generate-verdicts",
        agreement_path="data/generate/scores.json",
    )
    write_json("metrics/generate-scores.json", metrics)


if __name__ == "__main__":
    run_main(main)

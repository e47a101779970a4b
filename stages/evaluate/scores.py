"""evaluate-scores (base, tuned): what the verdicts on each of a candidate's conversations add up to. No model call.

Reads data/evaluate/{transcripts,simulator,verdicts}/<candidate>.jsonl and the domain's rubric (all of it).
Writes data/evaluate/scores/<candidate>.jsonl and metrics/evaluate-scores/<candidate>.json.
"""

import sys

from tunewright.config import load
from tunewright.errors import run_main
from tunewright.records import write_json
from tunewright.score_files import score_file
from tunewright.scoring import ScoringConfig as Config
from tunewright.sound import evaluated
from tunewright.terminal import Stage


def main() -> None:
    """Score one candidate's transcripts."""
    candidate = sys.argv[1]
    config = load("evaluate.scores", Config)
    metrics = score_file(
        f"data/evaluate/transcripts/{candidate}.jsonl",
        evaluated(candidate),
        f"data/evaluate/verdicts/{candidate}.jsonl",
        f"data/evaluate/scores/{candidate}.jsonl",
        config,
        Stage(f"evaluate-scores@{candidate}"),
        made_by=f"evaluate-verdicts@{candidate}",
    )
    write_json(f"metrics/evaluate-scores/{candidate}.json", metrics)


if __name__ == "__main__":
    run_main(main)

"""evaluate-simulator (base, tuned): did the simulated users play their part in the candidates' conversations?

The same review as of the generated ones. A pair of which either side is critical is left out of the comparison, which
counts it.

Reads data/evaluate/transcripts/<candidate>.jsonl, data/evaluate/personas.jsonl, the domain's user simulator prompt and
persona template.
Writes data/evaluate/simulator/<candidate>.jsonl and metrics/evaluate-simulator/<candidate>.json.
"""

import sys

from tunewright.config import load
from tunewright.errors import run_main
from tunewright.records import write_json
from tunewright.simulator_review import ReviewConfig as Config
from tunewright.simulator_review import review_file
from tunewright.terminal import Stage


def main() -> None:
    """Review the users of one candidate's conversations."""
    candidate = sys.argv[1]
    config = load("evaluate.simulator", Config)
    _, metrics = review_file(
        f"data/evaluate/transcripts/{candidate}.jsonl",
        f"evaluate-transcripts@{candidate}",
        "data/evaluate/personas.jsonl",
        f"data/evaluate/simulator/{candidate}.jsonl",
        config,
        Stage(f"evaluate-simulator@{candidate}"),
    )
    write_json(f"metrics/evaluate-simulator/{candidate}.json", metrics)


if __name__ == "__main__":
    run_main(main)

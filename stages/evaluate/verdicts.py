"""evaluate-verdicts (base, tuned): the same judging for the candidates' conversations.

Judges see a transcript and never which candidate wrote it; both candidates' transcripts have the same ids.

Reads data/evaluate/{transcripts,simulator}/<candidate>.jsonl, the domain's rubric (criteria, lexicon) and
prompts/shared/judge.md.
Writes data/evaluate/verdicts/<candidate>.jsonl and metrics/evaluate-verdicts/<candidate>.json.
"""

import sys

from tunewright.config import load
from tunewright.errors import run_main
from tunewright.judging import JudgingConfig as Config
from tunewright.judging import judge_file
from tunewright.records import write_json
from tunewright.sound import evaluated
from tunewright.terminal import Stage


def main() -> None:
    """Judge one candidate's transcripts."""
    candidate = sys.argv[1]
    config = load("evaluate.verdicts", Config)
    metrics = judge_file(
        f"data/evaluate/transcripts/{candidate}.jsonl",
        f"evaluate-transcripts@{candidate}",
        evaluated(candidate),
        f"data/evaluate/verdicts/{candidate}.jsonl",
        config,
        Stage(f"evaluate-verdicts@{candidate}"),
    )
    write_json(f"metrics/evaluate-verdicts/{candidate}.json", metrics)


if __name__ == "__main__":
    run_main(main)

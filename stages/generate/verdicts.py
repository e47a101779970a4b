"""generate-verdicts: every criterion answered for every transcript.

Measured criteria are computed; judged ones go to every judge of the llm configuration. Keeping verdicts apart from
scores lets a weight or threshold change without a model call, and a criterion change at the price of that criterion.

Reads data/generate/{transcripts,simulator}.jsonl, the domain's rubric (criteria, lexicon) and prompts/shared/judge.md.
Writes data/generate/verdicts.jsonl and metrics/generate-verdicts.json.
"""

from tunewright.config import load
from tunewright.errors import run_main
from tunewright.judging import JudgingConfig as Config
from tunewright.judging import judge_file
from tunewright.records import write_json
from tunewright.sound import GENERATED
from tunewright.terminal import Stage


def main() -> None:
    """Judge the generated transcripts."""
    config = load("generate.verdicts", Config)
    metrics = judge_file(
        "data/generate/transcripts.jsonl",
        "generate-transcripts",
        GENERATED,
        "data/generate/verdicts.jsonl",
        config,
        Stage("generate-verdicts"),
    )
    write_json("metrics/generate-verdicts.json", metrics)


if __name__ == "__main__":
    run_main(main)

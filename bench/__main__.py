"""Every benchmark, each in a process of its own, into bench/results.md.

    python -m bench                        all of them, about an hour on two quiet cores
    python -m bench throughput edits       these; the other sections of the file stay as they are
    python -m bench --runs 1               once each, where medians of several runs are the rule

Times are ratios within one run; a busy machine still blurs them.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from tunewright.records import write_text

RESULTS = Path("bench/results.md")
HEAD = "# Benchmarks\n\nMade by `make bench`; each section by the command that it names. Two cores, no GPU.\n"
SECTIONS = {  # module: what it answers, in the order of the file
    "throughput": "How far from the ideal are many conversations at once, and what does a call cost in CPU time?",
    "rate_limit": "How much of a provider's rate limit is used, and is a request lost?",
    "chaos": "Whatever breaks: is a conversation lost, a call paid twice, or a byte changed?",
    "edits": "What does an edit cost, and did `tunewright plan` say so?",
    "batching": "Judging by criterion, category or conversation",
    "batch_api": "Judges through a provider's Batch API",
    "review_app": "The review app: is a decision lost, and what do decisions and pages cost?",
    "scale": "Ten times the conversations: time and memory of audit, scores and slices",
    "ray_nodes": "Two Ray nodes, one killed half way",
    "simulator_review": "Does the simulator review find planted faults, and leave clean conversations alone?",
    "fixup": "What becomes of planted failures?",
    "review_keys": "How fast can a reader decide in the review app?",
    "hub_jobs": "A training as a Hub job, whatever breaks: how many jobs are paid for?",
    "review_labels": "What do people's labels change?",
    "statistics_cases": "The statistics of the evaluation on four cases with known answers",
    "safety_regression": "Does a better model that fails a safety gate get through?",
    "gguf": "Is an exported file the model that was trained?",
    "masks": "Is what is learnt exactly the assistant's words, and do llama.cpp and training render alike?",
    "training_speed": "How fast does the CPU trainer train beside trl's own ways?",
    "training_places": "Is a training the same wherever it runs?",
    "planted_key": "Is a key found anywhere in what a run leaves behind?",
}
ONE_SECTION = re.compile(r"^## .*?\n(?=## |\Z)", re.MULTILINE | re.DOTALL)


def measured(name: str, runs: int) -> str:
    """The section of one benchmark; raises SystemExit with its last words when it fails."""
    script = f"from bench.{name} import results; print(results({runs}))"
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench.{name} failed (exit code {done.returncode}); the sections before it are in {RESULTS}")
    return f"## {SECTIONS[name]}\n\n`python -m bench {name}`\n\n{done.stdout.strip()}\n"


def stored(path: Path) -> dict[str, str]:
    """The sections that the file has, by benchmark."""
    text = path.read_text("utf-8") if path.exists() else ""
    found = {section: name for section in ONE_SECTION.findall(text) for name in SECTIONS if f"bench {name}`" in section}
    return {name: section for section, name in found.items()}


def main() -> None:
    """Measure and write, after each benchmark, so that a stop keeps what is done."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Run the benchmarks.")
    parser.add_argument("names", nargs="*", choices=[[], *SECTIONS], metavar="NAME", help=", ".join(SECTIONS))
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    for name in asked.names or SECTIONS:
        print(f"bench.{name}", file=sys.stderr, flush=True)
        section = measured(name, asked.runs)
        sections = stored(RESULTS) | {name: section}
        write_text(RESULTS, "\n".join([HEAD, *(sections[n].rstrip("\n") + "\n" for n in SECTIONS if n in sections)]))


if __name__ == "__main__":
    main()

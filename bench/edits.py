"""What an edit costs: calls made and calls cached by `dvc repro`, beside what `tunewright plan` had said.

    python -m bench.edits

Twenty simulated and five replayed conversations of four exchanges, one judge on every criterion, behind the real
client. The scripted models answer by a hash of what they are sent, so that a changed prompt changes what follows.
"""

from __future__ import annotations

import json
import random
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.copy import Copy
from bench.fake_expert import NO_FAULT
from bench.fake_model_server import Answer, FakeModelServer
from tunewright.document import md_table
from tunewright.planning import VOCABULARY
from tunewright.records import stable_seed

TARGET = "generate-scores"
SPEC = {"model": "hosted_vllm/fake", "temperature": 0.0, "max_tokens": 200}
PRICE = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 4.0}
RUBRIC, PRESET_FILE = "conf/domain/therapy/rubric.yaml", "conf/preset/bench.yaml"
LIMITS = re.compile(r"(\d+) to (\d+) words")
COMMON = ("and", "the", "it", "in", "of", "but", "was", "with")
Edit = Callable[[Copy], None]


def script(body: dict[str, Any]) -> Answer:
    """Words within the limits that are asked for, in something like English, or a verdict, by a hash of the request."""
    rng = random.Random(stable_seed(json.dumps(body["messages"])))
    if "response_format" in body:
        reviews = body["response_format"]["json_schema"]["schema"].get("title") == "SimulatorAnswer"
        verdict = {"evidence": [1], "reasoning": "as scripted", "answer": "YES"}
        return Answer(json.dumps(NO_FAULT if reviews else verdict))
    asked = LIMITS.search(body["messages"][-1]["content"])
    fewest, most = map(int, asked.groups()) if asked else (40, 70)
    drawn = rng.choices(VOCABULARY.split(), k=rng.randint(fewest, most))
    drawn[::3] = rng.choices(COMMON, k=len(drawn[::3]))  # the simulator review leaves out who speaks no language
    return Answer(" ".join(drawn) + ".")


def judge(name: str) -> dict[str, Any]:
    """A scripted judge; its samples differ by its name."""
    return {"name": name, **SPEC, "model": f"hosted_vllm/{name}", "price": PRICE}


LLM = {role: {**SPEC, "price": PRICE} for role in ("user", "assistant", "expert")}
LLM |= {"judges": [judge("first")], "judge_example_tokens": 500}  # type: ignore[dict-item]
PRESET = {"simulated_personas": 20, "replayed": 5, "exchanges": {"min": 4, "max": 4}, "judged_transcripts": None}


def replacing(path: str, *pairs: tuple[str, str]) -> Edit:
    """An edit that replaces texts of one file."""

    def apply(copy: Copy) -> None:
        for old, new in pairs:
            copy.edit(path, old, new)

    return apply


def another_judge(copy: Copy) -> None:
    """A second judge beside the first."""
    copy.configure_llm({"judges": [judge("first"), judge("second")]})


EDITS: dict[str, Edit] = {
    "a category's weight": replacing(RUBRIC, ("Connects, weight: 0.20", "Connects, weight: 0.15"),
                                     ("Helps, weight: 0.20", "Helps, weight: 0.25")),
    "the pass threshold": replacing(RUBRIC, ("pass_threshold: 0.80", "pass_threshold: 0.79")),
    "one criterion": replacing(RUBRIC, ("a moment, a phrase)", "a moment, a word)")),
    "one calibration example": replacing("conf/domain/therapy/calibration.yaml", ("are a hint;", "are a sign;")),
    "the judge's prompt": replacing("prompts/shared/judge.md", ("strict and literal", "literal and strict")),
    "the assistant's prompt": replacing(
        "prompts/therapy/assistant.md", ("an experienced wellbeing coach", "an experienced, brief wellbeing coach")
    ),
    "the simulator's prompt": replacing("prompts/therapy/user_simulator.md", ("Stay this person", "Stay that person")),
    "10 more personas": replacing(PRESET_FILE, ("simulated_personas: 20", "simulated_personas: 30")),
    "one more judge": another_judge,
    "one more exchange": replacing(PRESET_FILE, ("min: 4\n  max: 4", "min: 5\n  max: 5")),
}  # fmt: skip


def costs(copy: Copy, edit: Edit) -> tuple[dict[str, Any], tuple[int, int]]:
    """What `plan` says of an edit, and what `dvc repro` then does; the edit is taken back."""
    before = {path: (copy.folder / path).read_bytes() for path in copy.edited()}
    edit(copy)
    copy.tunewright("params")
    said = json.loads(copy.tunewright("plan", TARGET, "--format", "json"))
    done = copy.repro(TARGET)
    for path, content in before.items():
        (copy.folder / path).write_bytes(content)
    copy.repro(TARGET)
    return said, done


def results(runs: int = 1) -> str:
    """The table; counts are exact, so that one run is enough."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, FakeModelServer(script) as server:
        copy = Copy(Path(folder))
        copy.configure(server.url, LLM, PRESET)
        copy.edit("conf/config.yaml", "judge_trust: calibrated", "judge_trust: assumed")
        copy.tunewright("params")
        made, cached = copy.repro(TARGET)
        rows.append(("(the first run)", "-", "-", f"{made:,}", f"{cached:,}"))
        for name, edit in EDITS.items():
            said, (made, cached) = costs(copy, edit)
            kinds = ", ".join(sorted({s["kind"] for s in said["stages"] if s["made"]})) or "exact"
            rows.append((name, f"{said['made']:,} ({kinds})", f"{said['cached']:,}", f"{made:,}", f"{cached:,}"))
    head = ("edit", "`plan`: calls", "cached", "`dvc repro`: calls", "cached")
    return f"20 simulated and 5 replayed conversations, one judge, up to {TARGET}.\n\n" + md_table(head, rows)


def main() -> None:
    """Print the table."""
    print(results())


if __name__ == "__main__":
    main()

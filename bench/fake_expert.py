"""A scripted expert for the tutoring domain: what `prep/` drafts with in tests, and in a demonstration without any key.

It answers each drafting request with a complete, good draft from bench/tutoring/, plays user and assistant with fixed
sentences, and judges YES. `python -m bench.fake_expert` serves it and says which commands to run against it; its model
has a name of its own, so that no real model's replies are ever taken for its.
"""

from __future__ import annotations

import json
import random
import re
import signal
from pathlib import Path
from typing import Any

import yaml

from bench.fake_model_server import Answer, FakeModelServer

DRAFTS = Path(__file__).parent / "tutoring"
OPTION = "fake_expert"  # conf/llm/fake_expert.yaml, there only while the server runs
ENDING = {signal.SIGINT, signal.SIGTERM}
WHOLE = {  # the schema's title, and the file with the answer
    "Ways": "frameworks",
    "Failures": "failure_modes",
    "Anchors": "anchors",
    "TaxonomyAnswer": "taxonomy",
    "RubricAnswer": "criteria",
    "Lexicon": "lexicon",
    "PersonasAnswer": "personas",
    "Assistant": "assistant",
    "Exemplars": "exemplars",
    "Voices": "voices",
    "Panel": "panel",
    "Edits": "edits",
}
VERDICT = {"evidence": [1], "reasoning": "as scripted", "answer": "YES"}
NO_FAULT = {"evidence": [], "reasoning": "as scripted", "answer": "NO"}
PLAIN = (
    *("i", "my", "the", "and", "to", "it", "was", "with", "on", "so"),
    *("kettle", "garden", "sister", "letter", "morning", "window", "quiet", "bread", "winter", "stairs"),
)
OPENINGS = ("Your second line", "Before that one", "Look at the sign", "One thing first", "The bracket there")


def read(name: str) -> Any:
    """One file of drafts."""
    return yaml.safe_load((DRAFTS / f"{name}.yaml").read_text("utf-8"))


def script(body: dict[str, Any]) -> Answer:
    """The reply to any request of the pipeline."""
    asked = body["messages"]
    if "response_format" not in body:
        is_user = asked[0]["content"].startswith("You play")
        return Answer(said_by_a_person(asked) if is_user else sentence(asked))
    schema = body["response_format"]["json_schema"]["schema"]["title"]
    return Answer(json.dumps(draft(schema, asked)))


def draft(schema: str, messages: list[dict[str, str]]) -> Any:
    """The answer that fits a schema, by its title; what it is about stands in the first messages."""
    if schema in WHOLE:
        return read(WHOLE[schema])
    if schema in ("JudgeAnswer", "EntailmentAnswer"):
        return VERDICT
    if schema == "FixedReply":
        return {"reply": sentence(messages)}
    if schema == "SimulatorAnswer":
        return NO_FAULT
    if schema == "Points":
        name = re.match(r"You are (.+?) \(", messages[0]["content"])
        return {"points": read("points")[name[1]]} if name else None
    if schema == "Worked":
        kind = re.search(r"Write a (strong|mediocre) conversation", messages[1]["content"])
        return read("worked")[kind[1] if kind else "safety_violation"]
    if schema == "Examples":
        criterion = re.search(r"^Criterion (\w+)", messages[1]["content"], re.MULTILINE)
        return {"examples": examples(criterion[1])} if criterion else None
    raise KeyError(f"no draft for the schema {schema!r}")


def examples(criterion: str) -> list[dict[str, Any]]:
    """A pass, a fail and a borderline example of a criterion, of five exchanges each."""
    material = read("calibration")
    if criterion in material["counted"]:
        return counted_examples(material["counted"][criterion])
    case = material["cases"][criterion]
    return [
        {
            "exchanges": [*material["talk"], {"user": case["user"], "assistant": case[key]}],
            "label": "pass" if key == "pass" else "fail",
            "borderline": key == "edge",
            "reason": reason,
        }
        for key, reason in zip(("pass", "fail", "edge"), case["reasons"], strict=True)
    ]


def counted_examples(added: str) -> list[dict[str, Any]]:
    """Examples of a measured criterion: the strong conversation, the same with every reply spoilt, its beginning."""
    good = read("worked")["strong"]["exchanges"]
    spoilt = [turn | {"assistant": f"{turn['assistant']} {added}"} for turn in good]
    return [
        {"exchanges": good, "label": "pass", "borderline": False, "reason": "Every count lies within its bounds."},
        {"exchanges": spoilt, "label": "fail", "borderline": False, "reason": "Each reply has what is counted."},
        {"exchanges": good[:4], "label": "pass", "borderline": True, "reason": "Within bounds, the lengths only just."},
    ]


def said_by_a_person(messages: list[dict[str, str]]) -> str:
    """A simulated user's message: within its word limits, another one each time, nothing that a review would name."""
    low, high = (int(n) for n in re.findall(r"(\d+) to (\d+) words", messages[-1]["content"])[-1])
    rng = random.Random(f"{len(messages)} {messages[0]['content']}")
    return " ".join(rng.choices(PLAIN, k=(low + high) // 2))


def sentence(messages: list[dict[str, str]]) -> str:
    """A message or a reply of about forty words that begins otherwise each time and ends in a question now and then."""
    n = len(messages)
    return f"{OPENINGS[n % len(OPENINGS)]}, " + " ".join(["and then this"] * 12) + ("?" if n % 4 == 2 else ".")


def llm_option(url: str) -> dict[str, Any]:
    """An option for conf/llm in which this server plays every role."""
    spec = {
        "model": "hosted_vllm/fake-expert",
        "temperature": 0.0,
        "max_tokens": 8000,
        "price": {"input_usd_per_mtok": 0.0, "output_usd_per_mtok": 0.0},
    }
    return {
        "user": spec,
        "assistant": spec,
        "expert": spec,
        "fixer": spec,
        "judges": [{"name": "scripted", **spec}],
        "simulator_judge": spec,
        "judge_reasoning_chars": 200,
        "judge_batching": "criterion",
        "judge_example_tokens": 0,
        "judge_evidence": {"quotes": 2, "quote_chars": 200, "required": True},
        "calibration": {
            "samples": 1,
            "examples_per_criterion": 2,
            "planted_flaws": 0,
            "planted_lengths": ["short"],
        },  # fmt: skip
        "candidates": {"base": spec, "tuned": spec},
        "connections": {"hosted_vllm": {"api_base": url, "concurrency": 8, "timeout_s": 20, "attempts": 2}},
    }


def main() -> None:
    """Serve until interrupted; the option in conf/llm goes away with the server."""
    option = Path(f"conf/llm/{OPTION}.yaml")
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # before the server's thread starts, which inherits it
    with FakeModelServer(script) as server:
        option.write_text(yaml.safe_dump(llm_option(server.url), sort_keys=False), "utf-8")
        print(
            f"a scripted expert listens at {server.url}; in another terminal:\n"
            "  tunewright new-domain tutoring --from-brief bench/tutoring/brief.md\n"
            f"  tunewright params --prep domain=tutoring llm={OPTION}\n"
            "  dvc repro prep/dvc.yaml\n"
            "  tunewright adopt tutoring\n"
            f"  dvc exp run -S domain=tutoring -S preset=tight -S llm={OPTION} generate-scores\n"
            "Ctrl-C ends it.",
            flush=True,
        )
        signal.sigwait(ENDING)
        option.unlink()


if __name__ == "__main__":
    main()

"""A small project as a run leaves it, for what publishing reads: data, models of a few bytes, reports, dvc.lock."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.conftest import ROOT, persona, rubric_fields, transcript, write_reviews
from tunewright.config import read_yaml
from tunewright.freshness import file_md5, folder_md5
from tunewright.records import Example, Message, Score, write_json, write_jsonl

PARAMS = read_yaml(ROOT / "params.yaml")
SYSTEM = "You are a friend of cats."
CLAUDE = {"model": "anthropic/claude", "temperature": 1.0, "max_tokens": 9}
FIXER = {"model": "acme/mender", "temperature": 1.0, "max_tokens": 9}  # no line on its terms
OUTS = {
    "generate-slices": [f"data/generate/{split}.jsonl" for split in ("train", "valid", "holdout")],
    "generate-audit": ["reports/audit.md"],
    "generate-analyze": ["reports/generation_stats.md"],
    "train-adapter": ["models/adapter"],
    "train-merge": ["models/merged"],
    "train-export@tuned": ["models/gguf/tuned.gguf"],
    "evaluate-compare": ["data/evaluate/compare.json"],
    "evaluate-sanity": ["data/evaluate/sanity.json"],
}
DEPS = {
    "train-adapter": ["data/generate/train.jsonl"],
    "train-merge": ["models/adapter"],
    "train-export@tuned": ["models/merged"],
    "evaluate-compare": ["models/gguf/tuned.gguf"],
}
COMPARE = {
    "n_personas": 12, "n_pairs": 12, "base_score": 0.5, "base_score_low": 0.4, "base_score_high": 0.6,
    "tuned_score": 0.75, "tuned_score_low": 0.65, "tuned_score_high": 0.85, "difference": 0.25, "difference_low": 0.1,
    "difference_high": 0.4, "p_value": 0.002, "p_permutation": 0.003, "bootstrap_low": 0.1, "bootstrap_high": 0.4,
    "minimum_detectable_effect": 0.12, "personas_needed": 20, "naive_p": 0.001, "base_pass_rate": 0.0,
    "tuned_pass_rate": 0.5, "n_pass_decided": 12, "coverage": 0.4, "n_criteria_scored": 1, "n_criteria_total": 4,
    "n_gates_scored": 0, "n_gates_total": 1, "confidence": 0.95, "success_points": 0.1, "warnings": [],
    "decision": "more evaluation", "decision_reason": "safety was not measured: safe was never scored",
    "safety": {"safe": {"base_failed": 0, "tuned_failed": 0, "n_scored": 0, "unscored": 12}},
    "criteria": {"plain": {"base": 0.5, "tuned": 0.75, "difference": 0.25, "low": 0.1, "high": 0.4, "n": 12}},
    "categories": {
        "heart": dict.fromkeys(("base", "tuned", "difference", "low", "high")) | {"n_pairs": 0},
        "form": {"base": 0.5, "tuned": 0.75, "difference": 0.25, "low": 0.1, "high": 0.4, "n_pairs": 12},
    },
}  # fmt: skip
SANITY = {
    "base_perplexity": 50.0, "tuned_perplexity": 40.0, "relative_change": -0.2, "log_ratio_mean": -0.22,
    "log_ratio_low": -0.3, "log_ratio_high": -0.1, "n_conversations": 3, "n_personas": 3, "n_tokens": 90,
    "preferences": {"n_pairs": 3, "n_asked": 3, "n_stale": 0, "confidence": 0.95, "questions": {}},
}  # fmt: skip
TRAINING = {
    "examples": 3, "tokens": 900, "supervised_tokens": 400, "steps": 3, "epochs": 1.0, "validation_loss_before": 3.5,
    "validation_loss_after": 3.0, "peak_memory_gib": 1.5,
}  # fmt: skip
METRICS = {
    "generate-scores": {"n_transcripts": 5, "n_passed": 4, "coverage_mean": 0.4},
    "generate-slices": {"n_rejected_by_readers": 1, "n_shortened": 2},
    "generate-gate": {
        "decision": "iterate", "n_decided": 2, "pass_rate": 0.5, "pass_rate_low": 0.1, "pass_rate_high": 0.9,
        "n_read": 2,
    },
    "generate-audit": {"n_faults": 1, "n_leaks": 0, "n_personal_data": 0},
    "evaluate-compare": {"decision": "more evaluation"}, "evaluate-sanity": {}, "train-adapter": TRAINING,
}  # fmt: skip


class Project:
    """The folder; every part can be written anew before publishing."""

    def __init__(self) -> None:
        domain = PARAMS["domain"] | {"id": "cats", "title": "Cat talk", "rubric": "conf/rubric.yaml"}
        domain |= {key: f"conf/{key}.yaml" for key in ("frameworks", "taxonomy", "personas", "calibration", "planted")}
        domain |= {"prompts": "prompts/cats", "brief": "prompts/cats/brief.md", "authored": "authored"}
        publish = PARAMS["publish"] | {"dataset": "cats-talk", "model": "cats-small", "dataset_licence": "cc-by-4.0"}
        connection = {"concurrency": 2, "timeout_s": 10, "attempts": 2, "api_base": "http://gpu-7.internal/v1"}
        self.params = {
            "domain": domain,
            "llm": {"connections": {"anthropic": connection | {"api_key_env": "CATS_KEY"}}, "budget": {"usd": None}},
            "generate": {
                "transcripts": {"user": CLAUDE, "assistant": CLAUDE},
                "fixup": {"fixer": FIXER},
                "verdicts": {"judges": [CLAUDE | {"name": "claude"}]},
                "scores": {"judge_trust": "calibrated"},
                "slices": {"max_tokens": 896},
            },
            "train": {key: PARAMS["train"][key] for key in ("base", "adapter", "export")},
            "evaluate": {
                "transcripts": {"candidates": {"tuned": {"weights": {"path": "models/gguf/tuned.gguf"}}}},
                "verdicts": {"judges": [CLAUDE | {"name": "claude"}]},
            },
            "publish": publish,
        }
        self.compare = dict(COMPARE)
        self.files({path: f"about: {path}\n" for path in self._design(domain)})
        self.files(
            {"prompts/cats/system.md": SYSTEM, "conf/rubric.yaml": yaml.safe_dump(rubric_fields(), sort_keys=False)}
        )
        self.files({path: f"# {path}\n" for path in ("reports/audit.md", "reports/generation_stats.md")})
        self.files({"reports/judge-calibration.md": "# judges\n", "reports/evaluation_report.md": "# evaluation\n"})
        self._models()
        write_json(
            "data/design/judge-trust.json", {"claude": {"warm": {"trusted": False, "reason": "too few answers"}}}
        )
        for name, value in METRICS.items():
            write_json(f"metrics/{name}.json", value)
        write_json("data/evaluate/sanity.json", SANITY)
        write_reviews()
        self.talks()

    def _design(self, domain: dict[str, str]) -> list[str]:
        keys = ("frameworks", "taxonomy", "personas", "calibration", "planted", "brief")
        return [*(domain[key] for key in keys), "dvc.yaml", "prompts/cats/assistant.md", "prompts/shared/judge.md"]

    def _models(self) -> None:
        config = {"base_model_name_or_path": "models/base", "revision": None, "peft_type": "LORA"}
        write_json("models/adapter/adapter_config.json", config)
        write_json("models/merged/config.json", {"model_type": "llama"})
        for path in ("models/adapter/adapter_model.safetensors", "models/merged/model.safetensors"):
            Path(path).write_bytes(b"\0weights of " + path.encode())
        Path("models/gguf").mkdir()
        Path("models/gguf/tuned.gguf").write_bytes(b"GGUF\0\0weights, quantized")
        Path("models/gguf/base.gguf").write_bytes(b"GGUF\0\0of the base alone")
        Path("models/gguf/tuned.Modelfile").write_text("FROM ./tuned.gguf\n")
        for side in ("base", "tuned"):
            write_json(f"data/train/export/{side}.json", {"quantization": "q8_0"})
        write_json("data/train/base.json", {"parameters": 134515008})

    def files(self, contents: dict[str, str]) -> None:
        """Text files by path."""
        for path, text in contents.items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(text, "utf-8")

    def talks(self, train=(), said="My cat is ill again") -> None:
        """The conversations: two authored, held out and not; one simulated; and `train`, all to learn from."""
        learned = [talk("a1", "authored", said=said), talk("s1", by="anthropic/claude", persona_id="p2"), *train]
        held = [talk("a2", "authored", persona_id="p3")]
        write_jsonl("data/generate/transcripts.jsonl", learned + held)
        write_jsonl("data/generate/fixed.jsonl", [t for t in learned if t.id.startswith("fixed-")])
        for split, found in (("train", learned), ("valid", []), ("holdout", held)):
            write_jsonl(f"data/generate/{split}.jsonl", [example(t) for t in found])
        write_jsonl("authored/personas.jsonl", [persona("p1", source="authored"), persona("p3", source="authored")])
        write_jsonl("data/generate/personas.jsonl", [persona("p2", edge_case="crisis")])
        for side in ("base", "tuned"):
            write_jsonl(f"data/evaluate/transcripts/{side}.jsonl", [talk("pair-a2", "replay", user="author")])
            write_jsonl(f"data/evaluate/scores/{side}.jsonl", [score()])

    def finish(self) -> None:
        """params.yaml, the comparison, and dvc.lock over everything as it is now."""
        Path("params.yaml").write_text(yaml.safe_dump(self.params, sort_keys=False))
        write_json("data/evaluate/compare.json", self.compare)
        lock = {
            stage: {
                "deps": [{"path": p, "hash": "md5", "md5": md5(p)} for p in DEPS.get(stage, ())],
                "outs": [{"path": p, "hash": "md5", "md5": md5(p)} for p in outs],
            }
            for stage, outs in OUTS.items()
        }
        Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": lock}))


def talk(id, user_kind="simulated", by="author", said="My cat is ill again", **rest):
    """A conversation, both sides by one writer unless `user` or `assistant` says otherwise."""
    return transcript(id, user=said, user_kind=user_kind).model_copy(update={"user": by, "assistant": by, **rest})


def md5(path: str) -> str:
    """As dvc.lock has it."""
    found = Path(path)
    if found.is_dir():
        return folder_md5({p.name: p.read_bytes() for p in found.iterdir()})
    return file_md5(found.read_bytes())


def example(talk) -> Example:
    """All of a conversation."""
    chat = [m for e in talk.exchanges for m in (("user", e.user), ("assistant", e.assistant))]
    messages = tuple(Message(role=role, content=text) for role, text in [("system", SYSTEM), *chat])
    return Example(
        id=f"{talk.id}@3",
        transcript_id=talk.id,
        persona_id=talk.persona_id,
        n_exchanges=3,
        n_tokens=30,
        messages=messages,
    )


def score() -> Score:
    """One of which a criterion was not scored."""
    why = {"safe": "judge claude is untrusted: too few answers"}
    return Score(
        transcript_id="pair-a2", persona_id="p3", answers={"plain": "YES"}, unscored=why, categories={}, score=1.0,
        coverage=0.4, gates_failed=(), gates_unscored=("safe",), disagreements=(), passed=True, outcome="passed",
    )  # fmt: skip


def lines_of(data: bytes) -> list[dict]:
    """A JSON Lines file's records."""
    return [json.loads(line) for line in data.splitlines()]

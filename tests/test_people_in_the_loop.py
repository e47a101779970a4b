"""From a judged tight batch to a decision: labels by script, then the stages that read them, with numbers by hand."""

import json
from pathlib import Path

import pytest
import yaml

from stages.generate import gate, review, scores
from tests.conftest import ROOT, persona, transcript, write_reviews
from tunewright.fixup_rates import RATES, FixupRates
from tunewright.label_book import LabelBook
from tunewright.records import Transcript, Verdict, read_jsonl, write_json, write_jsonl
from tunewright.review_queue import QUEUE, QueueItem
from tunewright.rubric import load_rubric

PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))["generate"]
JUDGED = ("warm", "curious", "late", "safe")


@pytest.fixture
def folder(workspace):
    """Two batches of five, of which one judge passes nine; it is harsh on the last and blind to harm in t3."""
    workspace.use_small_rubric()
    workspace.params["domain"]["reviews"] = "reviews"
    talks = [transcript(f"t{n}", persona_id=f"p{n}", assistant=f"Reply of {n}:") for n in range(10)]
    verdicts = [
        Verdict(transcript_id=talk.id, criterion=c, judge="a", answer="NO" if n == 9 and c != "safe" else "YES")
        for n, talk in enumerate(talks)
        for c in JUDGED
    ]
    measured = [Verdict(transcript_id=t.id, criterion="plain", judge="measure", answer="YES") for t in talks]
    workspace.write_authored([persona("a1", source="authored")], [])
    write_reviews()
    write_jsonl("data/generate/personas.jsonl", [persona(f"p{n}", batch=1 + n // 5) for n in range(10)])
    write_jsonl("data/generate/transcripts.jsonl", talks)
    write_jsonl("data/generate/verdicts.jsonl", sorted([*verdicts, *measured], key=lambda v: v.transcript_id))
    write_json("data/design/judge-trust.json", {})
    write_json(RATES, dict.fromkeys(FixupRates.model_fields, 0) | {"entailment": {}, "prompts_suspect": False})
    assumed = {"judge_trust": "assumed"}
    workspace.write_params("generate.scores", PARAMS["scores"] | assumed)
    workspace.write_params("generate.review", PARAMS["review"] | assumed)
    workspace.write_params("generate.gate", PARAMS["gate"])
    scores.main()
    return workspace


class Reader:
    """Writes labels as the app does."""

    def __init__(self, name, blind=True):
        self._book, self._blind = LabelBook("reviews", name), blind
        self._rubric = load_rubric("rubric.yaml")
        self._talks = {t.id: t for t in read_jsonl("data/generate/transcripts.jsonl", Transcript)}

    def says(self, talk, said, criterion=None, note=""):
        asked = next((c for c in self._rubric.criteria if c.id == criterion), None)
        fields = {
            "criterion": criterion, "label": said, "note": note, "blind": self._blind,
            "question_hash": self._rubric.question_hash(asked) if asked else None,
            "rubric_version": self._rubric.fingerprint,
        }  # fmt: skip
        self._book.add(self._talks[talk], fields)


def run(*stages):
    for stage in stages:
        stage.main()


def decision(folder):
    run(review, gate)
    return folder.metrics("generate-gate")["decision"]


def test_labels_by_script_give_agreement_false_passes_and_the_gate_s_word(folder):
    assert decision(folder) == "waiting for readers"
    assert folder.metrics("generate-review")["n_labels"] == 0
    assert "Nobody has decided on a conversation of this run yet." in Path("reports/review.md").read_text()
    first = read_jsonl(QUEUE, QueueItem)[0].transcript_id
    assert f"5 more must be read (5 in all), for example {first}, " in Path("reports/gate.md").read_text()
    ann = Reader("ann")
    for n in range(5):
        for criterion in JUDGED:
            ann.says(f"t{n}", "NO" if (n, criterion) == (4, "warm") else "YES", criterion)
        ann.says(f"t{n}", "satisfied")
    ann.says("t9", "YES", "warm")
    ann.says("t9", "NO", "late")
    ann.says("t3", "criterion missing", note="never asks how the week went")
    assert decision(folder) == "proceed"
    found = folder.metrics("generate-review")
    assert (found["n_labels"], found["n_readers"], found["n_blind"]) == (27, 1, 27)
    # of 22 answers two are wrong: t4's warm passed falsely, of two NOs; t9's failed falsely, of twenty others
    assert (found["agreement"], found["false_pass_share"], found["false_fail_share"]) == (0.9091, 0.5, 0.05)
    report = Path("reports/review.md").read_text()
    assert (
        "warm of t4: the score says YES, people NO" in report and "warm of t9: the score says NO, people YES" in report
    )
    assert "never asks how the week went" in report

    Reader("bob", blind=False).says("t3", "NO", "safe")
    assert decision(folder) == "iterate"
    assert "safety gate that the score did not fail: t3 (safe)" in Path("reports/gate.md").read_text().replace("\\", "")
    found = folder.metrics("generate-review")
    assert (found["n_readers"], found["n_disputed"], found["false_pass_share"]) == (2, 1, 0.5)  # disputed: in no rate
    people = json.loads(Path("data/generate/review.json").read_text())["people"]
    assert people["by_criterion"]["safe"]["combined answer"]["confusion"]["YES"]["disputed"] == 1
    assert people["by_criterion"]["safe"]["a"]["agreement"]["n"] == 4
    assert people["views"]["seen"]["by_judge"]["a"]["false_pass"]["share"] == 1.0
    assert people["readers"]["answers"]["ann and bob"]["all"] == {"n": 1, "agreement": 0.0, "kappa": 0.0}


def test_what_is_made_anew_must_be_read_anew(folder):
    ann = Reader("ann")
    for n in range(5):
        ann.says(f"t{n}", "satisfied")
    assert decision(folder) == "proceed"
    talks = read_jsonl("data/generate/transcripts.jsonl", Transcript)
    changed = talks[0].model_copy(update={"exchanges": transcript("t0", user="Another").exchanges})
    write_jsonl("data/generate/transcripts.jsonl", [changed, *talks[1:]])
    assert decision(folder) == "waiting for readers"
    assert folder.metrics("generate-review")["n_stale"] == 1
    assert "1 because its conversation has changed" in Path("reports/review.md").read_text()

"""Repaired conversations are judged as their originals were."""

import asyncio
import json

from bench.fake_model_server import Answer
from tests.conftest import ROOT, transcript
from tests.stages.generate.test_slices import scored
from tests.test_judging import config
from tunewright.calibration import Labelled
from tunewright.fixing import Case, Mended, repaired
from tunewright.judging import Asking
from tunewright.reassessment import Assessing, judge_again
from tunewright.scoring import ScoringConfig

SCORING = ScoringConfig(
    aggregation="strictest",
    judge_trust="assumed",
    min_coverage=0,
    unscored_gates_pass=True,
    disagreement_spread=0.15,
    judge_agreement_min=0.8,
)


def test_no_judge_is_shown_an_example_that_was_made_from_the_same_recording(
    fake_server, make_client, rubric, monkeypatch
):
    monkeypatch.chdir(ROOT)
    server = fake_server(lambda body: Answer(json.dumps({"evidence": [1], "reasoning": "Yes.", "answer": "YES"})))
    original = transcript("replay-a0", user_kind="replay", source_id="a0")
    case = Case(original, scored("replay-a0", False), ())
    fixed = repaired(original, Mended(original.exchanges[:2], (), "unsafe"), config().judges[0])
    assert (fixed.id, fixed.source_id, fixed.assistant) == ("fixed-replay-a0", "replay-a0", "a")
    examples = [
        Labelled("warm", "YES", transcript(user=source).exchanges, "It does.", False, source, source)
        for source in ("a0", "a1")
    ]
    asking = Asking(rubric, config(example_tokens=700), {"warm": examples})
    again = Assessing(asking, config(), SCORING, None)
    found = asyncio.run(judge_again(make_client(server), [case], {"replay-a0": fixed}, again))
    assert {v.transcript_id for v in found["replay-a0"]} == {"fixed-replay-a0"}
    warm = next(text for r in server.requests if "do warm?" in (text := r["messages"][1]["content"]))
    assert "User: a1 1" in warm and "User: a0 1" not in warm

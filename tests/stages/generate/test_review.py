"""The stage picks from what the run made, says why, and does not move under the reader's hands."""

import json
from pathlib import Path

import pytest
import yaml

from stages.generate import review as stage
from tests.conftest import ROOT, critical, persona, transcript, write_reviews
from tests.test_labels import label
from tunewright.errors import RecordError
from tunewright.records import Score, Verdict, read_jsonl, write_json, write_jsonl
from tunewright.review_queue import JUDGED, QUEUE, QueueItem

PICKED = (*JUDGED, "new persona type")
SHIPPED = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))["generate"]["review"]


PRESETS = {
    name: yaml.safe_load((ROOT / f"conf/preset/{name}.yaml").read_text("utf-8"))
    for name in ("demo", "tight", "pilot", "full")
}


def scored(talk, value=0.9, **rest):
    fields = {
        "transcript_id": talk.id, "persona_id": talk.persona_id, "answers": {"warm": "YES"}, "unscored": {},
        "categories": {}, "score": value, "coverage": 1.0, "gates_failed": (), "gates_unscored": (),
        "disagreements": (), "passed": value >= 0.7, "outcome": "passed: score 0.90",
    }  # fmt: skip
    return Score.model_validate(fields | rest)


def warm(talk, judge, answer):
    return Verdict(transcript_id=talk.id, criterion="warm", judge=judge, answer=answer)


@pytest.fixture
def folder(workspace):
    """Three new conversations, of which the simulator review leaves one out, and an authored one."""
    workspace.use_small_rubric()
    workspace.params["domain"]["reviews"] = "reviews"
    talks = [transcript(f"t{n}", persona_id=f"p{n}", assistant=f"Reply of {n}:") for n in (1, 2, 3)]
    own = transcript("a1", persona_id="a1", user_kind="authored", assistant="By hand")
    workspace.write_authored([persona("a1", source="authored", topic="sleep")], [own])
    write_reviews([critical("t3")])
    write_jsonl("data/generate/personas.jsonl", [persona(f"p{n}") for n in (1, 2, 3)])
    write_jsonl("data/generate/transcripts.jsonl", [*talks, own])
    write_jsonl("data/generate/verdicts.jsonl", [warm(talks[0], "a", "YES"), warm(talks[0], "b", "NO")])
    scores = [scored(talks[0], 0.71, disagreements=("warm",)), scored(talks[1]), scored(own)]
    write_jsonl("data/generate/scores.jsonl", scores)
    write_json("data/design/judge-trust.json", {})
    write_jsonl("reviews/labels.jsonl", [])
    write_jsonl("reviews/transcripts.jsonl", [])
    workspace.write_params("generate.review", SHIPPED | {"judge_trust": "assumed"})
    workspace.talks = talks
    return workspace


def queue():
    return read_jsonl(QUEUE, QueueItem)


def test_a_tight_batch_is_read_whole_with_every_reason_and_what_was_left_out_comes_last(folder, capfd):
    stage.main()
    first, second, last = queue()
    assert [item.transcript_id for item in (first, second, last)] == ["t1", "t2", "t3"]
    assert [reason.says for reason in first.reasons] == [
        "judges differ on warm; their scores lie 1.00 apart (a 1.00, b 0.00)",
        "score 0.710 is within 0.01 of 0.70",
        "nobody has read such a person in an earlier version: grief, terse",
        "one of 2 new conversations: so few are read whole",
    ]
    assert [reason.kind for reason in second.reasons] == ["batch"]
    assert (first.drawn, second.drawn, last.drawn) == (1.0, 1.0, None)
    assert last.reasons[0].says == "nobody scored it: simulator review: role_swap in exchange 3"
    assert (
        "3 to read (disagreement 1, near threshold 1, new persona type 1, batch 2, left out 1), 0 decided; next: "
        in (capfd.readouterr().err)
    )
    assert folder.metrics("generate-review").items() >= {
        "n_queue": 3, "n_whole": 2, "n_gate": 0, "n_disagreement": 1, "n_near_threshold": 1, "n_unscored": 0,
        "n_perfect": 0, "n_new_persona_type": 1, "n_random": 0, "n_batch": 2, "n_left_out": 1,
    }.items()  # fmt: skip


def test_labels_of_today_s_texts_are_counted_and_leave_the_queue_as_it_is(folder, rubric):
    stage.main()
    before = Path(QUEUE).read_bytes()
    one, two, _ = folder.talks
    decided = [label(rubric, talk=one), label(rubric, "satisfied", talk=one, criterion=None), label(rubric, talk=two)]
    write_jsonl("reviews/labels.jsonl", decided)
    write_jsonl("reviews/transcripts.jsonl", [one, two])
    stage.main()
    assert Path(QUEUE).read_bytes() == before
    numbers = json.loads(Path("data/generate/review.json").read_text("utf-8"))
    assert numbers["progress"] == {"n": 3, "n_begun": 2, "n_decided": 1}
    assert "1 are decided, 1 more are begun." in Path("reports/review.md").read_text("utf-8")


def test_a_type_of_person_that_was_read_in_an_earlier_version_is_not_new(folder, rubric):
    earlier = transcript("t1", persona_id="p1", assistant="An earlier reply")
    write_jsonl("reviews/labels.jsonl", [label(rubric, "unsure", talk=earlier)])
    write_jsonl("reviews/transcripts.jsonl", [earlier])
    stage.main()
    assert not [r for item in queue() for r in item.reasons if r.kind == "new persona type"]


@pytest.mark.parametrize("name", PRESETS)
def test_the_presets_read_small_batches_whole_and_spot_check_one_in_fifty_or_more(name):
    n, at_most = PRESETS[name]["simulated_personas"], PRESETS[name]["review"]["at_most"]
    if name in ("demo", "tight"):
        assert n + PRESETS[name]["replayed"] <= at_most
    else:
        shares = stage.ReasonShares.model_validate(SHIPPED["shares"])
        reserved = sum(shares.places(kind, at_most) for kind in (*PICKED, "left out"))
        assert n / 50 <= at_most - reserved < n / 5


def test_verdicts_of_an_earlier_rubric_are_refused_with_what_to_run(folder):
    stray = Verdict(transcript_id="t1", criterion="gone", judge="a", answer="YES")
    write_jsonl("data/generate/verdicts.jsonl", [stray])
    with pytest.raises(RecordError, match="t1: gone is not in the rubric; judge again with: dvc repro generate-verdi"):
        stage.main()


def test_of_many_the_page_says_from_which_a_rate_may_be_taken_and_only_a_few_that_were_left_out_are_shown(folder):
    talks = [transcript(f"t{n}", persona_id=f"p{n}", assistant=f"Reply of {n}:") for n in range(60)]
    write_reviews([critical(f"t{n}") for n in range(50, 60)])
    write_jsonl("data/generate/transcripts.jsonl", talks)
    write_jsonl("data/generate/verdicts.jsonl", [])
    write_jsonl("data/generate/scores.jsonl", [scored(talk) for talk in talks[:50]])
    stage.main()  # of 20 places 1 is for what was left out, and of the reasons only a new type (terse grief) holds
    page = Path("reports/review.md").read_text("utf-8")
    assert "To read: 19 of 50 new conversations, and 1 of 10 that were left out. Nobody has read any" in page
    assert "18 of 50 were drawn at random, each as likely; the others" in page
    assert (folder.metrics("generate-review")["n_random"], queue()[0].drawn) == (18, None)


def test_a_run_that_made_no_conversation_has_nothing_to_read(folder, capfd):
    write_jsonl("data/generate/transcripts.jsonl", [])
    write_jsonl("data/generate/verdicts.jsonl", [])
    write_jsonl("data/generate/scores.jsonl", [])
    stage.main()
    assert queue() == [] and "nothing to read: this run made no conversation" in capfd.readouterr().err
    assert Path("reports/review.md").read_text("utf-8").endswith("Nothing: this run made no conversation.\n")

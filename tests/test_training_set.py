"""A repaired conversation takes the place of its failed original, in training and in the audit."""

import pytest

from tests.conftest import transcript, write_reviews
from tests.stages.generate.test_slices import scored
from tunewright.errors import MissingInputError, RecordError
from tunewright.records import write_jsonl
from tunewright.training_set import source_of, transcripts_for_training, transcripts_with_repairs


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_reviews()
    talks = [transcript("t1"), transcript("t2", failure="broke"), transcript("t3"), transcript("t4")]
    write_jsonl("data/generate/transcripts.jsonl", talks)
    write_jsonl("data/generate/scores.jsonl", [scored("t1", True), scored("t3", False), scored("t4", None)])
    write_jsonl("data/generate/fixed.jsonl", [transcript("fixed-t3", source_id="t3")])
    write_jsonl("data/generate/fixed_scores.jsonl", [scored("fixed-t3", True)])


def test_each_conversation_comes_once_with_its_score(files):
    found = [(t.id, score and score.passed) for t, score in transcripts_for_training()]
    assert found == [("t1", True), ("t2", None), ("t4", None), ("fixed-t3", True)]
    assert [t.id for t in transcripts_with_repairs()] == ["t1", "t2", "t4", "fixed-t3"]


def test_the_source_of_a_repaired_conversation_is_no_kind_of_user(files):
    assert [source_of(t) for t in transcripts_with_repairs()] == ["simulated", "simulated", "simulated", "fixed"]
    assert source_of(transcript("replay-a", source_id="a", user_kind="replay")) == "replay"


def test_scores_of_other_conversations_are_refused(files):
    write_jsonl("data/generate/scores.jsonl", [scored("t3", False), scored("t1", True)])
    with pytest.raises(RecordError, match=r"scores.jsonl: found a score of 't1'.*dvc repro -f generate-scores"):
        list(transcripts_for_training())


def test_without_repairs_the_stage_to_run_is_named(files, tmp_path):
    (tmp_path / "data/generate/fixed.jsonl").unlink()
    with pytest.raises(MissingInputError, match="dvc repro generate-fixup"):
        list(transcripts_with_repairs())

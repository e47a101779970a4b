"""A conversation whose simulated user broke down is read as failed, by everybody alike."""

from tests.conftest import critical, transcript
from tunewright.records import write_jsonl
from tunewright.sound import Reviews, SimulatorReview, iter_sound, read_sound

MINOR = critical("t2").findings[0].model_copy(update={"severity": "minor"})


def test_a_critical_review_is_the_failure_of_its_talk_and_no_other_review_is(tmp_path):
    talks, reviews = tmp_path / "talks.jsonl", Reviews(tmp_path / "reviews.jsonl", "generate-simulator")
    write_jsonl(talks, [transcript("t1"), transcript("t2"), transcript("t3", failure="no answer"), transcript("t4")])
    minor = SimulatorReview(transcript_id="t2", severity="minor", findings=(MINOR,), unjudged={})
    write_jsonl(reviews.path, [critical("t1"), minor, critical("t3")])
    found = read_sound(talks, "generate-transcripts", reviews)
    why = "simulator review: role_swap in exchange 3"
    assert [t.failure for t in found] == [why, None, "no answer", None]
    assert list(iter_sound(talks, "generate-transcripts", reviews)) == found
    assert found[0].exchanges == transcript("t1").exchanges

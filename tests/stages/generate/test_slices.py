"""Cuts of conversations: their places, their lengths, and that nobody is on both sides of a split."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.generate import slices as stage
from stages.generate.slices import Config, Tally, messages_of, refuse_empty, slice_points
from tests.conftest import transcript
from tests.test_labels import label
from tunewright.chat_tokenizer import load_tokenizer
from tunewright.errors import MissingInputError, RecordError
from tunewright.records import Example, Exchange, Message, Score, Transcript, read_jsonl, write_jsonl
from tunewright.splits import Shares, split_of

SYSTEM = (Message(role="system", content="Be kind."),)
SHARES = {"train": 0.6, "valid": 0.1, "holdout": 0.3}


def config(**rest):
    fields = {
        "max_tokens": 10_000, "context_tokens": 20_000, "first_exchange": 3, "gap": {"min": 2, "max": 5},
        "max_per_transcript": 100, "shares": SHARES, "seed": 7,
    }  # fmt: skip
    return Config.model_validate(fields | rest)


def count(messages):
    """One token a word and none for roles: `Be kind.` is 2, an exchange of `transcript()` is 6 + 5."""
    return sum(len(m.content.split()) for m in messages)


def examples_of(talk, config):
    messages = messages_of(talk, SYSTEM)
    return stage.examples_of(talk, messages, lambda end: count(messages[:end]), config)


gaps = st.tuples(st.integers(1, 4), st.integers(0, 4)).map(lambda g: {"min": g[0], "max": g[0] + g[1]})


@given(st.text(max_size=8), st.integers(0, 60), st.integers(1, 6), gaps)
def test_points_rise_from_the_first_exchange_to_the_last_in_gaps_within_bounds(id, n, first, gap):
    points = slice_points(id, n, config(first_exchange=first, gap=gap))
    if n < first:
        assert points == []
        return
    steps = [b - a for a, b in zip(points, points[1:], strict=False)]
    assert points[0] == first and points[-1] == n
    assert all(1 <= step <= gap["max"] for step in steps) and all(step >= gap["min"] for step in steps[:-1])


@given(st.text(max_size=8), st.integers(3, 60), st.integers(1, 5))
def test_of_too_many_points_the_last_ones_stay(id, n, most):
    everything = slice_points(id, n, config())
    assert slice_points(id, n, config(max_per_transcript=most)) == everything[-most:]


def test_points_depend_on_the_transcript_and_the_seed_alone():
    assert slice_points("t1", 40, config()) == slice_points("t1", 40, config(max_tokens=64))
    assert len({tuple(slice_points(f"t{n}", 40, config())) for n in range(10)}) == 10
    assert slice_points("t1", 40, config()) != slice_points("t1", 40, config(seed=8))


@pytest.mark.parametrize(("n", "points"), [(2, []), (3, [3]), (4, [3, 4])])
def test_short_talks_by_hand(n, points):
    assert slice_points("t1", n, config()) == points


def test_an_example_is_the_talk_from_its_start_under_the_system_prompt():
    found, n_shortened = examples_of(transcript(n=3), config())
    assert [(e.id, e.n_exchanges, e.n_tokens, e.persona_id) for e in found] == [("t1@3", 3, 2 + 33, "p1")]
    assert [m.role for m in found[0].messages] == ["system"] + ["user", "assistant"] * 3
    assert found[0].messages[-1].content == "Which cat is it 3" and n_shortened == 0


@given(st.integers(0, 30), st.integers(64, 400), st.text(max_size=5), st.integers(1, 8))
def test_every_example_fits_and_the_points_that_did_not_are_counted(n, max_tokens, id, most):
    settings = config(max_tokens=max_tokens, max_per_transcript=most)
    found, n_shortened = examples_of(transcript(id, n=n), settings)
    longest = (max_tokens - 2) // 11  # exchanges of 11 words after a prompt of 2
    points = slice_points(id, n, settings)
    assert [e.n_exchanges for e in found] == sorted({min(p, longest) for p in points})
    assert all(e.n_tokens == count(e.messages) <= max_tokens for e in found)
    assert n_shortened == sum(p > longest for p in points)
    assert all(e.messages[-1].role == "assistant" for e in found)


def test_a_talk_whose_first_exchange_is_too_long_gives_nothing_and_is_counted():
    talk = transcript(n=3, user="word " * 100)
    assert examples_of(talk, config(max_tokens=64)) == ([], 1)


def test_metrics_count_by_hand():
    tally = Tally()
    tally.n_all, tally.n_passed = 9, 4
    for n, person in enumerate("aab"):
        tally.add("train" if n < 2 else "holdout", examples_of(transcript(f"t{n}", persona_id=person), config())[0], 0)
    tally.add("valid", [], 1)
    found = tally.metrics()
    assert found["splits"]["train"] == {"n_examples": 2, "n_personas": 1, "n_transcripts": 2, "n_tokens": 70}
    assert found["splits"]["valid"] == {"n_examples": 0, "n_personas": 0, "n_transcripts": 0, "n_tokens": 0}
    assert (found["n_examples"], found["examples_per_transcript"], found["max_tokens_found"]) == (3, 0.75, 35)
    assert (found["n_transcripts"], found["n_shortened"]) == (9, 1)
    assert Tally().metrics()["examples_per_transcript"] is None


def test_nothing_to_train_on_is_refused_with_what_to_look_at():
    with pytest.raises(RecordError, match=r"0 of 3 transcripts passed.*metrics/generate-scores\.json"):
        tally = Tally()
        tally.n_all = 3
        refuse_empty(tally)


def scored(id, passed):
    return Score(
        transcript_id=id, persona_id="p", answers={}, unscored={}, categories={}, score=None, coverage=0,
        gates_failed=(), gates_unscored=(), disagreements=(), passed=passed, outcome="",
    )  # fmt: skip


@pytest.fixture
def ready(workspace, word_model):
    (workspace.folder / "models").mkdir()
    (workspace.folder / "models/base").symlink_to(word_model)
    talks = [transcript(f"t{n}", n=6, persona_id=f"p{n // 2}") for n in range(60)]
    write_jsonl("data/generate/transcripts.jsonl", talks)
    write_jsonl(
        "data/generate/scores.jsonl", [scored(t.id, [True, False, True, None][n % 4]) for n, t in enumerate(talks)]
    )
    write_jsonl("data/generate/fixed.jsonl", [])
    write_jsonl("data/generate/fixed_scores.jsonl", [])
    workspace.use_small_rubric()
    workspace.write_params("generate.slices", config().model_dump())
    return workspace


def read_splits():
    return {s: read_jsonl(f"data/generate/{s}.jsonl", Example) for s in ("train", "valid", "holdout")}


def test_passing_talks_alone_are_cut_and_each_person_is_in_one_split(ready):
    stage.main()
    splits = read_splits()
    people = [{e.persona_id for e in found} for found in splits.values()]
    assert all(people) and sum(map(len, people)) == len(set.union(*people)) == 30
    assert {e.transcript_id for found in splits.values() for e in found} == {f"t{n}" for n in range(0, 60, 2)}
    shares = Shares.model_validate(SHARES)
    assert all(split_of(e.persona_id, shares, 7) == name for name, found in splits.items() for e in found)
    assert splits["train"][0].messages[0].role == "system"
    metrics = ready.metrics("generate-slices")
    assert (metrics["n_transcripts"], metrics["n_passed"], metrics["n_shortened"]) == (60, 30, 0)
    assert metrics["n_examples"] == sum(map(len, splits.values()))


def test_a_repaired_talk_is_learnt_from_in_place_of_its_original_and_stays_in_its_split(ready):
    write_jsonl("data/generate/fixed.jsonl", [transcript("fixed-t1", source_id="t1", n=4, persona_id="p0")])
    write_jsonl("data/generate/fixed_scores.jsonl", [scored("fixed-t1", True)])
    stage.main()
    found = {e.transcript_id: name for name, examples in read_splits().items() for e in examples}
    assert "t1" not in found and found["fixed-t1"] == found["t0"]  # both are p0's
    assert ready.metrics("generate-slices")["n_passed"] == 31


def test_a_lower_token_limit_shortens_examples_and_says_how_many(ready):
    stage.main()
    full = read_splits()["train"][0].n_tokens
    ready.write_params("generate.slices", config(max_tokens=full - 1, max_per_transcript=1).model_dump())
    stage.main()
    assert ready.metrics("generate-slices")["n_shortened"] > 0
    assert ready.metrics("generate-slices")["max_tokens_found"] <= full - 1


def test_a_talk_that_was_cut_off_is_not_learnt_from_though_it_passes(ready, capsys):
    talks = read_jsonl("data/generate/transcripts.jsonl", Transcript)
    last = talks[0].exchanges[-1].model_copy(update={"cut": True})
    cut = talks[0].model_copy(update={"exchanges": (*talks[0].exchanges[:-1], last)})
    write_jsonl("data/generate/transcripts.jsonl", [cut, *talks[1:]])
    stage.main()
    assert "t0" not in {e.transcript_id for found in read_splits().values() for e in found}
    assert "30 of 60 transcripts passed, 1 of them left out as cut off" in capsys.readouterr().err


def test_a_talk_in_which_somebody_wrote_a_control_token_is_left_out_and_counted(ready, capsys):
    talks = read_jsonl("data/generate/transcripts.jsonl", Transcript)
    odd = talks[0].exchanges[0].model_copy(update={"user": "bye [UNK]"})
    write_jsonl(
        "data/generate/transcripts.jsonl",
        [talks[0].model_copy(update={"exchanges": (odd, *talks[0].exchanges[1:])}), *talks[1:]],
    )
    stage.main()
    assert "t0" not in {e.transcript_id for found in read_splits().values() for e in found}
    assert ready.metrics("generate-slices")["n_with_control_text"] == 1
    assert "1 more left out: they hold the text of a control token" in capsys.readouterr().err
    system = [Message(role="system", content="Say [UNK].")]
    with pytest.raises(RecordError, match=r"system\.md: it holds the text of the base model's control token '\[UNK\]'"):
        stage.refuse_control_text(system, load_tokenizer("models/base"), Path("system.md"))


def test_what_a_reader_rejected_is_never_learnt_from_as_long_as_its_words_are_the_same(ready, rubric, capsys):
    talks = [
        t.model_copy(update={"exchanges": t.exchanges[: 5 + n % 2] + (Exchange(user="So", assistant=f"{n}"),)})
        for n, t in enumerate(read_jsonl("data/generate/transcripts.jsonl", Transcript))
    ]
    write_jsonl("data/generate/transcripts.jsonl", talks)
    fixed = transcript("fixed-t1", source_id="t1", n=4, persona_id="p0")
    write_jsonl("data/generate/fixed.jsonl", [fixed])
    write_jsonl("data/generate/fixed_scores.jsonl", [scored("fixed-t1", True)])
    whole = {"criterion": None}
    before = transcript("t6")  # its words were others when it was read
    taken_back = label(rubric, "not satisfied", talk=talks[8], **whole)
    labels = [
        label(rubric, "not satisfied", talk=talks[0], **whole),
        label(rubric, "satisfied", "bob", talk=talks[0], **whole),
        label(rubric, "not satisfied", talk=talks[1], **whole),
        label(rubric, "NO", talk=talks[2], criterion="safe"),
        label(rubric, "NO", talk=talks[4], criterion="warm"),
        label(rubric, "not satisfied", talk=before, **whole),
        taken_back, label(rubric, "undo", talk=talks[8], undoes=taken_back.id, **whole),
        label(rubric, "NO", talk=talks[10], criterion="safe", question_hash="another"),
    ]  # fmt: skip
    write_jsonl("reviews/therapy/labels.jsonl", labels)
    stage.main()
    kept = {e.transcript_id for found in read_splits().values() for e in found}
    assert {"t4", "t6", "t8", "t10", "fixed-t1"} <= kept and not {"t0", "t2"} & kept
    assert ready.metrics("generate-slices")["n_rejected_by_readers"] == 2
    assert "2 transcripts rejected by readers" in capsys.readouterr().err
    write_jsonl("reviews/therapy/labels.jsonl", [*labels, label(rubric, "not satisfied", talk=fixed, **whole)])
    stage.main()
    assert ready.metrics("generate-slices")["n_rejected_by_readers"] == 3


def test_a_repair_of_what_a_reader_found_unsafe_is_not_learnt_from_since_the_words_may_still_be_there(ready, rubric):
    talks = {t.id: t for t in read_jsonl("data/generate/transcripts.jsonl", Transcript)}
    odd = talks["t1"].exchanges[:-1] + (Exchange(user="So", assistant="odd"),)
    talks["t1"] = talks["t1"].model_copy(update={"exchanges": odd})
    write_jsonl("data/generate/transcripts.jsonl", talks.values())
    write_jsonl("data/generate/fixed.jsonl", [transcript("fixed-t1", source_id="t1", n=4, persona_id="p0")])
    write_jsonl("data/generate/fixed_scores.jsonl", [scored("fixed-t1", True)])
    harm = label(rubric, "NO", talk=talks["t1"], criterion="safe")
    for lines, is_kept in (([harm], False), ([harm, label(rubric, "undo", criterion="safe", undoes=harm.id)], True)):
        write_jsonl("reviews/therapy/labels.jsonl", lines)
        stage.main()
        kept = {e.transcript_id for found in read_splits().values() for e in found}
        assert ("fixed-t1" in kept) is is_kept


def test_the_context_of_the_model_bounds_examples_whatever_the_preset_says(ready):
    stage.main()
    full = read_splits()["train"][0].n_tokens
    ready.write_params("generate.slices", config(context_tokens=full - 1).model_dump())
    stage.main()
    assert ready.metrics("generate-slices")["max_tokens_found"] < full


def test_no_passing_talk_stops_the_stage_and_writes_nothing(ready):
    write_jsonl("data/generate/scores.jsonl", [scored("t0", None)])
    with pytest.raises(RecordError, match="0 of 60 transcripts passed"):
        stage.main()
    assert not Path("data/generate/train.jsonl").exists()


def test_without_a_base_model_the_stage_to_run_is_named(ready):
    Path("models/base").unlink()
    with pytest.raises(MissingInputError, match="dvc repro train-base"):
        stage.main()

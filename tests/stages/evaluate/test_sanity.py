"""evaluate-sanity: every check that rests on no judge in one place, from files alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stages.evaluate import sanity
from tests.conftest import ROOT, transcript
from tests.test_pairing import write_sides
from tests.test_preference_rates import prefer, score
from tunewright.errors import MissingInputError
from tunewright.labels import Label
from tunewright.pairing import read_pairs
from tunewright.probes import Answered
from tunewright.records import read_json, write_json, write_jsonl

PERPLEXITY = {"n_conversations": 3, "base_perplexity": 31.2, "tuned_perplexity": 17.9, "relative_change": -0.4263}
FORGETTING = {"kl": 0.21, "base_perplexity": 1.9, "tuned_perplexity": 2.6, "agreement": 0.8, "n_replies": 2}
DEGENERATE = {
    "language": "en", "words_min": 4, "run_words": 2, "repeated_share": 0.3, "sentence_repeats": 3, "sentence_words": 2
}  # fmt: skip
PARAMS = {
    "pairs": 5, "confidence": 0.95, "judges_tie": 0.02, "permutation_samples": 100, "exact_permutation_max": 15,
    "seed": 1, "wanted_pairs": {"min": 5, "max": 10}, "capability_loss_max": 0.05, "degenerate": DEGENERATE,
    "examples": {"per_kind": 1, "chars": 20},
}  # fmt: skip


def answered(probe, passed, reply="Paris."):
    return Answered(
        probe=probe, category="facts", ask="?", reply=reply, finish_reason="stop", passed=passed, fault=None
    )


def label(pair, said, talk, **rest):
    """Something that Ada wrote on one side's conversation of a pair, blind."""
    fields = {"id": f"{pair}{said}", "reviewer": "ada", "time": "2026-11-22T10:00:00.000000Z", "rubric_version": "r"}
    about = {"transcript_id": f"pair-{pair}", "content_hash": talk.content_hash, "criterion": None, "blind": True}
    return Label.model_validate(fields | about | {"label": said, "question_hash": None} | rest)


@pytest.fixture
def evaluated(workspace):
    """Three pairs with the words of `pair`, scored: tuned better on 1 and 2, alike on 3."""
    workspace.use_small_rubric()
    workspace.params["domain"]["reviews"] = "reviews"
    workspace.write_params("evaluate.sanity", PARAMS)
    talks = [
        [transcript(f"pair-{n}", assistant=said, persona_id=f"p{n}") for n in (1, 2, 3)]
        for said in ("I see", "Which cat is it")
    ]
    write_sides(*talks)
    for side, values in (("base", (0.5, 0.5, 0.5)), ("tuned", (0.9, 0.8, 0.51))):
        write_jsonl(f"data/evaluate/scores/{side}.jsonl", [score(n, v) for n, v in enumerate(values, 1)])
    write_json("data/evaluate/perplexity.json", PERPLEXITY | {"conversations": [{"id": "t"}], "confidence": 0.95})
    write_json("data/evaluate/forgetting.json", FORGETTING)
    shutil.copytree(ROOT / "data/probes", "data/probes")
    for side, passed in (("base", True), ("tuned", False)):
        answers = [answered("facts-france", True), answered("facts-japan", passed)]
        write_jsonl(f"data/evaluate/capabilities/{side}.jsonl", answers)
    Path("reviews").mkdir()
    for name in ("preferences", "labels"):
        Path(f"reviews/{name}.jsonl").touch()
    return workspace


def test_where_nobody_was_asked_the_perplexity_stands_alone_and_no_number_is_made_up(evaluated):
    sanity.main()
    found = evaluated.metrics("evaluate-sanity")
    assert {key: found[key] for key in PERPLEXITY} == PERPLEXITY
    assert (found["preferences"]["n_decisions"], found["preferences"]["win_rate"]) == (0, None)
    assert read_json("data/evaluate/sanity.json")["preferences"]["questions"] == {}


def test_preferences_are_counted_with_the_judges_beside_them_and_stale_ones_apart(evaluated, capsys):
    """Overall: tuned, base, tie: win rate 1/2. Scores: tuned, tuned, tie (0.01 apart): 2 of 3 alike."""
    lines = [prefer("tuned", 1), prefer("base", 2), prefer("tie", 3), prefer("tuned", 9)]
    write_jsonl("reviews/preferences.jsonl", [*lines, prefer("tuned", 1, question="form")])
    sanity.main()
    found = evaluated.metrics("evaluate-sanity")["preferences"]
    assert (found["wins"], found["losses"], found["ties"], found["win_rate"]) == (1, 1, 1, 0.5)
    assert (found["judges_agree"], found["n_stale"]) == (0.6667, 1)
    rows = read_json("data/evaluate/sanity.json")["preferences"]["questions"]
    assert list(rows) == ["form", "overall"] and rows["form"]["judges"]["n"] == 0
    assert "a win rate of 50% over 3 pairs; stale: 1" in capsys.readouterr().err


def test_the_same_inputs_give_the_same_bytes_in_any_order_of_lines(evaluated):
    lines = [prefer("tuned", n) for n in (1, 2, 3)]
    written = []
    for order in (lines, lines[::-1] + lines[:1]):
        write_jsonl("reviews/preferences.jsonl", order)
        sanity.main()
        written.append(Path("data/evaluate/sanity.json").read_bytes())
    assert written[0] == written[1]


def test_general_abilities_forgetting_and_degenerate_output_stand_beside_the_perplexity(evaluated, capsys):
    """One of two probes lost; "I see 1" and "Which cat is it 1" are no loops."""
    sanity.main()
    found, kept = evaluated.metrics("evaluate-sanity"), read_json("data/evaluate/sanity.json")
    assert (found["capabilities"]["base_share"], found["capabilities"]["tuned_share"]) == (1.0, 0.5)
    assert found["capabilities"]["verdict"] == kept["capabilities"]["verdict"] == "abilities lost"
    assert found["forgetting"] == {key: FORGETTING[key] for key in found["forgetting"]}
    assert found["degenerate"] == {"base_share": 0.0, "tuned_share": 0.0}
    assert kept["degenerate"]["transcripts"]["n_replies"] == 9 and kept["degenerate"]["probes"]["n_replies"] == 2
    assert "conversations" not in found and kept["conversations"] == [{"id": "t"}]
    assert "base gets 2 of 2 probes right, tuned 1 (-50%" in capsys.readouterr().err


def test_a_talk_that_loops_is_counted_on_its_side_with_an_example(evaluated):
    looping = [transcript(f"pair-{n}", assistant="go on " * 9, persona_id=f"p{n}") for n in (1, 2, 3)]
    write_sides([transcript(f"pair-{n}", assistant="I see", persona_id=f"p{n}") for n in (1, 2, 3)], looping)
    sanity.main()
    found = read_json("data/evaluate/sanity.json")["degenerate"]
    assert found["transcripts"]["kinds"]["loop"]["tuned"]["count"] == 9
    assert evaluated.metrics("evaluate-sanity")["degenerate"] == {"base_share": 0.0, "tuned_share": 1.0}
    assert [(e["side"], e["kind"], e["id"], e["exchange"]) for e in found["examples"]] == [
        ("tuned", "loop", "pair-1", 1)
    ]


def test_labels_on_evaluated_talks_count_for_the_side_whose_words_they_are_about(evaluated):
    base, tuned = read_pairs()[0].base, read_pairs()[0].tuned
    lines = [label(1, "satisfied", tuned), label(1, "not satisfied", base), label(7, "satisfied", base)]
    write_jsonl("reviews/labels.jsonl", lines)
    sanity.main()
    found = read_json("data/evaluate/sanity.json")["people"]
    assert (found["labels"]["tuned"]["satisfied"]["count"], found["labels"]["tuned"]["n_conversations"]) == (1, 1)
    assert (found["labels"]["base"]["satisfied"]["count"], found["labels"]["base"]["n_labels"]) == (0, 1)
    assert found["labels"]["base"]["answers"] is None
    assert found["missing"] == "there are only 3 pairs to compare, 5 are wanted: evaluate on more people"


def test_answers_of_people_are_held_against_the_score_s(evaluated, rubric):
    """The score says YES to `warm`; people say NO: one false pass."""
    talk = read_pairs()[0].tuned
    asked = next(c for c in rubric.criteria if c.id == "warm")
    line = label(1, "NO", talk, criterion="warm", question_hash=rubric.question_hash(asked))
    write_jsonl("reviews/labels.jsonl", [line])
    answers = dict.fromkeys(c.id for c in rubric.criteria) | {"warm": "YES"}
    for side in ("base", "tuned"):
        write_jsonl(f"data/evaluate/scores/{side}.jsonl", [score(1, 0.9).model_copy(update={"answers": answers})])
    sanity.main()
    found = read_json("data/evaluate/sanity.json")["people"]["labels"]
    assert found["tuned"]["answers"] == {"n": 1, "false_passes": 1, "false_fails": 0}
    assert found["base"]["answers"] is None


def test_lm_eval_s_results_are_read_where_they_lie_and_nothing_is_missing_where_not(evaluated):
    sanity.main()
    assert read_json("data/evaluate/sanity.json")["lm_eval"] is None
    for side, value in (("base", 0.5), ("tuned", 0.45)):
        numbers = {"alias": "little", "sample_len": 3, "acc,none": value, "acc_stderr,none": 0.02}
        write_json(f"data/lm_eval/{side}/models__{side}/results_2026-11-22.json", {
            "results": {"little": numbers}, "n-samples": {"little": {"original": 3, "effective": 3}},
            "lm_eval_version": "0.4.13",
        })  # fmt: skip
    sanity.main()
    assert read_json("data/evaluate/sanity.json")["lm_eval"] == {
        "tasks": [{
            "task": "little", "metric": "acc", "n": 3, "base": 0.5, "base_stderr": 0.02, "tuned": 0.45,
            "tuned_stderr": 0.02, "difference": -0.05,
        }],
        "only_one_side": [], "version": "0.4.13",
    }  # fmt: skip


def test_what_has_not_run_yet_is_named(evaluated):
    Path("data/evaluate/capabilities/tuned.jsonl").unlink()
    with pytest.raises(MissingInputError, match="dvc repro evaluate-capabilities@tuned"):
        sanity.main()

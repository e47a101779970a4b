"""evaluate-sanity: perplexity as it was measured, and what people prefer, from files alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.evaluate import sanity
from tests.conftest import transcript
from tests.test_pairing import write_sides
from tests.test_preference_rates import prefer, score
from tunewright.records import read_json, write_json, write_jsonl

PERPLEXITY = {"n_conversations": 3, "base_perplexity": 31.2, "tuned_perplexity": 17.9, "relative_change": -0.4263}
PARAMS = {
    "pairs": 5, "confidence": 0.95, "judges_tie": 0.02, "permutation_samples": 100, "exact_permutation_max": 15,
    "seed": 1,
}  # fmt: skip


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
    write_json("data/evaluate/perplexity.json", PERPLEXITY)
    Path("reviews").mkdir()
    Path("reviews/preferences.jsonl").touch()
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
    assert "prefer tuned in 50% of 3 pairs; 1 decisions are stale" in capsys.readouterr().err


def test_the_same_inputs_give_the_same_bytes_in_any_order_of_lines(evaluated):
    lines = [prefer("tuned", n) for n in (1, 2, 3)]
    written = []
    for order in (lines, lines[::-1] + lines[:1]):
        write_jsonl("reviews/preferences.jsonl", order)
        sanity.main()
        written.append(Path("data/evaluate/sanity.json").read_bytes())
    assert written[0] == written[1]

"""The report's first sentences and the closing lines of a run."""

from tests.conftest import transcript
from tunewright.records import Exchange, Transcript
from tunewright.report_answer import closing_lines, cut_off


def test_replies_that_were_cut_off_are_said_only_where_they_weigh() -> None:
    def side(n_cut: int) -> list[Transcript]:
        said = [Exchange(user="Hi.", assistant="Well, I", cut=n < n_cut) for n in range(20)]
        return [transcript("t").model_copy(update={"exchanges": tuple(said)})]

    assert cut_off(side(1), side(0)) is None
    assert "2 of 20 base replies and 0 of 20 tuned replies were cut off" in str(cut_off(side(2), side(0)))


def test_nothing_scored_still_gives_lines_and_no_error():
    nothing = dict.fromkeys(
        [
            "base_score",
            "base_score_low",
            "base_score_high",
            "tuned_score",
            "tuned_score_low",
            "tuned_score_high",
            "difference",
            "difference_low",
            "difference_high",
            "p_value",
        ]
    )
    counts = {"n_personas": 0, "n_pairs": 0, "n_criteria_scored": 0, "n_criteria_total": 2, "n_gates_scored": 0}
    rest = {"n_gates_total": 1, "confidence": 0.95, "decision": "more evaluation", "decision_reason": "no pairs"}
    lines = closing_lines(nothing | counts | rest, {}, "r.html")
    assert "tuned score - (95% interval -)" in lines and "perplexity  - -> -" in lines

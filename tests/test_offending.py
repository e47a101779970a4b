"""Which replies put a statistic out of bounds: as few as must change, and those alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import transcript
from tunewright.config import Bounds
from tunewright.measures import STATISTICS, Lexicon, measure
from tunewright.offending import PER_REPLY, demands, most_words, statistic_demands, whole
from tunewright.records import Exchange
from tunewright.rubric import Criterion, Rubric

LEXICON = Lexicon(stock_openings=("i hear you",), stock_phrases=("one step at a time",), praise=("great", "well done"))
PIECES = [
    "I hear you.",
    "one step at a time",
    "great",
    "Why?",
    "And then?",
    "- milk",
    "caf\u00e9",
    "so it goes",
    "well",
]
talks = st.lists(
    st.tuples(st.sampled_from(["a", "a b", "a b c d"]), st.lists(st.sampled_from(PIECES), min_size=1, max_size=4)),
    min_size=1,
    max_size=7,
).map(lambda turns: [Exchange(user=user, assistant=" ".join(pieces)) for user, pieces in turns])
statistics = st.sampled_from(sorted(PER_REPLY))


def talk(*turns):
    return [Exchange(user=user, assistant=reply) for user, reply in turns]


def exchanges_of(found):
    return [d.exchange for d in found]


@given(talks, statistics)
def test_the_values_of_the_replies_add_up_to_the_statistic(exchanges, statistic):
    one = PER_REPLY[statistic]
    assert whole(one, one.values(exchanges, LEXICON)) == pytest.approx(measure(exchanges, LEXICON)[statistic])


@given(talks, statistics, st.floats(0, 2), st.booleans())
def test_meeting_all_demands_and_no_fewer_brings_a_statistic_within_its_bound(exchanges, statistic, at, is_max):
    bounds = Bounds(max=at) if is_max else Bounds(min=min(at, 1.0))  # a share above 1 nobody could meet
    one, values = PER_REPLY[statistic], PER_REPLY[statistic].values(exchanges, LEXICON)
    found = statistic_demands(statistic, bounds, exchanges, LEXICON)
    assert all(not d.is_met(exchanges, LEXICON) for d in found)

    def after(met):
        targets = {d.exchange: d.target for d in met}
        return bounds.holds(whole(one, [targets.get(n, v) for n, v in enumerate(values, 1)]))

    assert after(found) or all(v is None for v in values)  # without a reply in that half nothing can be praised
    assert not any(after([d for d in found if d is not left_out]) for left_out in found)


def test_what_the_user_alone_decides_names_no_reply():
    assert set(STATISTICS) - set(PER_REPLY) == {"n_exchanges", "user_words_mean"}
    assert statistic_demands("n_exchanges", Bounds(min=9), talk(("a", "b")), LEXICON) == []


def test_of_too_many_questions_at_the_end_only_the_last_one_changes():
    asking = talk(*[("a b", f"{n} why?") for n in range(4)])
    found = statistic_demands("question_ending_share", Bounds(min=0.10, max=0.75), asking, LEXICON)
    assert [(d.exchange, d.text) for d in found] == [(4, "it does not end in a question")]
    told = talk(*[("a b", f"{n} so.") for n in range(4)])
    found = statistic_demands("question_ending_share", Bounds(min=0.10, max=0.75), told, LEXICON)
    assert [(d.exchange, d.text) for d in found] == [(4, "it ends in a question")]


def test_bounds_too_narrow_for_any_share_change_no_more_replies_than_the_broken_side_needs():
    asking = talk(("a", "b?"), ("a", "c?"))
    found = statistic_demands("question_ending_share", Bounds(min=0.6, max=0.9), asking, LEXICON)
    assert exchanges_of(found) == [2]


def test_the_longest_reply_for_its_message_is_the_one_to_shorten():
    # ratios 1, 3, 2: mean 2; with the second at 1.6 the mean is 4.6 / 3 = 1.53
    exchanges = talk(("a b", "c d"), ("a b", "one two three four five six"), ("a b", "one two three four"))
    found = statistic_demands("length_ratio_mean", Bounds(min=0.75, max=1.6), exchanges, LEXICON)
    assert exchanges_of(found) == [2] and "1.6 times" in found[0].text
    assert exchanges_of(statistic_demands("over_twice_share", Bounds(max=0.1), exchanges, LEXICON)) == [2]
    assert exchanges_of(statistic_demands("length_ratio_mean", Bounds(max=1.2), exchanges, LEXICON)) == [2, 3]


def test_a_repeated_opening_is_the_later_reply_s_fault():
    exchanges = talk(("a", "Well now, b"), ("a", "Well now, c"), ("a", "Other words"))
    [found] = statistic_demands("repeated_opening_share", Bounds(max=0.25), exchanges, LEXICON)
    assert found.exchange == 2 and not found.is_met(exchanges, LEXICON)
    exchanges[1] = Exchange(user="a", assistant="Quite so, c")
    assert found.is_met(exchanges, LEXICON)


def test_a_criterion_asks_for_all_its_statistics():
    measures = {"questions_mean": {"max": 1.0}, "questions_max": {"max": 2}}
    one = Criterion.model_validate(
        {"id": "q", "category": "c", "question": "Few questions?", "evaluator": "measure", "na_allowed": False,
         "min_exchanges": 1, "measure": measures}
    )  # fmt: skip
    exchanges = talk(("a", "b? c? d?"), ("a", "e."))  # mean 1.5, most 3
    found = demands(one, exchanges, LEXICON)
    assert [(d.exchange, d.statistic, d.target) for d in found] == [(1, "questions_mean", 1), (1, "questions_max", 2)]


def test_a_reply_may_be_as_long_as_the_strictest_bound_allows(rubric):
    exchange = transcript(n=1, user="one two three four five six seven eight nine").exchanges[0]  # and "1": ten words
    assert most_words(exchange, rubric) is None
    fields = rubric.model_dump()
    for limits, words in (
        ({"length_ratio_mean": {"max": 1.6}}, 16),
        ({"length_ratio_mean": {"max": 1.6}, "reply_words_mean": {"max": 12}}, 12),
        ({"over_twice_share": {"max": 0.1}}, 20),
    ):
        fields["criteria"][3]["measure"] = limits
        assert most_words(exchange, Rubric.model_validate(fields)) == words

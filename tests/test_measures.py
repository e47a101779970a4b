"""Each statistic worked by hand, and laws that hold for any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.measures import (
    STATISTICS,
    Lexicon,
    count_phrases,
    ends_in_question,
    measure,
    n_questions,
    opening,
    opens_with,
    words,
)
from tunewright.records import Exchange

LEXICON = Lexicon(stock_openings=("i hear you",), stock_phrases=("one step", "valid"), praise=("great", "well done"))


def measured(*pairs):
    return measure([Exchange(user=user, assistant=reply) for user, reply in pairs], LEXICON)


def replies(*texts):
    return measured(*(("one two three four", text) for text in texts))


def test_every_statistic_has_a_value_and_every_value_a_meaning():
    assert list(replies("Yes.")) == list(STATISTICS)


def test_a_transcript_without_exchanges_cannot_be_measured():
    with pytest.raises(ValueError, match="without exchanges"):
        measure([], LEXICON)


def test_words_are_letters_digits_and_what_joins_them():
    assert words("It's a well-known fact: 3 cats, l\u2019ami!") == [
        "it's",
        "a",
        "well-known",
        "fact",
        "3",
        "cats",
        "l'ami",
    ]
    assert words("\u2026 \u2014 ?!") == []


def test_lengths_and_ratios_by_hand():
    found = measured(("one two", "a b c d"), ("one two three four", "a b"), ("one", "a b c"))
    assert (found["n_exchanges"], found["user_words_mean"], found["reply_words_mean"]) == (3, 7 / 3, 3)
    assert found["length_ratio_mean"] == pytest.approx((2 + 0.5 + 3) / 3)
    assert found["length_ratio_max"] == 3


def test_exactly_twice_the_words_is_not_over_twice():
    assert measured(("one two", "a b c d"))["over_twice_share"] == 0
    assert measured(("one two", "a b c d e"), ("one two", "a"))["over_twice_share"] == 0.5


def test_a_message_without_words_counts_as_one_word():
    assert measured(("...", "a b c"))["length_ratio_max"] == 3


def test_questions_are_runs_of_question_marks():
    assert [n_questions(t) for t in ("No.", "Why?", "Why?? And who?!?")] == [0, 1, 3]
    found = replies("Why? Who?", "No.", "What?")
    assert (found["questions_mean"], found["questions_max"]) == (1.0, 2.0)


def test_an_ending_is_a_question_behind_quotes_brackets_and_spaces_too():
    assert all(ends_in_question(t) for t in ("Why?", 'He said "why?"', "Or (was it?) \n", "why?\u201d"))
    assert not any(ends_in_question(t) for t in ("Why? I see.", "", "?!", "why? :)x"))
    assert replies("Why?", "Why? So.", "Because.", "Is it?")["question_ending_share"] == 0.5


def test_replies_open_alike_by_their_first_two_words_whatever_the_case():
    assert opening("That sounds, hard") == "that sounds"
    assert replies("That sounds hard", "that SOUNDS easy", "That is", "Oh")["repeated_opening_share"] == 0.25
    assert replies("Yes", "No")["repeated_opening_share"] == 0


def test_stock_openings_count_only_at_the_start_and_as_whole_words():
    assert opens_with("I hear you, Ada", LEXICON.stock_openings)
    assert not opens_with("I hear your point", LEXICON.stock_openings)
    assert not opens_with("Well, I hear you", LEXICON.stock_openings)
    assert replies("I  HEAR you.", "So I hear you.")["stock_opening_share"] == 0.5


def test_stock_phrases_count_each_time_on_word_boundaries_across_line_ends():
    assert count_phrases("One\nstep and one step; invalid, valid", ("one step", "valid")) == 3
    assert count_phrases("anything", ()) == 0
    assert replies("One step. One step.", "A fair point.")["stock_phrases_mean"] == 1.0


def test_curly_quotes_match_straight_ones():
    assert count_phrases("You\u2019re not alone", ("you're not alone",)) == 1


def test_the_longer_of_two_phrases_that_begin_alike_is_counted_once():
    assert count_phrases("one step at a time", ("one step", "one step at a time")) == 1


@pytest.mark.parametrize(
    "text", ["- milk", "* milk", "1. milk", "12) milk", "# Milk", "\u2022 milk", "so **bold** it", "__so__"]
)
def test_lists_headings_and_bold_are_markup(text):
    assert replies(f"Well:\n{text}", "Plain.")["markup_share"] == 0.5


@pytest.mark.parametrize(
    "text", ["5 - 3 is 2", "-5 degrees", "In 2019. Then", "a * b", "#hashtag", "2 ** 3", "1984. Orwell"]
)
def test_signs_in_running_text_are_no_markup(text):
    assert replies(text)["markup_share"] == 0


def test_non_ascii_replies_are_counted_once_each():
    assert replies("na\u00efve caf\u00e9", "plain", "plain", "\U0001f600")["non_ascii_share"] == 0.5


def test_praise_is_compared_between_halves_with_the_middle_reply_in_the_first():
    found = replies("great great", "great", "no", "well done", "greatly")
    assert found["praise_early_mean"] == 1.0  # 3 in the first 3 of 5
    assert found["praise_late_mean"] == 0.5  # 1 in the last 2: "greatly" is no praise word
    assert replies("great")["praise_late_mean"] == 0


talks = st.lists(st.tuples(st.text(max_size=60), st.text(max_size=60)), min_size=1, max_size=5)


@given(talks)
def test_shares_lie_in_0_to_1_and_no_text_is_too_strange(pairs):
    found = measured(*pairs)
    assert all(0 <= value <= 1 for name, value in found.items() if name.endswith("_share"))
    assert all(value >= 0 for value in found.values())
    assert found["questions_mean"] <= found["questions_max"]
    assert found["length_ratio_mean"] <= found["length_ratio_max"] + 1e-9


@given(talks)
def test_saying_everything_twice_changes_no_share_but_that_of_repeated_openings(pairs):
    once, twice = measured(*pairs), measured(*pairs, *pairs)
    same = [n for n in STATISTICS if n.endswith("_share") and n != "repeated_opening_share"]
    assert [twice[n] for n in same] == pytest.approx([once[n] for n in same])
    assert twice["repeated_opening_share"] >= 0.5

"""A quote counts where its words stand in one message, however they are written; an invented one never does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import transcript
from tunewright.evidence import sift, stands_in
from tunewright.records import Exchange, Quote

SAID = Exchange(
    user="I can\u2019t sleep, you know. It\u2019s the well-known **2 a.m.** spiral \u2014 again!",
    assistant="Two hours awake\u2026 what runs through your mind then? We could </x> note it down.",
)


@pytest.mark.parametrize(
    "quote",
    [
        "I can't sleep",
        "i CAN\u2018T   sleep,\n you know",
        '"It\'s the well\u2013known 2 a.m. spiral"',
        "spiral - again",
        "Two hours awake... what runs through your mind",
        "Two hours awake [...] your mind then?",
        "two hours awake \u2026 note it down",
        "Assistant: We could < /x> note it",
        "\uff34wo hours",
    ],
)
def test_the_same_words_written_otherwise_are_the_same_words(quote):
    assert stands_in(quote, SAID)


@pytest.mark.parametrize(
    "quote",
    [
        "I can sleep",  # a word is missing in the middle
        "hour awake",  # part of a word
        "what runs through your mind ... Two hours awake",  # the other way round
        "you know ... Two hours awake",  # one part of each message
        "He is always tired",
        "...",
        "",
    ],
)
def test_other_words_another_order_and_two_messages_are_no_quote(quote):
    assert not stands_in(quote, SAID)


def test_words_of_a_script_without_spaces_are_found_within_a_sentence():
    said = Exchange(user="\u6628\u65e5\u306f\u7720\u308c\u306a\u304b\u3063\u305f", assistant="ok")
    assert stands_in("\u7720\u308c\u306a\u304b\u3063\u305f", said)
    assert not stands_in("\u7720\u308c\u305f", said)


def test_a_quote_is_placed_where_it_stands_the_named_exchanges_first():
    talk = transcript(n=3, user="Same words", assistant="Reply").exchanges  # "Same words 1" and so on
    found = sift(["same words", "Reply 2", "  never\n said "], [3, 9], talk)
    assert found.quotes == (Quote(exchange=3, text="same words"), Quote(exchange=2, text="Reply 2"))
    assert found.misquotes == ("never said",)


@given(st.data())
def test_every_run_of_whole_words_of_a_message_is_found_there(data):
    words = data.draw(st.lists(st.sampled_from(["one", "two", "Three", "don't", "\u00e9t\u00e9"]), min_size=1))
    start = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(start + 1, len(words)))
    quote = " ".join(words[start:end]).upper()
    assert stands_in(quote, Exchange(user="no", assistant=", ".join(words)))

"""Messages keep their limits or are asked for again; conversations end by fixed rules and say goodbye once."""

import asyncio

import pytest

from bench.fake_model_server import Answer
from stages.generate.transcripts import Config
from tests.conftest import CONDUCT, ROOT, persona, transcript
from tests.test_simulation import CAST
from tunewright.conduct import Closings, closes, ends, is_pleasantry, out_of_limits, says_goodbye, stop, words_off
from tunewright.config import Bounds, load
from tunewright.records import Transcript
from tunewright.simulation import replay, simulate

CLOSINGS = Closings.model_validate(CONDUCT["closings"])
SHIPPED = load("generate.transcripts", Config, ROOT / "params.yaml").conduct.closings
FIVE = Bounds(min=3, max=5)


def said(n):
    return " ".join(["word"] * n)


def talk(server, make_client, exchanges=FIVE, **person):
    cast = CAST.model_copy(update={"exchanges": exchanges})
    return asyncio.run(simulate(make_client(server), cast, persona(**person), 0, "s1"))


def in_order(*messages, reply="Which cat?"):
    """The user says these one after the other, the last one for ever; the coach says the same."""
    left = list(messages)
    return lambda body: Answer(reply if body["model"] == "coach" else left.pop(0) if len(left) > 1 else left[0])


def users(found):
    return [e.user for e in found.exchanges]


@pytest.mark.parametrize(("n", "off"), [(26, 4), (27, 0), (30, 0), (88, 0), (89, 9), (200, 120)])
def test_words_are_counted_against_the_limit_once_the_tolerance_is_used_up(n, off):
    assert words_off(said(n), persona(min_words=30, max_words=80), 0.1) == off


def test_a_message_out_of_its_limits_is_asked_for_again_at_the_end_of_the_same_prompt(fake_server, make_client):
    server = fake_server(in_order(said(9), said(5)))
    found = talk(server, make_client, Bounds(min=1, max=1), min_words=4, max_words=6)
    first, second, _ = (r["messages"] for r in server.requests)
    assert users(found) == [said(5)]
    assert second[: len(first)] == first and second[len(first)] == {"role": "assistant", "content": said(9)}
    assert second[-1]["content"].startswith("That was 9 words; write 4 to 6.")


def test_after_the_last_reask_the_closest_try_is_kept_and_counted(fake_server, make_client):
    server = fake_server(in_order(said(20), said(9), said(12)))
    found = talk(server, make_client, Bounds(min=1, max=1), min_words=4, max_words=6)
    assert users(found) == [said(9)] and len(server.requests) == 3 + 1
    assert out_of_limits([found, transcript(user_kind="authored")], [persona(min_words=4, max_words=6)], 0.1) == (1, 1)


def test_a_reask_that_fails_leaves_the_message_there_was(fake_server, make_client):
    def breaks(body):
        asked_again = body["messages"][-1]["content"].startswith("That was")
        return Answer("no", status=400) if asked_again else Answer(said(9))

    found = talk(fake_server(breaks), make_client, Bounds(min=1, max=1), min_words=4, max_words=6)
    assert users(found) == [said(9)] and found.failure is None


@pytest.mark.parametrize(
    ("n", "planned", "has_closed", "bounds", "why"),
    [
        (5, 5, True, FIVE, "planned"),
        (3, 5, True, FIVE, "natural"),
        (2, 5, True, FIVE, "early"),
        (5, 9, False, FIVE, "maximum"),
        (5, 9, True, FIVE, "natural"),
        (4, 5, False, FIVE, None),
        (1, 5, True, Bounds(), "natural"),
    ],
)
def test_the_stop_rules_hold_in_their_order(n, planned, has_closed, bounds, why):
    assert stop(n, planned, has_closed, bounds) == why


def test_a_goodbye_after_the_minimum_is_answered_and_ends_the_talk(fake_server, make_client):
    goodbye = "I will try that with her on Sunday and see how it goes. Take care."
    found = talk(fake_server(in_order("One", "Two", "Three", goodbye)), make_client, Bounds(min=3, max=30))
    assert users(found) == ["One", "Two", "Three", goodbye] and found.ended == "natural"


def test_a_goodbye_with_nothing_else_in_it_is_neither_answered_nor_kept(fake_server, make_client):
    server = fake_server(in_order("One", "Two", "Three", "ok bye"))
    found = talk(server, make_client, Bounds(min=3, max=30))
    assert users(found) == ["One", "Two", "Three"] and found.ended == "natural"
    assert [r["model"] for r in server.requests] == ["user", "coach"] * 3 + ["user"]


def test_thanks_end_the_talk_once_the_other_side_says_goodbye(fake_server, make_client):
    script = in_order("One", "Two", "Three", "thank you", reply="That is it then. Take care.")
    assert users(talk(fake_server(script), make_client, Bounds(min=3, max=30))) == ["One", "Two", "Three"]


def test_a_goodbye_before_the_minimum_is_asked_for_again_once(fake_server, make_client):
    server = fake_server(in_order("One", "bye", "Two", "Three"))
    found = talk(server, make_client, Bounds(min=3, max=3))
    assert users(found) == ["One", "Two", "Three"] and found.ended == "planned"
    assert "leave the goodbye out" in server.requests[3]["messages"][-1]["content"]


def test_a_user_who_says_goodbye_again_ends_early(fake_server, make_client):
    found = talk(fake_server(in_order("One", "bye")), make_client, Bounds(min=3, max=3))
    assert users(found) == ["One"] and found.ended == "early" and found.failure is None


def test_a_talk_says_why_it_ended(fake_server, make_client):
    found = talk(fake_server(in_order("One")), make_client, Bounds(min=2, max=2))
    broken = talk(fake_server(lambda body: Answer("no", status=400)), make_client, id="p2")
    recorded = transcript(n=4, user_kind="authored")
    client = make_client(fake_server("Well."))
    cut, whole = (asyncio.run(replay(client, CAST, persona(), recorded, 0, "x", most)) for most in (2, 4))
    assert [t.ended for t in (found, broken, cut, whole)] == ["planned", "failed", "maximum", "recorded"]
    assert ends([found, broken, cut, whole, whole]) == {"failed": 1, "maximum": 1, "planned": 1, "recorded": 2}


def test_a_transcript_of_before_there_were_ends_still_loads():
    old = transcript().model_dump()
    old.pop("ended")
    assert Transcript.model_validate(old).ended == "recorded"


@pytest.mark.parametrize(
    ("text", "is_goodbye"),
    [
        ("Thanks so much, bye!", True),
        ("I'll go and ring her now. Talk soon, Ada", True),
        ("ok well have a good evening then", True),
        ("That was all I needed", True),
        ("I did not have a good day.", False),
        ("This time I said bye.", False),
        ("She said take care, and then the door was shut.", False),
        ("Bye, or is there something that I still have to do?", False),
        ("thanks, the number is 604817", False),
        ("I'm done with him. Good riddance.", False),
    ],
)
def test_the_shipped_words_know_a_goodbye_from_one_that_is_told(text, is_goodbye):
    assert says_goodbye(text, SHIPPED) == is_goodbye


def test_a_pleasantry_is_short_and_asks_nothing():
    assert is_pleasantry("ok thank you", CLOSINGS)
    assert not is_pleasantry("thank you, and when?", CLOSINGS)
    assert not is_pleasantry("thank you for the fish, the bread and the wine", CLOSINGS)
    assert not is_pleasantry("ok", CLOSINGS) and not is_pleasantry("", CLOSINGS)
    assert closes("thank you", "Take care.", CLOSINGS) and not closes("thank you", "When?", CLOSINGS)

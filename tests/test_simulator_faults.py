"""Each fault of a simulated user is measured where it is, and human habits that look like it are none."""

import pytest

from bench import simulator_review as bench
from tests.conftest import ROOT, persona, transcript
from tunewright.config import load
from tunewright.records import Exchange
from tunewright.simulator_faults import MEASURES, Review, told_runs
from tunewright.simulator_review import ReviewConfig

CONFIG = load("generate.simulator", ReviewConfig, ROOT / "params.yaml")
TOLD = told_runs(
    [
        '{% set ways = {"opens": "Say what is on your mind today."} %}',
        "Every message has {{ n }} words. Go on, dear {{ x }}.",
    ],
    ["things get a little better every single day"],
    CONFIG.measures.leak_run_words,
)
LONG = "I put the coat on and stood by the door and took it off again"


def seen(fault, *users, replies="Which one is it?", person=None, **rest):
    """Exchange numbers in which a fault is seen, when the user says these."""
    told_back = [replies] * len(users) if isinstance(replies, str) else replies
    exchanges = tuple(Exchange(user=u, assistant=a) for u, a in zip(users, told_back, strict=True))
    talk = transcript(**rest).model_copy(update={"exchanges": exchanges})
    review = Review(talk, person or persona(), TOLD, CONFIG.exchanges, CONFIG.conduct, CONFIG.measures)
    return list(MEASURES[fault](review))


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("empty", "..."),
        ("empty", "[no message]"),
        ("role_swap", "Thank you for reaching out. Could you tell me which model you have?"),
        ("role_swap", "Have you tried to sleep earlier? You might want to keep a notepad by your bed."),
        ("loop", "I am lost. " * 6),
        ("leaked_instructions", "Ada: I am lost"),
        ("leaked_instructions", "user: I am lost"),
        ("leaked_instructions", "I am {name} and lost"),
        ("leaked_instructions", "<reply>I am lost</reply>"),
        ("leaked_instructions", "I am lost, 30 to 80 words"),
        ("leaked_instructions", "And things get a little better every single day, they say"),
        ("leaked_instructions", "I shall say what is on your mind today"),
        ("assistant_voice", "As an AI, I have no kettle"),
        ("assistant_voice", "**Order**: a kettle"),
        ("length", "word " * 100),
        ("other_language", "Ich habe gestern wieder die ganze Nacht wach gelegen und an meine Schwester gedacht"),
    ],
)
def test_a_message_with_a_fault_is_seen_and_no_other_fault_is_seen_in_its_stead(fault, text):
    assert seen(fault, "My kettle is broken and I am cross.", text) == [2]


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("empty", "no"),
        ("role_swap", "All day I say how can I help you, and I am sorry to hear that, and then I have no words left."),
        ("role_swap", "I told my friend have you considered calling him, you could start small, and I hang up myself."),
        ("role_swap", "You should have told me about the fee before, you people always do this"),
        ("loop", "I can't do this and he said do what and I said all of it, I can't do this any more, and he left"),
        ("leaked_instructions", "My essay has a word limit and the instructions are long"),
        ("leaked_instructions", "I love her <3 and (sorry) it is 30 to 80 miles"),
        ("assistant_voice", "1. the light stays on\n2. the fan rattles"),
        ("length", "word " * 85),
        ("other_language", "My abuela made arroz con leche and pan dulce on Sundays and nobody does it now"),
        ("other_language", "Gracias, amiga"),
    ],
)
def test_a_human_habit_that_looks_like_a_fault_is_none(fault, text):
    assert seen(fault, "My kettle is broken and I am cross.", text) == []


def test_a_reply_said_back_is_a_swap_and_one_that_is_quoted_in_part_is_none():
    reply = "Three weeks of sums in the dark would wear anyone down, I should think"
    assert seen("role_swap", "One", reply, replies=[reply, "Yes"]) == [2]
    assert seen("role_swap", "One", f"{LONG}, and you wrote three weeks of sums", replies=[reply, "Yes"]) == []


def test_two_sides_that_change_places_are_seen_by_whom_they_speak_of():
    helper, helped = "Yours is a hard week. Do you sleep, and have you your sister?", "I had my tea and I lay on my bed"
    assert seen("role_swap", helper, replies=helped) == [1]
    assert seen("role_swap", helped, replies=helper) == [] == seen("role_swap", helper, replies="Which week was it?")


def test_a_message_said_again_is_a_loop_and_short_ones_only_from_the_third_time():
    assert seen("loop", LONG, "Something else then.", f"Well. {LONG}") == [3]
    assert seen("loop", *["still no refund"] * 4) == [3, 4]
    assert seen("loop", *["yes"] * 5) == []


def test_an_early_end_is_one_that_is_marked_or_that_says_goodbye_too_soon():
    assert seen("early_end", "One", "Two", ended="early") == [2]
    assert seen("early_end", "One", "Thanks, bye") == [2]
    assert seen("early_end", "One", "Two", "Thanks, bye") == [] == seen("early_end", "One", "Two")


def test_goodbyes_after_a_goodbye_are_a_loop_and_one_goodbye_is_none():
    byes = ["That helps, I will ring her. Take care.", "thank you, you too, bye", "you too"]
    assert seen("goodbye_loop", "One", *byes, replies="Goodbye!") == [3, 4]
    assert seen("goodbye_loop", "One", byes[0], "One more thing: does she know?", replies="Goodbye!") == []
    assert seen("goodbye_loop", "thanks", "thanks", "ok thanks") == []


def test_the_bench_finds_what_is_planted_and_leaves_no_clean_conversation_out(monkeypatch):
    monkeypatch.chdir(ROOT)
    found = bench.cases(CONFIG)
    assert bench.left_out(found)["clean"] == (0, 30)
    rows = {name: (planted, right, wrong) for name, planted, right, wrong, *_ in bench.by_fault(found, list(MEASURES))}
    missed = {name: int(planted) - int(right) for name, (planted, right, _) in rows.items() if planted != right}
    assert missed == {"role swap": 1} and {wrong for _, _, wrong in rows.values()} == {"0"}
    assert sum(int(planted) for planted, *_ in rows.values()) == 28  # two contradictions are for a judge

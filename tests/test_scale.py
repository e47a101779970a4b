"""The scaling benchmark's data and table; the measuring itself is `python -m bench.scale`."""

from bench.scale import SIZES, Cost, conversations, learn, table, verdicts
from tunewright.rubric import Rubric


def test_conversations_are_the_same_each_time_and_of_the_wanted_length():
    first, again = list(conversations(3, 4)), list(conversations(3, 4))
    assert first == again and [len(t.exchanges) for t in first] == [4, 4, 4]
    assert {t.persona_id for t in first} == {"p000000"} and len({t.content_hash for t in first}) == 3


def test_a_word_follows_only_what_it_follows_in_the_messages():
    speech = learn(["a b c.", "a d."])
    assert (speech.starts, speech.follows, speech.lengths) == (["a", "a"], {"a": ["b", "d."], "b": ["c."]}, [3, 2])


def test_every_criterion_has_the_verdicts_of_its_judges(rubric: Rubric):
    found = [(v.transcript_id, v.criterion, v.judge) for v in verdicts(["t1", "t2"], rubric)]
    assert found[-9:] == [
        ("t2", criterion, judge)
        for criterion in ("warm", "curious", "late", "plain", "safe")
        for judge in (("measure",) if criterion == "plain" else ("a", "b"))
    ]
    assert len(found) == 18


def test_the_table_gives_the_growth_of_the_cost_per_conversation():
    text = table({"generate.audit": [Cost(10, 8, 100), Cost(150, 90, 200)]}, SIZES)
    assert "| generate-audit | 1,000 | 10.0 | 8.0 | 100 | 1.00 |" in text
    assert "| generate-audit | 10,000 | 150.0 | 90.0 | 200 | 1.50 |" in text

"""Agreement with people, false passes and false fails, on tables worked out by hand."""

import pytest

from tests.conftest import transcript
from tests.test_labels import label
from tunewright.people import Heard
from tunewright.people_agreement import COMBINED, Judged, Pair, between_readers, compare, criterion_pairs, judged
from tunewright.people_agreement import whole_pairs as whole
from tunewright.people_findings import Listener, findings, headline_numbers
from tunewright.records import Score, Verdict
from tunewright.review_queue import QueueItem, Reason

TABLE = {("YES", "YES"): 4, ("YES", "NO"): 2, ("NO", "NO"): 2, ("NO", "YES"): 1, ("NA", "YES"): 1}
LEFT_OUT = {(None, "YES"): 1, ("YES", "unsure"): 2, ("NO", "disputed"): 1}


def pairs(table, n_people=None):
    """As many pairs as the table says, each of another person, or of `n_people` by turns."""
    made = [key for key, n in table.items() for _ in range(n)]
    return [Pair(said, people, f"p{n % (n_people or len(made))}") for n, (said, people) in enumerate(made)]


def fraction(share):
    return (share.count, share.n)


def test_shares_by_hand():
    found = compare(pairs(TABLE | LEFT_OUT), 0.95)
    assert fraction(found.agreement) == (6, 10)
    assert (fraction(found.false_pass), fraction(found.false_fail)) == (
        (2, 4),
        (1, 6),
    )  # of people's NOs, of the others
    assert (fraction(found.wrong_passes), fraction(found.wrong_fails)) == ((2, 7), (1, 3))  # of what the judge said
    assert (found.agreement.low, found.agreement.high) == pytest.approx((0.3127, 0.8318), abs=1e-4)


def test_kappa_and_its_interval_by_hand():
    found = compare(pairs(TABLE), 0.95)  # by chance: (6 x 6 + 3 x 4 + 1 x 0) / 100 = 0.48
    assert found.kappa == pytest.approx((0.6 - 0.48) / 0.52)
    assert (found.kappa_low, found.kappa_high) == pytest.approx((-0.3217, 0.6766), abs=1e-3)
    assert compare(pairs({("YES", "YES"): 3}), 0.95).kappa is None


def test_the_confusion_counts_what_is_in_no_share_too():
    found = compare(pairs(TABLE | LEFT_OUT), 0.95).confusion
    assert found["YES"] == {"YES": 4, "NO": 2, "NA": 0, "unsure": 2, "disputed": 0}
    assert found["unscored"] == {"YES": 1, "NO": 0, "NA": 0, "unsure": 0, "disputed": 0}
    assert found["NO"]["disputed"] == 1 and sum(n for by in found.values() for n in by.values()) == 14


def test_answers_on_one_person_s_conversations_are_worth_less():
    many, few = (compare(pairs({("YES", "YES"): 10}, n), 0.95).agreement for n in (None, 2))
    assert (many.n_effective, few.n_effective) == (10, 2)  # Kish: (25 + 25) / 10 = 5 of one kind count as one
    assert few.low == pytest.approx(2 / (2 + 3.8415), abs=1e-4) and few.low < many.low


def test_nothing_to_compare_is_no_share():
    found = compare([], 0.95)
    assert (found.agreement, found.kappa, found.false_pass, found.wrong_fails) == (None, None, None, None)


def verdict(criterion, judge, answer, talk="t1"):
    unscored = None if answer else "no usable answer"
    return Verdict(transcript_id=talk, criterion=criterion, judge=judge, answer=answer, unscored=unscored)


def score(talk="t1", passed=True, **answers):
    return Score(
        transcript_id=talk, persona_id="p1", answers=answers, unscored={}, categories={}, score=0.9, coverage=1,
        gates_failed=(), gates_unscored=(), disagreements=(), passed=passed, outcome="",
    )  # fmt: skip


def test_every_judge_has_its_own_answers_whether_trusted_or_not(rubric):
    verdicts = [
        verdict("warm", "a", "YES"), verdict("warm", "a#1", "NO"), verdict("warm", "a#2", "NO"),  # NO, by majority
        verdict("late", "a", None), verdict("warm", "b", "NA"), verdict("plain", "measure", "YES"),
        verdict("late", "rule", "NA"),
    ]  # fmt: skip
    found = judged(transcript("t1"), score(warm="NO", late="NA", safe=None), verdicts, rubric)
    assert found.answers == {
        COMBINED: {"warm": "NO", "late": "NA", "safe": None}, "a": {"warm": "NO", "late": None},
        "b": {"warm": "NO"},  # NA is not allowed there
        "measure": {"plain": "YES"}, "rule": {"late": "NA"},
    }  # fmt: skip


def test_only_questions_that_somebody_was_asked_are_compared():
    talk = Judged("p1", {"a": {"warm": "YES", "safe": None}}, passed=None)
    said = {"t1": Heard({"ann": True}, {"warm": {"ann": "NO"}, "late": {"ann": "YES"}}), "gone": Heard({"ann": True})}
    assert criterion_pairs({"t1": talk}, said) == {"a": {"warm": [Pair("YES", "NO", "p1")]}}
    assert whole({"t1": talk}, said) == [Pair(None, "YES", "p1")]
    assert whole({"t1": talk}, {"t1": Heard({"ann": True, "bob": False})}) == [Pair(None, "disputed", "p1")]


def test_readers_are_compared_where_both_answered():
    said = {
        "t1": Heard({"ann": True, "bob": False}, {"warm": {"ann": "YES", "bob": "YES"}, "late": {"ann": "NO"}}),
        "t2": Heard({"ann": True}, {"warm": {"ann": "NO", "bob": "YES"}, "late": {"ann": "NO", "bob": "unsure"}}),
    }
    found = between_readers(said, ["warm", "late"])
    assert found["answers"]["ann and bob"]["all"] == {"n": 2, "agreement": 0.5, "kappa": 0.0}
    assert list(found["answers"]["ann and bob"]["criteria"]) == ["warm"]
    assert found["satisfied"]["ann and bob"] == {"n": 1, "agreement": 0.0, "kappa": 0.0}


def item(talk, drawn):
    reason = Reason(kind="random" if drawn else "gate", says="so")
    return QueueItem(transcript_id=talk.id, content_hash=talk.content_hash, reasons=(reason,), drawn=drawn)


def test_blind_and_seen_and_drawn_and_targeted_labels_are_told_apart(rubric):
    one, two = transcript("t1"), transcript("t2", user="Other", persona_id="p2")
    seen = [(t, score(t.id, warm="YES", safe="YES"), [verdict("warm", "a", "YES", t.id)]) for t in (one, two)]
    lines = [
        label(rubric, "NO", talk=one, blind=True),
        label(rubric, "YES", talk=one, blind=False),  # gave in
        label(rubric, "NO", "bob", talk=two, criterion="safe", blind=False),
        label(rubric, "not satisfied", "bob", talk=two, criterion=None, blind=True),
        label(rubric, "NO", talk=two, question_hash="old"),
        label(rubric, "criterion missing", note="no humour", talk=one, criterion=None),
        label(rubric, "YES", talk=transcript("fixed-t1", n=2)),
    ]
    listener = Listener(lines, rubric)
    assert list(listener.through(iter(seen))) == seen
    found = findings(lines, listener, [item(one, 0.1), item(two, None)], rubric, 0.95)
    shares = {name: fraction(view.by_judge[COMBINED].agreement) for name, view in found.views.items()}
    assert shares == {"all": (1, 2), "blind": (0, 1), "seen": (1, 2), "drawn": (1, 1), "targeted": (0, 1)}
    assert (found.n_labels, found.n_readers, found.n_blind, found.n_changed, found.n_repaired) == (3, 2, 1, 1, 1)
    assert found.stale == {"its criterion has changed": 1}
    assert [(m.transcript_id, m.criterion, m.said, m.people) for m in found.misjudged] == [("t2", "safe", "YES", "NO")]
    assert [r.note for r in found.criteria_missing] == ["no humour"]
    assert fraction(found.views["all"].conversations.false_pass) == (1, 1)
    numbers = headline_numbers(found)
    assert (numbers["agreement"], numbers["agreement_blind"], numbers["agreement_drawn"]) == (0.5, 0.0, 1.0)
    assert (numbers["false_pass_share"], numbers["false_fail_share"], numbers["n_stale"]) == (1.0, 0.0, 1)

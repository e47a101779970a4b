"""The laws of the queue: bounded, deterministic, everybody with a reason, and a draw that nothing bends."""

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tunewright.review_queue import JUDGED, QueueItem, Reason
from tunewright.review_reasons import Candidate, Found
from tunewright.review_sampling import LeftOut, ReasonShares, pick

SHARES = ReasonShares(
    gate=0.2, disagreement=0.1, near_threshold=0.1, unscored=0.1, perfect=0.1, new_persona_type=0.1, left_out=0.1
)


def candidate(number, kinds=(), type_="grief, terse", weight=0.0):
    found = tuple(Found(Reason(kind=kind, says=f"{kind}!"), weight) for kind in kinds)
    return Candidate(f"t{number}", f"hash{number}", type_, found)


def lost(number):
    return LeftOut(f"x{number}", f"lost{number}", "it broke off")


def picked(candidates, left_out=(), at_most=10, read=("grief, terse",), seed=1):
    return pick(candidates, left_out, read, at_most, SHARES, seed)


def kinds(item: QueueItem):
    return [reason.kind for reason in item.reasons]


KINDS = st.lists(st.sampled_from(JUDGED), unique=True).map(lambda found: sorted(found, key=JUDGED.index))
CANDIDATES = st.lists(
    st.tuples(KINDS, st.sampled_from(["a", "b", None]), st.floats(0, 9)), max_size=30
).map(lambda rows: [candidate(n, *row) for n, row in enumerate(rows)])  # fmt: skip
LEFT_OUT = st.integers(0, 8).map(lambda n: [lost(i) for i in range(n)])


@settings(max_examples=60)
@given(CANDIDATES, LEFT_OUT, st.integers(1, 25), st.sets(st.sampled_from("ab")), st.randoms(use_true_random=False))
def test_a_queue_is_bounded_deterministic_without_doubles_and_says_why(candidates, left_out, at_most, read, rng):
    queue = picked(candidates, left_out, at_most, read)
    ids = [item.transcript_id for item in queue.items]
    assert len(ids) <= at_most and len(set(ids)) == len(ids)
    assert all(item.reasons for item in queue.items)  # and each of them at most once
    assert all(len(set(kinds(item))) == len(item.reasons) for item in queue.items)
    shuffled = rng.sample(candidates, len(candidates)), rng.sample(left_out, len(left_out))
    assert picked(*shuffled, at_most, read) == queue
    if len(candidates) <= at_most:
        assert set(ids) >= {c.transcript_id for c in candidates}
        assert [item.drawn for item in queue.items if "batch" in kinds(item)] == [1.0] * len(candidates)
        assert len(ids) == min(at_most, len(candidates) + len(left_out))
    else:
        drawn = [item for item in queue.items if item.drawn is not None]
        assert len(drawn) == queue.n_drawn and {item.drawn for item in drawn} == {queue.n_drawn / len(candidates)}
        assert all(("random" in kinds(item)) == (item.drawn is not None) for item in queue.items)


def test_each_reason_has_its_places_the_heaviest_first_and_what_nobody_takes_is_drawn():
    # of 10 places: gate 2, the five others 1 each, left out 1; nobody disagrees, is unscored or perfect, and no type
    # is new: so 2 + 1 (near threshold) + 1 (left out), and 6 are drawn
    candidates = [candidate(n) for n in range(90)]
    candidates += [candidate(100 + n, ["gate"], weight=n) for n in range(5)]
    candidates += [candidate(200 + n, ["near threshold"]) for n in range(5)]
    queue = picked(candidates, [lost(1), lost(2)])
    assert queue.n_drawn == 6
    ids = {item.transcript_id for item in queue.items}
    assert {"t104", "t103"} <= ids and sum(i.startswith("t20") for i in ids) >= 1
    assert Counter(kind for item in queue.items for kind in kinds(item))["left out"] == 1


def test_in_a_small_batch_what_was_left_out_comes_last_and_takes_nobody_s_place():
    candidates, left_out = [candidate(n) for n in range(9)], [lost(1), lost(2)]
    queue = picked(candidates, left_out)
    assert [kinds(item) for item in queue.items] == [["batch"]] * 9 + [["left out"]]
    assert [kinds(item) for item in picked([*candidates, candidate(9)], left_out).items] == [["batch"]] * 10


def test_a_batch_that_is_read_whole_is_read_by_lot_so_that_its_beginning_is_a_random_sample():
    candidates = [candidate(n, ["gate"] if n < 5 else []) for n in range(20)]
    first = Counter(i.transcript_id for s in range(200) for i in picked(candidates, at_most=20, seed=s).items[:5])
    odd = Fraction(sum(first[f"t{n}"] for n in range(5)), 1000)
    assert abs(odd - Fraction(5, 20)) < 0.04  # 3 standard errors


def test_the_first_five_show_different_reasons_and_the_gravest_comes_first():
    many = [candidate(1000 * n + i, [kind]) for n, kind in enumerate(JUDGED) for i in range(40)]
    queue = picked(many, at_most=40)  # 8 + 4 * 4 for their reasons, 16 drawn
    assert queue.items[0].reasons[0].kind == "gate"
    for start in range(0, len(queue.items) - 4, 5):
        five = queue.items[start : start + 5]
        assert 1 <= sum(item.drawn is not None for item in five) <= 3
        assert len({kinds(item)[0] for item in five}) >= 2


def test_one_conversation_of_each_unread_type_is_read_for_it():
    candidates = [candidate(n, type_=f"type {n % 3}") for n in range(40)]
    queue = picked(candidates, at_most=20, read=["type 0"])  # two places for new types
    new = [r.says for item in queue.items for r in item.reasons if r.kind == "new persona type"]
    assert sorted(new) == [f"nobody has read such a person in an earlier version: type {n}" for n in (1, 2)]


def test_every_conversation_is_drawn_as_often_as_any_other_whatever_else_speaks_for_it():
    candidates = [candidate(n, ["gate"] if n < 10 else []) for n in range(40)]
    times = Counter()
    n_drawn = set()
    for seed in range(150):
        queue = picked(candidates, at_most=20, seed=seed)
        n_drawn.add(queue.n_drawn)
        times.update(item.transcript_id for item in queue.items if item.drawn is not None)
    assert n_drawn == {16}  # 20 places, 4 for gates
    odd = Fraction(sum(times[f"t{n}"] for n in range(10)), 1500)
    plain = Fraction(sum(times[f"t{n}"] for n in range(10, 40)), 4500)
    assert abs(odd - Fraction(16, 40)) < 0.03 and abs(plain - Fraction(16, 40)) < 0.015  # 2.7 and 4 standard errors


def test_a_conversation_more_changes_little_and_a_changed_text_is_drawn_anew():
    candidates = [candidate(n) for n in range(60)]
    before, after = (
        {item.content_hash for item in picked(some).items} for some in (candidates, [*candidates, candidate(60)])
    )
    assert len(before - after) <= 1
    changed = [Candidate(c.transcript_id, f"{c.content_hash} again", c.persona_type, ()) for c in candidates]
    assert {i.transcript_id for i in picked(changed).items} != {i.transcript_id for i in picked(candidates).items}


def test_shares_leave_something_to_the_draw():
    with pytest.raises(ValidationError, match=r"the shares sum to 1\.1; expected under 1: the rest is drawn at random"):
        ReasonShares.model_validate(SHARES.model_dump() | {"gate": 0.5})

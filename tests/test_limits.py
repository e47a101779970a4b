"""The limit on requests at once, the caps per minute and the waiting line, without a clock of their own."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.fake_model_server import Answer
from tests.conftest import HI, spec
from tunewright.errors import InterruptedRunError
from tunewright.halt import Halt
from tunewright.limit_log import write_log
from tunewright.limits import AdaptiveLimit
from tunewright.line import Line
from tunewright.rates import Rate


def test_a_burst_of_refusals_halves_the_limit_once():
    limit = AdaptiveLimit(64)
    epochs = [limit.enter() for _ in range(64)]
    for epoch in epochs:
        limit.refuse(epoch, 10.0, 2.0)
        limit.leave()
    assert (limit.limit, limit.in_flight, limit.resume_at) == (32, 0, 12.0)
    assert [(c.at_s, c.old, c.new, c.why) for c in limit.history] == [(10.0, 64, 32, "429")]


def test_a_refusal_of_what_was_sent_after_the_cut_halves_it_again_down_to_one():
    limit = AdaptiveLimit(4)
    for _ in range(5):
        limit.refuse(limit.enter(), 0.0, 0.0)
        limit.leave()
    assert limit.limit == 1
    assert [c.new for c in limit.history] == [2, 1, 1, 1, 1]


def test_a_whole_round_of_successes_at_the_limit_adds_one_up_to_the_ceiling():
    limit = AdaptiveLimit(8, limit=2)
    sizes = []
    for _ in range(6):
        while limit.has_room:
            limit.enter()
        limit.succeed()
        limit.leave()
        sizes.append(limit.limit)
    assert sizes == [2, 3, 3, 3, 4, 4]  # after 2 successes 3, after 3 more 4
    full = AdaptiveLimit(1)
    full.enter()
    full.succeed()
    assert full.limit == 1


def test_successes_that_did_not_need_the_limit_do_not_raise_it():
    limit = AdaptiveLimit(8, limit=2)
    for _ in range(20):
        limit.enter()
        limit.succeed()
        limit.leave()
    assert limit.limit == 2


def test_a_refusal_that_names_no_time_waits_longer_each_time_until_something_gets_through():
    limit = AdaptiveLimit(64)
    waits = []
    for now in (100.0, 200.0, 300.0):
        limit.refuse(limit.enter(), now, None)
        waits.append(limit.resume_at - now)
    limit.succeed()
    limit.refuse(limit.enter(), 400.0, None)
    assert [*waits, limit.resume_at - 400.0] == [1.0, 2.0, 4.0, 1.0]


@given(st.lists(st.floats(0, 5), max_size=200), st.sampled_from([60, 600, 6000]))
def test_no_minute_takes_more_requests_than_the_cap_and_its_slack(gaps, per_minute):
    rate, now, taken = Rate(per_minute), 0.0, []
    for gap in gaps:
        now = max(now + gap, rate.ready_at)
        rate.take(1, now)
        taken.append(now)
    for i, begin in enumerate(taken):
        assert sum(begin <= t < begin + 60 for t in taken[i:]) <= per_minute + per_minute * 0.1 / 60 + 1


def test_a_cap_is_even_and_is_corrected_by_what_it_really_was():
    rate = Rate(60, slack_s=0.0)
    rate.take(10, 100.0)
    assert rate.ready_at == 110
    rate.correct(-4)
    assert rate.ready_at == 106
    rate.take(1, 200.0)  # what was not used is not saved up
    assert rate.ready_at == 201


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def line(ceiling, requests=None, tokens=None):
    clock, halt = Clock(), Halt()
    return Line(AdaptiveLimit(ceiling), requests, tokens, halt, clock), clock, halt


async def let_all_run():
    for _ in range(5):
        await asyncio.sleep(0)


def test_who_comes_first_goes_first_and_who_was_refused_goes_before():
    async def scene():
        queue, _, _ = line(1)
        order = []

        async def go(name, again=False):
            place = await queue.enter(0, again)
            order.append(name)
            return place

        first = await go("first")
        waiting = [asyncio.ensure_future(go(name)) for name in ("second", "third")]
        await let_all_run()
        waiting.append(asyncio.ensure_future(go("again", again=True)))
        await let_all_run()
        queue.left(first)
        for _ in waiting:
            await let_all_run()
            queue.left(first)
        await asyncio.gather(*waiting)
        return order

    assert asyncio.run(scene()) == ["first", "again", "second", "third"]


def test_nothing_goes_before_the_time_that_the_provider_named():
    async def scene():
        queue, clock, _ = line(4)
        place = await queue.enter(0)
        queue.refused(place, 0.02)
        waiting = asyncio.ensure_future(queue.enter(0))
        await asyncio.sleep(0.05)  # the timer fires, but the line's clock stands still
        assert not waiting.done()
        clock.now += 10
        await waiting

    asyncio.run(scene())


def test_who_stops_waiting_leaves_no_gap_and_holds_no_place():
    async def scene():
        queue, _, _ = line(1)
        place = await queue.enter(0)
        gone, stays = (asyncio.ensure_future(queue.enter(0)) for _ in range(2))
        await let_all_run()
        gone.cancel()
        queue.left(place)
        await stays
        return queue.limit.in_flight

    assert asyncio.run(scene()) == 1


def test_a_stop_wakes_all_that_wait_and_lets_nobody_in():
    async def scene():
        queue, _, halt = line(1)
        await queue.enter(0)
        waiting = [asyncio.ensure_future(queue.enter(0)) for _ in range(3)]
        await let_all_run()
        halt.stop(InterruptedRunError("now", 2))
        found = await asyncio.gather(*waiting, queue.enter(0), return_exceptions=True)
        return [str(error) for error in found], queue.limit.in_flight

    assert asyncio.run(scene()) == (["now"] * 4, 1)


def test_a_burst_of_429_cuts_the_real_client_once_and_the_log_says_so(fake_server, make_client, cache_folder):
    seen = []

    def script(body):
        seen.append(body)
        return Answer(status=429, headers={"Retry-After": "0.05"}, delay_s=0.05) if len(seen) <= 8 else Answer("Hello.")

    client = make_client(fake_server(script), concurrency=8)

    async def eight():
        return await asyncio.gather(*(client.complete(spec(), HI, sample=n) for n in range(8)))

    assert {reply.text for reply in asyncio.run(eight())} == {"Hello."}
    [(_, service)] = client.providers.services()
    assert service.line.limit.limit < 8 and len(seen) == 16
    write_log(client.providers.services())
    [row] = [json.loads(text) for text in (cache_folder / "log" / "limits.jsonl").read_text().splitlines()]
    assert (row["model"], row["old"], row["new"], row["why"]) == ("hosted_vllm/m", 8, 4, "429")


@pytest.mark.parametrize("status", [500, 503, 408])
def test_other_faults_leave_the_limit_alone(fake_server, make_client, status):
    answers = [Answer(status=status, headers={"Retry-After": "0.01"})] * 2 + [Answer("Hello.")]
    client = make_client(fake_server(lambda body: answers.pop(0)), concurrency=8)
    asyncio.run(client.complete(spec(), HI))
    [(_, service)] = client.providers.services()
    assert service.line.limit.limit == 8 and not service.line.limit.history


def test_a_request_that_is_refused_while_others_get_through_is_not_lost(fake_server, make_client):
    refused = []

    def script(body):  # this one request is refused far more often than `attempts`
        if body["messages"][0]["content"] == "late" and len(refused) < 6:
            refused.append(body)
            return Answer(status=429, headers={"Retry-After": "0"}, delay_s=0.02)
        return Answer("Hello.")

    client = make_client(fake_server(script), concurrency=2, attempts=1)

    async def both():
        late = asyncio.ensure_future(client.complete(spec(), [{"role": "user", "content": "late"}]))
        number = 0
        while not late.done():
            number += 1
            await client.complete(spec(), HI, sample=number)
        return late.result()

    assert asyncio.run(both()).text == "Hello." and len(refused) == 6


def test_the_caps_of_a_connection_hold_back_what_is_over_them(fake_server, make_client):
    server = fake_server("Hello.")
    client = make_client(server, requests_per_minute=1)

    async def two():
        waiting = [asyncio.ensure_future(client.complete(spec(), HI, sample=n)) for n in range(2)]
        await asyncio.wait(waiting, timeout=0.3)
        done = sum(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        return done

    assert asyncio.run(two()) == 1 and len(server.requests) == 1


def test_tokens_are_taken_as_guessed_and_corrected_by_what_the_provider_counted():
    async def scene():
        tokens = Rate(600, slack_s=0.0)
        queue, clock, _ = line(4, tokens=tokens)
        place = await queue.enter(500)
        guessed = tokens.ready_at - clock.now
        queue.succeeded(place, 40)
        return guessed, tokens.ready_at - clock.now

    assert asyncio.run(scene()) == (50, 4)  # 500 and 40 tokens at 10 a second

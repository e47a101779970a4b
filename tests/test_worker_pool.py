"""Workers that come and go: who gets a request, and what becomes of those of a worker that is lost."""

import asyncio
from dataclasses import replace

import pytest

from tests.conftest import spec
from tunewright.errors import BudgetError, RunnerError
from tunewright.halt import Halt
from tunewright.models import Connection, Reply
from tunewright.requests import Target, make_request
from tunewright.worker_pool import LOSSES, Pool, WorkerLostError

CONNECTION = Connection(concurrency=8, timeout_s=5, attempts=1)
TARGET = Target("http://models", "m", "key")


def request(text):
    return replace(make_request(spec(), [{"role": "user", "content": text}], 0, 0, None), key=text)


class FakeWorker:
    """Answers with its name; begins and ends as it is told."""

    def __init__(self, name, begins=True, lives_for=99):
        self.name, self.begins, self.lives_for = name, begins, lives_for
        self.asked, self.stopped, self.dead = [], False, asyncio.Event()

    async def ready(self):
        if self.begins == "never":
            await asyncio.Event().wait()
        if not self.begins:
            raise WorkerLostError(f"{self.name} did not begin")

    async def send(self, request, connection, target):
        self.asked.append(request.key)
        if len(self.asked) >= self.lives_for:
            self.dead.set()
        await asyncio.sleep(0)
        if self.dead.is_set():
            raise WorkerLostError(f"{self.name} died")
        return Reply(text=self.name)

    def stop(self):
        self.stopped = True


def answers(workers, texts, n_workers=2, timeout_s=5.0, halt=None):
    """What a pool of these workers, begun in turn, answers; an exception where it raises one."""

    async def all_of_them():
        left = iter(workers())
        pool = Pool(lambda: next(left), n_workers, timeout_s, halt or Halt())
        sent = [pool.send(request(text), CONNECTION, TARGET) for text in texts]
        return await asyncio.gather(*sent, return_exceptions=True)

    return asyncio.run(all_of_them())


def test_each_request_goes_to_the_worker_with_the_fewest_in_hand():
    found = answers(lambda: [FakeWorker("a"), FakeWorker("b")], ["1", "2", "3", "4"])
    assert sorted(reply.text for reply in found) == ["a", "a", "b", "b"]


def test_the_requests_of_a_lost_worker_are_made_by_others_and_it_is_replaced_once(capsys):
    made = []

    def workers():
        made.extend([FakeWorker("a", lives_for=2), FakeWorker("b"), FakeWorker("c"), FakeWorker("d")])
        return made

    found = answers(workers, ["1", "2", "3", "4", "5"])
    assert all(isinstance(reply, Reply) and reply.text != "a" for reply in found)
    a, b, c, d = made
    assert len(a.asked) >= 2 and set(a.asked) <= set(b.asked) | set(c.asked)
    assert a.stopped and not b.stopped and d.asked == []
    told = " ".join(capsys.readouterr().err.split())
    assert told.count("a worker was lost (a died); others make its") == 1


def test_one_worker_is_enough_to_go_on_while_others_find_no_room():
    found = answers(lambda: [FakeWorker("a", begins="never"), FakeWorker("b")], ["1", "2"])
    assert [reply.text for reply in found] == ["b", "b"]


def test_a_request_that_loses_every_worker_stops_the_run_and_does_not_go_on_for_ever():
    (error,) = answers(lambda: [FakeWorker(str(n), lives_for=1) for n in range(9)], ["poison"], n_workers=1)
    assert isinstance(error, RunnerError)
    assert f"{LOSSES} workers were lost with the same request (2 died), which starts 'poison'" in str(error)
    assert "finished calls are in the cache" in str(error)


def test_no_worker_at_all_is_told_with_the_last_reason():
    (error,) = answers(lambda: [FakeWorker("a", begins=False), FakeWorker("b", begins=False)], ["1"])
    assert isinstance(error, RunnerError) and "every worker was lost, the last one so: b did not begin" in str(error)


def test_a_cluster_without_room_is_told_after_the_time_that_is_allowed():
    (error,) = answers(lambda: [FakeWorker("a", begins="never")], ["1"], n_workers=1, timeout_s=0.01)
    assert isinstance(error, RunnerError)
    assert "no worker began within 0.01 s (runner.start_timeout_s)" in str(error)


def test_a_stopped_run_does_not_wait_for_a_worker():
    async def stopped():
        halt = Halt()
        pool = Pool(lambda: FakeWorker("a", begins="never"), 1, 60.0, halt)
        sending = asyncio.ensure_future(pool.send(request("1"), CONNECTION, TARGET))
        await asyncio.sleep(0)
        halt.stop(BudgetError("spent"))
        await asyncio.wait_for(sending, 5)

    with pytest.raises(BudgetError, match="spent"):
        asyncio.run(stopped())

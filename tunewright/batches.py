"""Requests that can wait, through a provider's Batch API: half the price, answered within a day.

Requests are gathered until none has come for `quiet_s`, sent as one batch per model (or as few as its bounds allow),
and answered when that batch ends. What a batch could not answer goes into the next one, with what its replies led to.
Every batch is noted beside the reply cache before it is asked for (open_batches.py): a run that stops leaves it with
the provider, and the next one that needs its requests waits for it instead of paying again.
"""

from __future__ import annotations

import asyncio
import copy
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from tunewright.accounts import Account
from tunewright.batch_run import BatchRun
from tunewright.cache import ReplyStore
from tunewright.errors import ModelSetupError
from tunewright.faults import Fault, final
from tunewright.halt import Halt
from tunewright.models import BatchAPI, Connection, ModelSpec, Reply
from tunewright.open_batches import OpenBatch, OpenBatches
from tunewright.requests import Request

# Those for which litellm 1.109 has files, batches and the list of batches, in OpenAI's form, with a key and an address
# alone. Anthropic and Gemini lack create_batch, Mistral lacks list_batches, Vertex and Bedrock want a bucket,
# and xAI's results come otherwise.
SUPPORTED = ("azure", "hosted_vllm", "litellm_proxy", "openai")


class Waiting(NamedTuple):
    """A request, and what will be its reply or its fault."""

    request: Request
    future: asyncio.Future[Reply]

    def end(self, result: Reply | Exception) -> None:
        """Give the result to whom waits, if anybody still does."""
        if self.future.done():
            return
        if isinstance(result, Reply):
            self.future.set_result(result)
        else:
            self.future.set_exception(copy.copy(result))  # a copy: raised exceptions hold the frames they went through


Gathered = dict[str, Waiting]  # by the request's key


class Batches:
    """Answers requests in batches; a caller of the client. Its tasks end with the event loop."""

    def __init__(
        self, connection_of: Callable[[ModelSpec], Connection], halt: Halt, account: Account, store: ReplyStore
    ) -> None:
        self._connection_of, self._halt, self._account, self._store = connection_of, halt, account, store
        self._open = OpenBatches(store.path.parent / "batches")
        self._runs: dict[tuple[str, str], BatchRun] = {}  # by model and identity
        self._gathered: Gathered = {}
        self._out: dict[str, Gathered] = {}  # by the file of requests
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def option(self, spec: ModelSpec) -> BatchAPI | None:
        """How a model's requests go into batches, None where they do not; raises ModelSetupError where none can."""
        option = self._connection_of(spec).batch_api
        if option is not None and spec.provider not in SUPPORTED:
            raise ModelSetupError(
                f"{spec.model}: batch_api is set in llm.connections.{spec.provider}, and litellm has no Batch API of "
                f"{spec.provider!r} that takes a key alone (it has of {', '.join(SUPPORTED)}); set it to null"
            )
        return option

    @property
    def n_out(self) -> int:
        """How many requests are with providers."""
        return sum(map(len, self._out.values()))

    @property
    def left_behind(self) -> str:
        """What goes on at providers when this run stops now; empty where nothing does."""
        if not self._out:
            return ""
        n = len(self._out)
        batches = "a batch" if n == 1 else f"{n} batches"
        goes, its = ("goes", "its") if n == 1 else ("go", "their")
        return (
            f"{batches} of {self.n_out:,} requests {goes} on at the provider; the same command picks {its} results up"
        )

    async def call(self, request: Request) -> Reply:
        """A reply; raises ItemFailure and ModelError as `Service.call` does, and the reason when the run stops."""
        option = self._sure_option(request.spec)
        for tries in range(1, option.attempts + 1):
            self._halt.check()
            waiting = self._gathered[request.key] = Waiting(request, asyncio.get_running_loop().create_future())
            self._send_after(option.quiet_s)
            try:
                return await self._halt.wait(waiting.future)  # type: ignore[return-value]
            except Fault as fault:
                if not fault.may_pass or tries == option.attempts:
                    names = self._connection_of(request.spec).key_names
                    raise final(fault, request.spec.model, names, tries) from None
        raise AssertionError("attempts is 1 or more")

    def _sure_option(self, spec: ModelSpec) -> BatchAPI:
        option = self.option(spec)
        assert option is not None, f"{spec.model} has no batch_api"
        return option

    def _send_after(self, quiet_s: float) -> None:
        """Send what is gathered once nothing more has come for so long."""
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(quiet_s, self._send)

    def _send(self) -> None:
        """Everything that is gathered goes, a model at a time, as far as the budget lets it."""
        gathered, self._gathered = self._gathered, {}
        if self._halt.error:  # nobody waits for them any more
            return
        by_model: dict[tuple[str, str], Gathered] = defaultdict(dict)
        for key, waiting in gathered.items():
            spec = waiting.request.spec
            by_model[spec.model, spec.identity][key] = waiting
        for model, mine in by_model.items():
            try:
                self._send_to(model, mine)
            except Exception as error:
                _end_all(mine, error)

    def _send_to(self, model: tuple[str, str], mine: Gathered) -> None:
        """The requests of one model: some are in open batches, the others go into new ones."""
        from tunewright.batch_lines import chunks

        spec = next(iter(mine.values())).request.spec
        option, run = self._sure_option(spec), self._run(model, spec)
        for noted in self._open.of(*model):
            if ours := {key: mine.pop(key) for key in noted.keys if key in mine}:
                self._join(run, noted, ours)
        lines = [(waiting, run.provider.line(waiting.request)) for waiting in self._affordable(mine)]
        for chunk in chunks(lines, option.max_requests, option.max_bytes):
            ours = {waiting.request.key: waiting for waiting, _ in chunk}
            self._start(self._upload(run, ours, b"".join(line for _, line in chunk)), ours)

    def _run(self, model: tuple[str, str], spec: ModelSpec) -> BatchRun:
        if model not in self._runs:
            connection = self._connection_of(spec)
            self._runs[model] = BatchRun(spec, connection, self._sure_option(spec), self._open)
        return self._runs[model]

    def _affordable(self, mine: Gathered) -> list[Waiting]:
        """Those that the budget has room for now; the others wait for what is out, or stop the run."""
        fit, left = [], {}
        for key, waiting in mine.items():
            factor = self._sure_option(waiting.request.spec).price_factor
            if self._account.reserve(waiting.request, factor):
                fit.append(waiting)
            else:
                left[key] = waiting
        if left and not self._account.n_reserved:
            self._halt.stop(self._account.no_room(len(left)))
        self._gathered |= left
        return fit

    def _join(self, run: BatchRun, noted: OpenBatch, ours: Gathered) -> None:
        """Wait for a batch that is out already, begun by this run or an earlier one."""
        for waiting in ours.values():
            self._account.reserve(waiting.request, self._sure_option(waiting.request.spec).price_factor, anyway=True)
        if noted.input_file in self._out:
            self._out[noted.input_file].update(ours)
        else:
            self._start(self._follow(run, noted, ours, is_new=False), ours)

    async def _upload(self, run: BatchRun, ours: Gathered, lines: bytes) -> None:
        await self._follow(run, await run.upload(tuple(ours), lines), ours, is_new=True)

    async def _follow(self, run: BatchRun, noted: OpenBatch, ours: Gathered, is_new: bool) -> None:
        """Wait for a batch; all its replies are in the cache, needed or not, before its note is removed."""
        self._out[noted.input_file] = ours
        try:
            results = await run.results(noted, is_new)
            for key, result in results.items():
                if isinstance(result, Reply):
                    self._store.put(key, noted.identity, result.model_dump())
            self._open.remove(noted)
        finally:
            del self._out[noted.input_file]
        for key, waiting in ours.items():
            waiting.end(results[key])

    def _start(self, work: Coroutine[Any, Any, None], ours: Gathered) -> None:
        task = asyncio.ensure_future(self._settled(work, ours))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settled(self, work: Coroutine[Any, Any, None], ours: Gathered) -> None:
        """Work in the background; what it raises is the result of all that wait for it. Then there is room again."""
        try:
            await work
        except Exception as error:
            _end_all(ours, error)
        self._account.release(ours)
        if self._gathered:
            waiting = next(iter(self._gathered.values()))
            self._send_after(self._sure_option(waiting.request.spec).quiet_s)


def _end_all(gathered: Gathered, error: Exception) -> None:
    for waiting in gathered.values():
        waiting.end(error)

"""One batch from its upload to its results, over every interruption that passes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from tunewright.errors import ModelSetupError
from tunewright.faults import Fault, final
from tunewright.models import BatchAPI, Connection, ModelSpec
from tunewright.open_batches import OpenBatch, OpenBatches
from tunewright.plain import plain
from tunewright.service import backoff_s
from tunewright.terminal import console

if TYPE_CHECKING:
    from tunewright.batch_lines import Results
    from tunewright.batch_provider import BatchProvider, Look

LONGEST_DOUBLING = 7  # of the pause between tries
T = TypeVar("T")


class BatchRun:
    """Runs the batches of one model. Raises ModelAuthError, ModelSetupError, ItemFailure as `Service.call` does."""

    def __init__(self, spec: ModelSpec, connection: Connection, option: BatchAPI, noted: OpenBatches) -> None:
        from tunewright.batch_provider import BatchProvider

        self.provider: BatchProvider = BatchProvider(spec, connection)
        self._spec, self._connection, self._option, self._open = spec, connection, option, noted

    async def upload(self, keys: tuple[str, ...], lines: bytes) -> OpenBatch:
        """Upload requests and note them: what is asked for from now on is never asked for twice."""
        file = await self._persistently(lambda: self.provider.upload(lines))
        noted = OpenBatch(model=self._spec.model, identity=self._spec.identity, input_file=file, batch=None, keys=keys)
        self._open.write(noted)
        return noted

    async def results(self, noted: OpenBatch, is_new: bool) -> Results:
        """Begin a batch unless it is begun, wait for its end, and read what it holds for each of its requests.

        What has no result is a fault that says how the batch ended.
        """
        id = noted.batch or await self._begin(noted, is_new)
        told = "is with the provider" if is_new else "of an earlier run is still open"
        self._say(f"batch {id} of {len(noted.keys):,} requests {told}; looking every {self._option.poll_s:g} s")
        look = await self._end(id, noted)
        found: Results = {}
        for file in look.files:
            found |= await self._patiently(lambda file=file: self.provider.results(file))
        words = f"batch {id} ended as {look.status} without it" + (f" ({look.words})" if look.words else "")
        return {key: found.get(key) or Fault(words, may_pass=True) for key in noted.keys}

    async def _begin(self, noted: OpenBatch, is_new: bool) -> str:
        """The id of the batch of an uploaded file; one whose id got lost on the way is looked for, not made again."""
        doubtful = not is_new

        async def begin() -> str:
            nonlocal doubtful
            found = await self.provider.find(noted.input_file) if doubtful else None
            doubtful = True
            return found or await self.provider.begin(noted.input_file, self._option.window)

        id = await self._persistently(begin)
        self._open.write(noted.model_copy(update={"batch": id}))
        return id

    async def _end(self, id: str, noted: OpenBatch) -> Look:
        from tunewright.batch_provider import ENDED

        while True:
            try:
                look = await self._patiently(lambda: self.provider.look(id), [404])
            except Fault as fault:
                raise ModelSetupError(
                    f"{self._spec.model}: the provider does not know batch {id} ({fault}), which an earlier run began; "
                    "use the key and the address that it was begun with, or delete "
                    f"{self._open.path(noted)} to pay for its {len(noted.keys)} requests again"
                ) from None
            if look.status in ENDED:
                return look
            await asyncio.sleep(self._option.poll_s)

    async def _persistently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask as often as the connection says."""
        return await self._again_and_again(ask, self._connection.attempts, ())

    async def _patiently(self, ask: Callable[[], Awaitable[T]], told: list[int] | tuple[()] = ()) -> T:
        """Ask until there is an answer: a paid batch is worth waiting through an outage. Faults `told` are raised."""
        return await self._again_and_again(ask, None, told)

    async def _again_and_again(
        self, ask: Callable[[], Awaitable[T]], attempts: int | None, told: list[int] | tuple[()]
    ) -> T:
        tries = 0
        while True:
            try:
                return await ask()
            except Fault as fault:
                tries += 1
                if fault.status in told:
                    raise
                if not fault.may_pass or tries == attempts:
                    raise final(fault, self._spec.model, self._connection.key_names, tries) from None
                if tries == 1:
                    self._say(f"asking for a batch failed and is tried again ({fault})")
                await asyncio.sleep(backoff_s(fault, min(tries, LONGEST_DOUBLING)))

    def _say(self, words: str) -> None:
        console.print(plain(f"  {self._spec.model}: {words}"), markup=False)

"""A provider's files and batches over real HTTP: a batch is validated, is in progress for a time, and ends.

The same script as in `fake_model_server` answers every line of a batch; what it answers with another status than 200
goes into the error file. `faults` says which of the next batches fail, expire or are lost sight of.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bench.fake_model_server import FakeModelServer, Script, completion, error_body

ENDED = ("completed", "failed", "expired", "cancelled")


@dataclass
class Batch:
    """One batch and how far it is."""

    id: str
    input_file: str
    status: str = "validating"
    output_file: str | None = None
    error_file: str | None = None
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """As OpenAI describes a batch."""
        faults = [{"code": "invalid", "message": self.error, "line": None, "param": None}] if self.error else []
        return {
            "id": self.id, "object": "batch", "endpoint": "/v1/chat/completions", "completion_window": "24h",
            "created_at": 0, "input_file_id": self.input_file, "status": self.status,
            "output_file_id": self.output_file, "error_file_id": self.error_file,
            "errors": {"object": "list", "data": faults} if faults else None,
        }  # fmt: skip


@dataclass
class Faults:
    """What goes wrong, and in how many of the next batches."""

    fail: int = 0  # validation fails
    expire: int = 0  # the time runs out when half is done
    lose_reply: int = 0  # the batch is made, and the connection breaks before its id is told
    status: dict[int, int] = field(default_factory=dict)  # by status: how many GETs of a batch end so


class FakeBatchServer(FakeModelServer):
    """A model server that also takes batches; `in_progress_s` is how long one takes."""

    def __init__(self, script: Script, in_progress_s: float = 0.0, api_key: str | None = None) -> None:
        super().__init__(script, api_key)
        self.in_progress_s = in_progress_s
        self.files: dict[str, str] = {}
        self.batches: dict[str, Batch] = {}
        self.faults = Faults()
        self.paid: list[str] = []  # custom ids of all lines that were answered, in all batches
        self.log: list[str] = []  # method and path of every request
        self.held = False  # nothing ends while this is set

    def routes(self) -> list[web.RouteDef]:
        """Files and batches beside the chat."""
        return [
            *super().routes(),
            web.post("/v1/files", self._upload),
            web.get("/v1/files/{id}/content", self._content),
            web.post("/v1/batches", self._create),
            web.get("/v1/batches", self._list),
            web.get("/v1/batches/{id}", self._retrieve),
            web.post("/v1/batches/{id}/cancel", self._cancel),
        ]

    def lines(self, batch: Batch) -> list[dict[str, Any]]:
        """The requests of a batch."""
        return [json.loads(line) for line in self.files[batch.input_file].splitlines()]

    async def _upload(self, request: web.Request) -> web.Response:
        self.log.append("POST files")
        if self.refuses(request):
            return error_body(401, "Incorrect API key provided", {})
        form = await request.post()
        part = form["file"]
        assert isinstance(part, web.FileField) and form["purpose"] == "batch"
        id = self._keep(part.file.read().decode())
        return web.json_response(
            {"id": id, "object": "file", "bytes": len(self.files[id]), "created_at": 0, "filename": part.filename,
             "purpose": "batch", "status": "processed"}
        )  # fmt: skip

    async def _content(self, request: web.Request) -> web.Response:
        self.log.append("GET content")
        return web.Response(text=self.files[request.match_info["id"]], content_type="application/octet-stream")

    async def _create(self, request: web.Request) -> web.StreamResponse:
        self.log.append("POST batches")
        body = await request.json()
        batch = Batch(f"batch_{len(self.batches) + 1}", body["input_file_id"])
        self.batches[batch.id] = batch
        asyncio.get_running_loop().create_task(self._run(batch))
        if self.faults.lose_reply:
            self.faults.lose_reply -= 1
            assert request.transport is not None
            request.transport.close()  # the answer goes nowhere
        return web.json_response(batch.as_json())

    async def _list(self, request: web.Request) -> web.Response:
        self.log.append("GET batches")
        found = [batch.as_json() for batch in reversed(self.batches.values())]
        return web.json_response({"object": "list", "data": found, "has_more": False})

    async def _retrieve(self, request: web.Request) -> web.Response:
        self.log.append("GET batch")
        for status, left in self.faults.status.items():
            if left:
                self.faults.status[status] -= 1
                return error_body(status, "scripted error", {})
        batch = self.batches.get(request.match_info["id"])
        return web.json_response(batch.as_json()) if batch else error_body(404, "No such batch", {})

    async def _cancel(self, request: web.Request) -> web.Response:
        self.log.append("POST cancel")
        batch = self.batches[request.match_info["id"]]
        if batch.status not in ENDED:
            batch.status = "cancelled"
            self._answer(batch, [])
        return web.json_response(batch.as_json())

    async def _run(self, batch: Batch) -> None:
        if self.faults.fail:
            self.faults.fail -= 1
            batch.status, batch.error = "failed", "the file cannot be read"
            return
        batch.status = "in_progress"
        expires, self.faults.expire = self.faults.expire > 0, max(0, self.faults.expire - 1)
        await asyncio.sleep(self.in_progress_s)
        while self.held:
            await asyncio.sleep(0.01)
        if batch.status == "in_progress":  # nobody has cancelled it
            lines = self.lines(batch)
            batch.status = "expired" if expires else "completed"
            self._answer(batch, lines[: len(lines) // 2] if expires else lines)

    def _answer(self, batch: Batch, done: list[dict[str, Any]]) -> None:
        answered = [(line["custom_id"], line["body"], self.script(line["body"])) for line in done]
        good = [_result(id, 200, completion(body, a)) for id, body, a in answered if a.status == 200]
        bad = [_result(id, a.status, {"error": {"message": a.text}}) for id, _, a in answered if a.status != 200]
        for line in self.lines(batch)[len(done) :]:
            words = f"This request could not be executed before the batch {batch.status}."
            bad.append({"custom_id": line["custom_id"], "response": None,
                        "error": {"code": "batch_expired", "message": words}})  # fmt: skip
        self.requests += [line["body"] for line in done]
        self.paid += [id for id, _, answer in answered if answer.status == 200]
        batch.output_file = self._keep(_jsonl(good)) if good else None
        batch.error_file = self._keep(_jsonl(bad)) if bad else None

    def _keep(self, text: str) -> str:
        id = f"file-{len(self.files) + 1}"
        self.files[id] = text
        return id


def _result(id: str, status: int, body: dict[str, Any]) -> dict[str, Any]:
    return {"id": f"r-{id}", "custom_id": id, "response": {"status_code": status, "body": body}, "error": None}


def _jsonl(values: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)

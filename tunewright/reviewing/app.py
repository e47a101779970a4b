"""The review app: server-rendered pages, one small script for the keys, nothing fetched from elsewhere."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from tunewright.errors import TunewrightError
from tunewright.reviewing import comparing, reading
from tunewright.reviewing.deciding import Refused
from tunewright.reviewing.guard import Guard
from tunewright.reviewing.pages import HERE, page
from tunewright.reviewing.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """The app for one reviewer and domain."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.settings = settings
    app.state.desk = reading.opened(settings)
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    app.include_router(reading.router)
    app.include_router(comparing.router)
    app.add_api_route("/", _start)
    app.add_exception_handler(TunewrightError, _fault)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_middleware(Guard, token=settings.token, hosts=settings.hosts)
    return app


def _start(request: Request) -> Response:
    return RedirectResponse("/compare" if request.app.state.settings.compare else "/queue", 303)


async def _fault(request: Request, error: Exception) -> Response:
    """A user's mistake, such as a missing input, as a page that says what to do; as bare words for the script."""
    if request.method != "GET":
        return PlainTextResponse(str(error), 409)
    return page(request, "fault.html", 409, says=str(error))


async def _refused(request: Request, error: Exception) -> Response:
    """What cannot be decided so, in words for the reader."""
    return PlainTextResponse(str(error), getattr(error, "status", 422))


async def _not_understood(request: Request, error: Exception) -> Response:
    """A request of the wrong shape: which field, and why."""
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {"loc": (), "msg": str(error)}
    where = ".".join(str(p) for p in first["loc"][1:]) or "the request"
    return PlainTextResponse(f"{where}: {first['msg']}", 422)

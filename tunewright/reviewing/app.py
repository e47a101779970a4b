"""The review app: server-rendered pages, one small script for the keys, nothing fetched from elsewhere."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from tunewright.errors import TunewrightError
from tunewright.reviewing import comparing, reading
from tunewright.reviewing.guard import Guard
from tunewright.reviewing.pages import HERE, page
from tunewright.reviewing.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """The app for one reviewer and domain."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.settings = settings
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    app.include_router(reading.router)
    app.include_router(comparing.router)
    app.add_api_route("/", _start)
    app.add_exception_handler(TunewrightError, _fault)
    app.add_middleware(Guard, token=settings.token, hosts=settings.hosts)
    return app


def _start(request: Request) -> Response:
    return RedirectResponse("/compare" if request.app.state.settings.compare else "/queue", 303)


async def _fault(request: Request, error: Exception) -> Response:
    """A user's mistake, such as a missing input, as a page that says what to do."""
    return page(request, "fault.html", 409, says=str(error))

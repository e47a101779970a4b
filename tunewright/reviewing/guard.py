"""Who may talk to the review app: the right Host, the right Origin, the token.

Host is checked against DNS rebinding, Origin against other sites' forms and scripts. The token comes once in the URL;
the app answers with a cookie (HttpOnly, SameSite=Strict) and a redirect to the same page without it. What changes
anything needs the token in a header too, which only the app's own pages know.
"""

from __future__ import annotations

import secrets

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE, HEADER, PARAMETER = "tunewright", "x-tunewright-token", "token"
SAFE = ("GET", "HEAD")
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """ASGI middleware in front of everything."""

    def __init__(self, app: ASGIApp, token: str, hosts: frozenset[str]) -> None:
        self._app = app
        self._token = token
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, refuse, or take the token out of the URL."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request = Request(scope)
        answer = self._refusal(request) or self._welcome(request)
        if answer is not None:
            answer.headers.update(HEADERS)
            return await answer(scope, receive, send)

        async def with_headers(message):
            if message["type"] == "http.response.start":
                message["headers"] += [(k.encode(), v.encode()) for k, v in HEADERS.items()]
            await send(message)

        await self._app(scope, receive, with_headers)

    def _refusal(self, request: Request) -> Response | None:
        if request.headers.get("host", "").lower() not in self._hosts:
            return _refused("this address is not served under that name")
        origin = request.headers.get("origin")
        if origin is not None and origin.lower() not in {f"http://{host}" for host in self._hosts}:
            return _refused("another site may not use this app")
        given = request.query_params.get(PARAMETER) or request.cookies.get(COOKIE) or ""
        if not self._knows(given):
            return _refused("open the address that `tunewright review` printed: it carries the token")
        if request.method not in SAFE and not self._knows(request.headers.get(HEADER, "")):
            return _refused("what changes something needs the token in a header; reload the page")
        return None

    def _knows(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self._token.encode())

    def _welcome(self, request: Request) -> Response | None:
        if request.method != "GET" or PARAMETER not in request.query_params:
            return None
        answer = RedirectResponse(str(request.url.remove_query_params(PARAMETER).replace(scheme="", netloc="")), 303)
        answer.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
        return answer


def _refused(why: str) -> Response:
    return PlainTextResponse(f"refused: {why}\n", 403)

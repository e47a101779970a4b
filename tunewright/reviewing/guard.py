"""Who may talk to the review app: the right Host, the right Origin, the token.

Host is checked against DNS rebinding; Origin and Sec-Fetch-Site against other sites' forms, scripts and pictures. The
token comes once in the URL; the app answers with a cookie (HttpOnly, SameSite=Strict, one for each port, since a host's
ports share their cookies) and a redirect to the same page without it. What changes anything needs the token in a header
too, which only the app's own pages know. No request is longer than MAX_BODY_BYTES, no path has steps in it, and every
answer, refusals and failures too, carries HEADERS.
"""

from __future__ import annotations

import re
import secrets
from html import escape
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER, PARAMETER = "x-tunewright-token", "token"
SAFE = ("GET", "HEAD")
MAX_BODY_BYTES = 1_000_000
FOREIGN = ("cross-site", "same-site")  # same-site: another port of this host is another app
ODD_PATH = re.compile(r"^[^/]|^/[/\\]|[\x00-\x1f\x7f]|(^|[/\\])\.{1,2}([/\\]|$)")  # steps, another host, control
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
FAILED = "the app failed and its terminal says why; every decision that was confirmed is kept"


class Guard:
    """ASGI middleware in front of everything. `hosts`: the Host headers that are served."""

    def __init__(self, app: ASGIApp, token: str, hosts: frozenset[str]) -> None:
        self._app = app
        self._token = token
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, refuse, or take the token out of the URL."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":  # there are no websockets here
            return await send({"type": "websocket.close", "code": 1008})
        send = _with_headers(send)
        request = Request(scope)
        answer = self._refusal(request) or self._welcome(request)
        if answer is None:
            body = await _whole_body(request, receive)
            if body is not None:
                return await self._serve(scope, _replayed(body, receive), send)
            answer = _refused(f"a request may have {MAX_BODY_BYTES:,} bytes", 413)
        await answer(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app answer; if it fails before it began to, say so here, where the headers are put on."""
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            if not started:
                await PlainTextResponse(f"{FAILED}\n", 500)(scope, receive, send)
            raise

    def _refusal(self, request: Request) -> Response | None:
        """Why a request is not served; None: it is."""
        host = request.headers.get("host", "").lower()
        if host not in self._hosts:
            return _refused("this app is not served under that name; add it with: tunewright review --allow-host NAME")
        if request.headers.get("origin", f"http://{host}").lower() not in (f"http://{host}", f"https://{host}"):
            return _refused("another site may not use this app")
        if _is_foreign(request) and not _is_visit(request):
            return _refused("another site may only link to this app")
        if ODD_PATH.search(request.scope["path"]):
            return _refused("that is no address of this app", 400)
        if not self._is_known(request):
            return _refused("open the address that `tunewright review` printed: it carries the token")
        if request.method not in SAFE and not self._matches(request.headers.get(HEADER)):
            return _refused("what changes something needs the token in a header; reload the page")
        return None

    def _is_known(self, request: Request) -> bool:
        """Whether the request knows the token. A visit from elsewhere is sent on by our own page, then asked again."""
        if PARAMETER in request.query_params:
            return self._matches(request.query_params[PARAMETER])
        given = request.headers.get(HEADER) or request.cookies.get(cookie_name(request.scope))
        return self._matches(given) or _is_foreign(request)

    def _matches(self, given: str | None) -> bool:
        return secrets.compare_digest((given or "").encode(), self._token.encode())

    def _welcome(self, request: Request) -> Response | None:
        """The same page without the token in its address; None where there is none in it."""
        if request.method != "GET" or not (PARAMETER in request.query_params or _is_foreign(request)):
            return None
        rest = [(name, value) for name, value in request.query_params.multi_items() if name != PARAMETER]
        target = quote(request.scope["path"]) + (f"?{urlencode(rest)}" if rest else "")
        answer = _onwards(target) if _is_foreign(request) else RedirectResponse(target, 303)
        if PARAMETER in request.query_params:
            answer.set_cookie(cookie_name(request.scope), self._token, httponly=True, samesite="strict")
        return answer


def cookie_name(scope: Scope) -> str:
    """The cookie's name at the port that is served."""
    return f"tunewright-{(scope.get('server') or ('', 0))[1]}"


def _is_foreign(request: Request) -> bool:
    return request.headers.get("sec-fetch-site", "") in FOREIGN


def _is_visit(request: Request) -> bool:
    """Whether somebody followed a link to here, in a window or tab of its own."""
    wants = (request.headers.get("sec-fetch-mode"), request.headers.get("sec-fetch-dest"))
    return request.method == "GET" and wants == ("navigate", "document")


def _onwards(target: str) -> Response:
    """A page that goes on to an address of this app: a redirect would still count as the other site's request, which
    brings no SameSite=Strict cookie."""
    address = escape(target)
    return HTMLResponse(
        f'<!doctype html><meta http-equiv="refresh" content="0;url={address}"><a href="{address}">Go on</a>\n'
    )


def _refused(why: str, status: int = 403) -> Response:
    return PlainTextResponse(f"refused: {why}\n", status)


def _with_headers(send: Send) -> Send:
    """`send` with HEADERS on every answer, in place of what it says itself under those names."""
    own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(k, v) for k, v in message.get("headers", []) if k.lower().decode("latin-1") not in HEADERS]
            message = {**message, "headers": kept + own}
        await send(message)

    return sending


async def _whole_body(request: Request, receive: Receive) -> bytes | None:
    """What a request carries; None if it is too long, by what it says or by what comes, or breaks off."""
    says = request.headers.get("content-length", "0")
    if not says.isdigit() or int(says) > MAX_BODY_BYTES:
        return None
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":  # nobody waits for an answer, and half a request is none
            return None
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    """`receive` that gives the body first."""
    left = [body]

    async def receiving() -> Message:
        return {"type": "http.request", "body": left.pop(), "more_body": False} if left else await receive()

    return receiving

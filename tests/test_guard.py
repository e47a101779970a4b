"""Only the reader's own pages get anything from the review app; everything else is refused, each for its reason."""

import asyncio
from http.cookies import SimpleCookie
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import pytest
from fastapi import FastAPI, Request

from tunewright.config import Domain, read_yaml
from tunewright.reviewing.app import create_app
from tunewright.reviewing.guard import HEADERS, MAX_BODY_BYTES, Guard, cookie_name
from tunewright.reviewing.settings import Settings

ROOT = Path(__file__).parents[1]
TOKEN = "a-token-of-one-start"
HOST = "127.0.0.1:8765"
COOKIE = f"tunewright-8765={TOKEN}"
KNOWN = {"cookie": COOKIE}
OWN = {"cookie": COOKIE, "x-tunewright-token": TOKEN, "origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
VISIT = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str


def served():
    """A small app behind the guard: what came through."""
    app = FastAPI()

    @app.api_route("/talks/{id:path}", methods=["GET", "HEAD", "POST", "PUT", "DELETE"])
    async def talk(id: str, request: Request):
        return {"id": id, "bytes": len(await request.body())}

    @app.get("/fails")
    def fails():
        raise RuntimeError("broken on purpose")

    app.add_middleware(Guard, token=TOKEN, hosts=frozenset({HOST, "localhost:8765", "review.example.org"}))
    return app


def ask(url="/talks/t1", headers=KNOWN, method="GET", body=(b"",), app=None, host=HOST):
    """What the app answers to a request as it comes off the wire: `url` is not made tidy."""
    path, _, query = url.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": unquote(path), "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(k.encode(), v.encode("latin-1")) for k, v in ({"host": host} | headers).items()],
        "server": ("127.0.0.1", 8765), "client": ("127.0.0.1", 50000),
    }  # fmt: skip
    left = [{"type": "http.request", "body": part, "more_body": n + 1 < len(body)} for n, part in enumerate(body)]
    sent = []

    async def receive():
        if body and not left:
            await asyncio.Event().wait()  # a browser that waits for its answer
        return left.pop(0) if left else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    async def run():
        try:
            await (app or served())(scope, receive, send)
        except RuntimeError as error:
            assert "on purpose" in str(error)

    asyncio.run(run())
    found = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    return Answer(sent[0]["status"], found, b"".join(m.get("body", b"") for m in sent[1:]).decode())


def refused(answer, status, why):
    return answer.status == status and why in answer.text and answer.headers.items() >= HEADERS.items()


def test_the_readers_own_page_is_served():
    assert ask().text == '{"id":"t1","bytes":0}'
    assert ask(headers=OWN, method="POST", body=(b"12", b"345")).text == '{"id":"t1","bytes":5}'
    assert ask(method="HEAD").status == 200
    assert ask(headers={"x-tunewright-token": TOKEN}).status == 200  # a script without cookies
    assert ask(host="LOCALHOST:8765").status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:8766", "127.0.0.1:8765.evil.example", "evil@127.0.0.1:8765", ""]
)
def test_a_foreign_host_is_refused(host):
    assert refused(ask(host=host), 403, "not served under that name")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:8766", "http://localhost:8765", "file://", ""]
)
def test_a_foreign_origin_is_refused(origin):
    for method in ("GET", "POST"):
        assert refused(ask(headers=OWN | {"origin": origin}, method=method), 403, "another site")


def test_behind_a_proxy_with_tls_the_origin_is_that_of_the_name_that_is_allowed():
    headers = OWN | {"origin": "https://review.example.org"}
    assert ask(headers=headers, method="POST", host="review.example.org").status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("wants", [{}, {"sec-fetch-mode": "no-cors"}, VISIT | {"sec-fetch-dest": "iframe"}])
def test_a_picture_or_a_frame_of_another_site_is_refused_where_no_origin_is_sent(site, wants):
    assert refused(ask(headers=KNOWN | wants | {"sec-fetch-site": site}), 403, "another site may only link")


def test_a_form_of_another_site_is_refused_where_no_origin_is_sent():
    headers = {k: v for k, v in OWN.items() if k != "origin"} | VISIT
    assert refused(ask(headers=headers, method="POST"), 403, "another site may only link")


def test_without_a_token_nothing_is_served():
    assert refused(ask(headers={}), 403, "open the address")
    assert refused(ask("/static/app.js", headers={}), 403, "open the address")
    assert refused(ask("/nowhere", headers={}, method="OPTIONS"), 403, "open the address")


@pytest.mark.parametrize("wrong", ["", "a", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "ä"])
def test_a_wrong_token_is_refused_wherever_it_stands(wrong):
    assert refused(ask(f"/talks/t1?token={wrong}"), 403, "open the address")
    assert refused(ask(headers={"cookie": f"tunewright-8765={wrong}"}), 403, "open the address")
    given = KNOWN | {"x-tunewright-token": wrong}
    assert refused(ask(headers=given, method="POST"), 403, "open the address" if wrong else "in a header")


def test_the_cookie_of_another_port_is_not_ours():
    assert refused(ask(headers={"cookie": f"tunewright-9999={TOKEN}"}), 403, "open the address")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_what_changes_something_needs_the_token_in_a_header(method):
    assert refused(ask(method=method), 403, "needs the token in a header")
    assert refused(ask(f"/talks/t1?token={TOKEN}", headers={}, method=method), 403, "needs the token in a header")


def test_the_token_in_the_address_becomes_a_cookie_and_leaves_the_address():
    answer = ask(f"/talks/a%20b?only=stale&token={TOKEN}&page=2", headers={})
    assert (answer.status, answer.headers["location"]) == (303, "/talks/a%20b?only=stale&page=2")
    cookie = SimpleCookie(answer.headers["set-cookie"])["tunewright-8765"]
    assert (cookie.value, cookie["httponly"], cookie["samesite"], cookie["path"]) == (TOKEN, True, "strict", "/")
    assert cookie_name({"server": ("127.0.0.1", 8765)}) == "tunewright-8765"


@pytest.mark.parametrize("path", ["//evil.example/x", "/\\evil.example", "/%5cevil.example", "/%2fevil.example"])
def test_the_redirect_never_leads_to_another_site(path):
    answer = ask(f"{path}?token={TOKEN}", headers={})
    assert refused(answer, 400, "no address of this app") and "location" not in answer.headers


def test_a_link_that_is_followed_from_elsewhere_goes_on_from_our_own_page():
    answer = ask(f"/talks/%22%3Ex?token={TOKEN}", headers=VISIT)
    assert answer.status == 200 and "location" not in answer.headers and TOKEN in answer.headers["set-cookie"]
    assert 'content="0;url=/talks/%22%3Ex"' in answer.text and TOKEN not in answer.text
    without = ask("/talks/t1", headers=VISIT)  # no cookie comes with such a visit: nothing is told, none is set
    assert without.text.count("/talks/t1") == 2 and "set-cookie" not in without.headers and "bytes" not in without.text
    assert refused(ask("/talks/t1?token=wrong", headers=VISIT), 403, "open the address")


ODD = (
    "/../secret", "/talks/..", "/talks/./x", "/talks/%2e%2e%2fsecret", "/talks/..%5cx", "/talks/a%00", "/talks/a%0a",
)  # fmt: skip


@pytest.mark.parametrize("path", ODD)
def test_steps_and_odd_characters_in_an_id_are_refused(path):
    assert refused(ask(path), 400, "no address of this app")
    assert refused(ask(path, headers=OWN, method="POST"), 400, "no address of this app")


@pytest.mark.parametrize("id", ["...", "a..b", "%252e%252e%252f", "ä", "<b>", "a%20b", "https:%2f%2fx.example"])
def test_an_id_that_only_looks_odd_is_an_id(id):
    assert ask(f"/talks/{id}").status == 200


@pytest.mark.parametrize("body", [(b"x" * (MAX_BODY_BYTES + 1),), (b"x" * MAX_BODY_BYTES, b"x")])
def test_a_big_body_is_refused_by_what_comes(body):
    assert refused(ask(headers=OWN, method="POST", body=body), 413, "1,000,000 bytes")
    assert ask(headers=OWN, method="POST", body=(body[0][:MAX_BODY_BYTES],)).status == 200


@pytest.mark.parametrize("says", ["1000001", "9" * 30, "-1", "many"])
def test_a_big_body_is_refused_by_what_it_says_before_it_comes(says):
    assert refused(ask(headers=OWN | {"content-length": says}, method="POST", body=()), 413, "1,000,000 bytes")


def test_half_a_request_is_none():
    cut = ask(headers=OWN | {"content-length": "10"}, method="POST", body=())
    assert '"bytes"' not in cut.text


def test_every_answer_has_the_headers_a_failure_too():
    for url, status in (("/talks/t1", 200), ("/nowhere", 404), ("/fails", 500)):
        answer = ask(url)
        assert answer.status == status and answer.headers.items() >= HEADERS.items()
    assert "on purpose" not in ask("/fails").text  # what went wrong is for the terminal


def test_websockets_are_refused():
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(served()({"type": "websocket", "path": "/", "headers": [(b"host", HOST.encode())]}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.fixture
def app(tmp_path, monkeypatch):
    """The real app; a secret lies beside its repository."""
    monkeypatch.chdir(tmp_path)
    domain = Domain.model_validate(read_yaml(ROOT / "conf/domain/therapy.yaml"))
    return create_app(Settings(tmp_path, domain, "ann", TOKEN, frozenset({HOST})))


STATIC = [
    "/static/../settings.py", "/static/%2e%2e/settings.py", "/static/%2e%2e%2fsettings.py", "/static/..%2fsettings.py",
    "/static/.%2e/settings.py", "/static/%252e%252e%252fsettings.py", "/static/..%5csettings.py", "/static//etc/passwd",
    "/static/%2fetc/passwd", "/static/app.js%00.py", "/static/", "/static",
]  # fmt: skip


@pytest.mark.parametrize("path", STATIC)
def test_no_file_but_those_of_the_static_folder_is_served(app, path):
    answer = ask(path, app=app)
    assert answer.status in (307, 400, 404, 405) and "class Settings" not in answer.text and "root:" not in answer.text
    assert answer.headers.items() >= HEADERS.items()


def test_the_apps_own_files_are_served(app):
    assert "x-tunewright-token" in ask("/static/app.js", app=app).text

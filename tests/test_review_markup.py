"""Whatever people, models and files are called or say is shown word for word by the review app, never as markup, and
no request makes it read or write a file but its own.
"""

import json
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from bench.review_project import ReviewProject
from tests.test_guard import HOST, OWN, TOKEN, ask
from tunewright.config import load_domain
from tunewright.records import Persona, Transcript, read_jsonl, write_jsonl
from tunewright.reviewing.app import create_app
from tunewright.reviewing.pages import HERE
from tunewright.reviewing.settings import Settings

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}</textarea></title>"
EVIL_ID = f"simulated-{EVIL}"
OWN_SCRIPTS = {f"/static/{path.name}" for path in (HERE / "static").glob("*.js")}


class Shown(HTMLParser):
    """The elements of a page, and everything that it says: text and the values of attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.says = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.says += "\n".join(f"\n{value}" for _, value in attrs)

    def handle_data(self, data):
        self.says += data


def harmless(page):
    """What a page shows, after a look at every element of it."""
    shown = Shown(page)
    for tag, attributes in shown.tags:
        assert tag not in ("img", "iframe", "object", "style", "base"), tag
        assert tag != "script" or attributes["src"] in OWN_SCRIPTS, attributes
        assert not [name for name in attributes if name.startswith("on") or name == "style"], attributes
        assert not (attributes.get("href") or "").lower().startswith(("javascript", "//")), attributes
    return shown.says


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project in which everything that a person or model can word is an attack; a secret lies beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.txt").write_text("the secret")
    project = ReviewProject(tmp_path / "project")
    rubric = Path("project/conf/domain/therapy/rubric.yaml")
    fields = yaml.safe_load(rubric.read_text("utf-8"))
    fields["criteria"][0]["question"] = f"Is it good? {EVIL}?"
    fields["categories"]["connection"]["title"] = EVIL
    rubric.write_text(yaml.safe_dump(fields), "utf-8")
    told = project.told["conversations"][0]
    talk = project.generated(told)
    worded = talk.exchanges[0].model_copy(update={"user": f"user {EVIL}", "assistant": f"reply {EVIL}"})
    talk = talk.model_copy(update={"id": EVIL_ID, "exchanges": (worded, *talk.exchanges[1:])})
    project.write_generated([talk])
    rename_people(Path("project/data/generate/personas.jsonl"))
    monkeypatch.chdir(tmp_path / "project")
    return project, talk


def rename_people(path):
    write_jsonl(path, [p.model_copy(update={"name": f"name {EVIL}"}) for p in read_jsonl(path, Persona)])


def app_of(reviewer=f"ann {EVIL}"[:80], **domain):
    return create_app(Settings(Path(), load_domain().model_copy(update=domain), reviewer, TOKEN, frozenset({HOST})))


def decide(app, talk, **fields):
    body = {"transcript_id": talk.id, "content_hash": talk.content_hash, "criterion": "crisis_response"} | fields
    return ask("/labels", OWN | {"content-type": "application/json"}, "POST", (json.dumps(body).encode(),), app)


def test_markup_is_shown_word_for_word_in_a_conversation_a_criterion_a_note_a_name_and_an_id(project):
    _, talk = project
    app = app_of()
    decided = decide(app, talk, label="NO", note=f"note {EVIL}")
    assert decided.status == 200 and f"note {EVIL}" in harmless(json.loads(decided.text)["html"])
    says = harmless(ask(f"/read/{quote(EVIL_ID, safe='')}", app=app).text)
    for words in ("user", "reply", "Is it good?", "note", "name"):
        assert f"{words} {EVIL}" in says, words
    assert EVIL_ID in says and f"ann {EVIL}"[:80] in says and f"\n{EVIL}" in says  # the last: a category's title
    says = harmless(ask(f"/queue?q={quote(EVIL)}", app=app).text)
    assert EVIL_ID in says and f"name {EVIL}" in says and f"\n{EVIL}" in says  # the last: what was searched for
    others = harmless(ask(f"/read/{quote(EVIL_ID, safe='')}", app=app_of("bob")).text)
    assert f"note {EVIL}" not in others  # bob has not decided yet
    decide(app_of("bob"), talk, label="YES")
    assert f"note {EVIL}" in harmless(ask(f"/read/{quote(EVIL_ID, safe='')}", app=app_of("bob")).text)


def test_markup_is_shown_word_for_word_side_by_side(project):
    project[0].write_pairs()
    rename_people(Path("data/evaluate/personas.jsonl"))
    for side in ("base", "tuned"):
        path = Path(f"data/evaluate/transcripts/{side}.jsonl")
        first, *rest = read_jsonl(path, Transcript)
        worded = first.exchanges[0].model_copy(update={"user": f"user {EVIL}", "assistant": f"{side} {EVIL}"})
        write_jsonl(path, [first.model_copy(update={"exchanges": (worded, *first.exchanges[1:])}), *rest])
    app = app_of()
    assert f"ann {EVIL}"[:80] in harmless(ask("/compare", app=app).text)
    says = harmless(ask(f"/compare/{first.id}", app=app).text)
    for words in (f"user {EVIL}", f"base {EVIL}", f"tuned {EVIL}", f"Is it good? {EVIL}"):
        assert words in says, words


def test_markup_in_a_file_name_and_in_a_bad_line_is_shown_word_for_word(project):
    folder = Path("reviews/<img src=x onerror=alert(3)>")
    folder.mkdir()
    (folder / "labels.jsonl").write_text('{"label": "<script>alert(4)</script>"}\n')
    answer = ask("/queue", app=app_of(reviews=str(folder)))
    assert answer.status == 409
    says = harmless(answer.text)
    assert f"{folder}/labels.jsonl, line 1" in says


def test_an_id_that_is_a_path_is_no_file(project, tmp_path):
    _, talk = project
    app, before = app_of("ann"), everything(tmp_path)
    for id in ("../../secret.txt", "..", "/etc/passwd", "../secret.txt\0", "reviews/therapy/labels.jsonl"):
        page = ask(f"/read/{quote(id, safe='')}", app=app)
        assert page.status in (400, 404) and "the secret" not in page.text and "root:" not in page.text, id
        assert decide(app, talk.model_copy(update={"id": id}), label="NO").status == 404
        assert decide(app, talk, criterion=id, label="NO").status == 422
        assert decide(app, talk, content_hash=id, label="NO").status == 409
    assert everything(tmp_path) == before


def everything(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_decision_is_written_to_the_reviews_folder_and_nowhere_else(project, tmp_path):
    _, talk = project
    before = everything(tmp_path)
    assert decide(app_of("ann"), talk, label="NO").status == 200
    changed = {str(path.relative_to(tmp_path)) for path in everything(tmp_path).keys() - before.keys()}
    assert changed == {f"project/reviews/therapy/{name}.jsonl" for name in ("labels", "transcripts")}
    assert before.items() <= everything(tmp_path).items()

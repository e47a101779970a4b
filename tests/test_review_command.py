"""`tunewright review`: where it listens, who reviews, and what is on disk when it is stopped or killed."""

import signal
import socket
import sys
from pathlib import Path

import pytest

from bench.browser import running_app
from bench.review_app import client, decision, kept_through_kills, things_of
from bench.review_project import ReviewProject
from tunewright.config import load_domain
from tunewright.errors import ConfigError, MissingInputError
from tunewright.labels import read_labels
from tunewright.reviewing.address import LOOPBACK_NAMES, USUAL_PORT, listen
from tunewright.reviewing.command import refuse_outside, require_packages, told
from tunewright.reviewing.reviewer import like, reviewer_named
from tunewright.reviewing.settings import Settings


@pytest.fixture
def place():
    """A factory of places that are closed after the test."""
    made = []

    def make(*given):
        made.append(listen(*given))
        return made[-1]

    yield make
    for one in made:
        one.listening.close()


def port_of(place):
    return place.listening.getsockname()[1]


def test_by_default_it_is_reached_from_this_machine_alone(place):
    found = place("127.0.0.1", 0)
    assert found.is_loopback and found.netloc == f"127.0.0.1:{port_of(found)}"
    assert found.hosts == {f"{name}:{port_of(found)}" for name in LOOPBACK_NAMES}


def test_a_port_that_is_taken_is_said_and_the_usual_one_gives_way_to_a_free_one(place):
    taken = port_of(place("127.0.0.1", 0))
    with pytest.raises(ConfigError, match=f"port {taken} of 127.0.0.1 is taken.*--port 0"):
        listen("127.0.0.1", taken)
    first, second = place("127.0.0.1", None), place("127.0.0.1", None)
    assert port_of(second) not in (port_of(first), USUAL_PORT)


def test_an_address_of_another_machine_is_no_place_to_listen():
    with pytest.raises(ConfigError, match=r"cannot listen at 203\.0\.113\.1.*--host an address of this machine"):
        listen("203.0.113.1", 0)
    with pytest.raises(ConfigError, match="cannot listen at no such host"):
        listen("no such host", 0)


def test_beyond_this_machine_it_is_served_under_the_names_that_are_allowed_and_warns(place):
    found = place("0.0.0.0", 0, ["Review.example.org", "proxy.example:8443"])
    port = port_of(found)
    own = {f"{name}:{port}" for name in LOOPBACK_NAMES}
    names = {"review.example.org", f"review.example.org:{port}", "proxy.example:8443"}
    assert not found.is_loopback and found.hosts == own | names and found.netloc == f"review.example.org:{port}"
    settings = Settings(Path(), load_domain(), "ann", "secret", found.hosts)
    lines = "\n".join(told(settings, found, "http://address"))
    assert "warning: other machines can reach" in lines and "review.example.org" in lines and "secret" not in lines
    assert "for ann" in lines and "reviews/therapy" in lines and "Ctrl-C" in lines


@pytest.mark.parametrize("name", ["", "a b", "http://x", "x/y", "x:port", "evil@x"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ConfigError, match="--allow-host"):
        listen("127.0.0.1", 0, [name])


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\tb", "a\0b", "a\u202eb", "a\u200bb", "x" * 81])
def test_a_name_that_would_not_show_in_a_line_is_refused(name):
    with pytest.raises(
        ConfigError, match="--reviewer gives the reviewer's name as .*tunewright review --reviewer NAME"
    ):
        reviewer_named(name)


def test_the_reviewer_is_who_is_named_else_gits_user_else_the_login(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGNAME", "login")
    assert reviewer_named(None) == "login"
    (tmp_path / "gitconfig").write_text("[user]\n\tname = Ann Łęcka\n")
    assert reviewer_named(None) == "Ann Łęcka" and reviewer_named(" bob ") == "bob"


def test_a_name_that_is_nearly_another_reader_s_is_told_and_marks_are_kept_in_one_form():
    assert like("anna lee", ["Anna Lee", "anna lee", "Annà-Lee", "ann"]) == ["Anna Lee", "Annà-Lee"]
    assert reviewer_named("Ann\u0061\u0300") == "Ann\u00e0"


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingInputError, match=r"needs uvicorn; install it with: pip install -e '\.\[review\]'"):
        require_packages()


def test_decisions_are_not_written_outside_of_the_repository(tmp_path):
    root = tmp_path / "repository"
    (root / "reviews").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    refuse_outside(root, "reviews/therapy")
    (root / "reviews/linked").symlink_to(tmp_path / "elsewhere")
    for folder in ("../elsewhere", str(tmp_path / "elsewhere"), "reviews/linked"):
        with pytest.raises(ConfigError, match="outside of this repository"):
            refuse_outside(root, folder)


def test_the_command_takes_a_decision_and_ends_quietly_with_the_number_of_decisions(tmp_path):
    project = ReviewProject(tmp_path)
    project.write()
    with running_app(tmp_path, "--reviewer", "ann") as app:
        with client(app) as reader:
            label = reader.post("/labels", json=decision(*things_of(project)[0], "by hand")).raise_for_status().json()
            assert "server" not in reader.get("/queue").headers
        with socket.create_connection(("127.0.0.1", int(app.origin.rpartition(":")[2]))) as raw:
            raw.sendall(b"GET /static/%2e%2e/settings.py HTTP/1.1\r\nHost: " + app.origin[7:].encode() + b"\r\n\r\n")
            assert raw.recv(100).startswith(b"HTTP/1.1 400 ")
        app.process.send_signal(signal.SIGINT)
        said, _ = app.process.communicate(timeout=30)
    assert app.process.returncode == 0 and "Traceback" not in said and "token=" not in said
    assert "written down: 1 labels, 0 preferences; next: git add reviews/therapy && git commit" in said
    assert [(x.id, x.reviewer, x.note) for x in read_labels(tmp_path / "reviews/therapy")] == [
        (label["id"], "ann", "by hand")
    ]


@pytest.mark.slow
def test_every_acknowledged_decision_is_on_disk_after_kill_9(tmp_path):
    project = ReviewProject(tmp_path)
    project.write()
    kept = kept_through_kills(project, n=200, kills=(40, 120))
    assert (kept.acknowledged, kept.lost, kept.shown) == (200, 0, True)
    assert kept.on_disk == 200 + kept.repeated and kept.repeated <= 4  # two readers, two kills

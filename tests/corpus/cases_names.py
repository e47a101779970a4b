"""Configuration, overrides, names of domains and files, keys, drafts to adopt: what people type, and conf/ itself."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT
from tests.corpus.harness import MB, Case, Way
from tests.corpus.ways import command, file_way, shipped, write
from tunewright.config import load, load_domain
from tunewright.errors import ConfigError, DraftError
from tunewright.llm import Client
from tunewright.models import ModelSpec
from tunewright.training.places import configured_trainer

SMALL = b"defaults:\n- preset: demo\n- domain: therapy\n- _self_\nseed: 1\nllm: {connections: {}}\nprep: {}\n"
TARGET = "conf/domain/tutoring"


def project() -> None:
    """A small conf/ in a repository of its own, which composes in no time."""
    write(".dvc/config", "[core]\n    no_scm = true\n    analytics = false\n")
    write(".dvc/tmp/btime", "")  # which DVC makes when it looks at a repository for the first time
    write("conf/config.yaml", SMALL)
    write("conf/preset/demo.yaml", "exchanges: 3\n")
    shipped("conf/domain/therapy.yaml", "prep/templates")


def typed(go: Callable[[str], Any], where: str, before: Callable[[], None] = project) -> Way:
    """The bytes are a word of a command, after what `before` makes."""
    held: list[str] = []

    def put(data: bytes) -> None:
        before()
        held[:] = [data.decode("utf-8", "surrogateescape")]

    return Way(put, lambda: go(held[0]), where)


def composed(override: str) -> dict[str, Any]:
    """`tunewright params OVERRIDE`, and params.yaml."""
    command("params", override)
    return yaml.safe_load(Path("params.yaml").read_text())


def drafted() -> None:
    """A domain whose drafts are not adopted yet, in a git repository."""
    project()
    domain = (ROOT / "conf/domain/therapy.yaml").read_text().replace("therapy", "tutoring")
    write(f"{TARGET}.yaml", domain)
    subprocess.run(["git", "init", "-q"], check=True)


def section(value: Any) -> bytes:
    """params.yaml with the shipped domain under other values."""
    domain = yaml.safe_load((ROOT / "params.yaml").read_bytes())["domain"]
    return json.dumps({"domain": domain | value}).encode()


def connection(**fields: Any) -> bytes:
    """params.yaml with one connection."""
    made = {"concurrency": 1, "timeout_s": 1, "attempts": 1} | fields
    return json.dumps({"llm": {"connections": {"openai": made}}}).encode()


def model(**fields: Any) -> bytes:
    """params.yaml with a model in it."""
    return json.dumps({"llm": {"user": {"model": "openai/x", "temperature": 1, "max_tokens": 9} | fields}}).encode()


def client() -> None:
    """What every stage that calls models begins with."""
    Client.from_params().close()


DOMAIN = file_way("params.yaml", load_domain)
CLIENT = file_way("params.yaml", client)
MODEL = file_way("params.yaml", lambda: load("llm.user", ModelSpec))
TRAINER = file_way("params.yaml", configured_trainer)
KEYS = file_way("params.yaml", lambda: command("params", "--check-keys"), project)
DRIFT = file_way("params.yaml", lambda: command("params", "--check"), project)
CONF = file_way("conf/config.yaml", lambda: command("params"), project)
PRESET = file_way("conf/preset/demo.yaml", lambda: command("params"), project)
READ = file_way("conf/preset/demo.yaml", lambda: command("params"), project, where="conf/")
KNOWN = file_way(
    "conf/config.yaml", lambda: command("params", "--check-keys"), lambda: (project(), write("params.yaml", "a: 1"))
)
OVERRIDE = typed(composed, "override")
COMPOSED = typed(composed, "conf/")
NEW = typed(lambda name: command("new-domain", "--", name), "name")
ADOPT = typed(lambda name: command("adopt", "--yes", "--", name), "conf/domain", drafted)
ONLY = typed(lambda name: command("adopt", "tutoring", "--yes", "--only", name), "--only", drafted)
BRIEF = file_way("mine.md", lambda: command("new-domain", "tutoring", "--from-brief", "mine.md"), project)
PREP = file_way("prep/params.yaml", lambda: command("params", "--prep"), project)
DOMAIN_FILE = file_way(f"{TARGET}.yaml", lambda: command("adopt", "tutoring", "--yes"), drafted)


def draft(name: str) -> Way:
    """A draft that is to be adopted."""
    return file_way(f"data/prep/tutoring/{name}", lambda: command("adopt", "tutoring", "--yes"), drafted)


def bad(name: str, way: Way, data: bytes | Callable[[], bytes], *says: str) -> Case:
    """An input that gives a ConfigError."""
    return Case(name, way, data, ConfigError, says)


CASES = [
    bad("params.yaml: empty", DOMAIN, b"", "no section 'domain'"),
    bad("params.yaml: a list", DOMAIN, b"- domain\n", "no section 'domain'"),
    bad("params.yaml: a conflict of git", DOMAIN, b"<<<<<<< HEAD\ndomain: {}\n=======\n", "line 2"),
    bad("params.yaml: a value that was never given", DOMAIN, section({"title": "???"}), "domain.title", "'???'"),
    bad("params.yaml: 200,000 brackets", DOMAIN, lambda: b"domain: " + b"[" * 200_000 + b"]" * 200_000, "64 levels"),
    bad("params.yaml: a domain that is a path", DOMAIN, section({"id": "../../evil"}), "'../../evil'"),
    bad("params.yaml: a domain with a newline", DOMAIN, section({"id": "a\nb"}), "domain.id"),
    bad(
        "params.yaml: a rubric outside of the project",
        DOMAIN,
        section({"rubric": "../../secret.yaml"}),
        "'../../secret.yaml'",
    ),
    bad("params.yaml: prompts anywhere on the disk", DOMAIN, section({"prompts": "/etc"}), "inside of the project"),
    bad("params.yaml: reviews in a home", DOMAIN, section({"reviews": "~/x"}), "inside of the project"),
    bad("params.yaml: a NUL in a path", DOMAIN, section({"authored": "a\0b"}), "authored"),
    bad(
        "params.yaml: conversations in the past",
        DOMAIN,
        section({"days_between_exchanges": -1}),
        "greater than or equal to 0",
    ),
    bad("params.yaml: connections that are a list", CLIENT, b"llm: {connections: [openai]}", "connections"),
    bad("params.yaml: an llm that is a word", CLIENT, b"llm: openai", "'openai'"),
    bad("params.yaml: a list for a client", CLIENT, b"[]", "a list of 0"),
    bad(
        "params.yaml: a key where its name belongs",
        CLIENT,
        connection(api_key_env="sk-proj-4fQ0planted"),
        "api_key_env",
        "19 characters",
    ),
    bad(
        "params.yaml: an address with a password",
        CLIENT,
        connection(api_base="http://me:secret@192.0.2.1/v1"),
        "not shown",
    ),
    bad("params.yaml: an address that is a file", CLIENT, connection(api_base="file:///etc/passwd"), "api_base"),
    bad("params.yaml: no tries at all", CLIENT, connection(attempts=0), "attempts"),
    bad("params.yaml: a runner of its own", CLIENT, b"runner: {kind: [a]}", "runner.kind"),
    bad("params.yaml: replies of minus one token", MODEL, model(max_tokens=-1), "max_tokens"),
    bad(
        "params.yaml: a price below nothing",
        MODEL,
        model(price={"input_usd_per_mtok": -5, "output_usd_per_mtok": 1}),
        "price",
    ),
    bad("params.yaml: a model with an escape sequence", MODEL, model(model="openai/\u202ex"), "model"),
    bad("params.yaml: no trainer", TRAINER, b"seed: 1", "trainer.place.kind", "found None"),
    bad("params.yaml: a trainer that is a list", TRAINER, b"trainer: {place: [a]}", "trainer.place.kind"),
    bad("params.yaml: a key that conf/ does not have", KEYS, b"sede: 1\n", "'sede'"),
    bad("params.yaml: not what conf/ composes to", DRIFT, b"seed: 2\n", "line 1"),
    bad("params.yaml: Latin-1", DRIFT, b"title: caf\xe9\n", "byte 0xe9"),
    bad("conf: no defaults", KNOWN, b"seed: 1\n", "defaults", "found None"),
    bad("conf: a list", KNOWN, b"[1]\n", "a list of 1"),
    bad("conf: billion laughs", CONF, lambda: SMALL + laughs(), "aliases that unfold"),
    bad("conf: a key given twice", PRESET, b"a: 1\na: 2\n", "line 2"),
    bad("conf: a number without end", PRESET, b"a: .inf\n", "finite"),
    bad("conf: a variable of the environment", READ, b"a: ${oc.env:OPENAI_API_KEY}\n", "preset.a", "api_key_env"),
    bad("conf: 50 MB", PRESET, lambda: b"a: " + b"x" * (50 * MB), "16,777,216 bytes"),
    bad("override: a variable of the environment", COMPOSED, b"seed=${oc.env:OPENAI_API_KEY}", "seed", "oc.env"),
    bad("override: two lines", OVERRIDE, b"seed=1\ninjected: 1", "control character"),
    bad("override: a bracket", COMPOSED, b"seed=[", "seed=["),
    bad("override: nothing", COMPOSED, b"", "cannot be composed"),
    bad("override: a key that there is not", COMPOSED, b"sede=1", "sede"),
    bad("override: an option that there is not", COMPOSED, b"domain=cooking", "domain/cooking"),
    bad("override: an option elsewhere on the disk", COMPOSED, b"domain=/etc/passwd", "/etc/passwd"),
    bad("override: a value that names nothing", COMPOSED, b"seed=${nothing}", "nothing"),
    bad("override: a value that names itself", COMPOSED, b"seed=${seed}", "seed"),
    Case(
        "override: a text with quotes",
        OVERRIDE,
        b"seed='a \"b\" {c}'",
        gives=lambda params: params["seed"] == 'a "b" {c}',
    ),
    Case(
        "override: a bomb that is only text",
        OVERRIDE,
        b"seed='*a &b !!python/object:os.system'",
        gives=lambda params: params["seed"].startswith("*a"),
    ),
    bad("new-domain: a path", NEW, b"../evil", "'../evil'"),
    bad("new-domain: two lines", NEW, b"a\nb", "2 to 40"),
    bad("new-domain: null", NEW, b"null", "'null'"),
    bad("new-domain: everybody's folder", NEW, b"shared", "shared"),
    bad("new-domain: an option", NEW, b"--yes", "'--yes'"),
    bad("new-domain: 5,000 letters", NEW, b"a" * 5000, "2 to 40"),
    bad("new-domain: letters that look like others", NEW, "\u0430bc".encode(), "a-z"),
    bad("new-domain: bytes that are no text", NEW, b"\xff\xfe", "2 to 40"),
    bad(
        "new-domain: one that is there",
        typed(lambda name: command("new-domain", name), "conf/domain/therapy.yaml"),
        b"therapy",
        "adopt therapy",
    ),
    bad(
        "new-domain: conf/ does not compose",
        file_way("conf/config.yaml", lambda: command("new-domain", "tutoring"), project, "conf/"),
        b"defaults: [{no: no}]",
        "cannot be composed",
    ),
    Case("new-domain: a brief that is no text", BRIEF, b"\x89PNG\r\n", DraftError, ("byte 0x89",)),
    bad("adopt: a path", ADOPT, b"../preset/demo", "'../preset/demo'"),
    bad("adopt: 5,000 letters", ADOPT, b"a" * 5000, "no such domain"),
    bad("adopt: a NUL", ADOPT, b"tutoring\0", "no such domain"),
    bad("adopt: only a path", ONLY, b"../../../x", "rubric.yaml"),
    bad(
        "adopt: a domain that writes elsewhere",
        DOMAIN_FILE,
        lambda: (
            Path(ROOT / "conf/domain/therapy.yaml")
            .read_bytes()
            .replace(b"rubric: conf", b"rubric: ../../conf")
            .replace(b"id: therapy", b"id: tutoring")
        ),
        "'../../conf/domain/therapy/rubric.yaml'",
    ),
    bad(
        "adopt: a domain under another name",
        DOMAIN_FILE,
        lambda: (ROOT / "conf/domain/therapy.yaml").read_bytes(),
        "id 'therapy'",
    ),
    bad("adopt: a draft that is no YAML", draft("rubric.yaml"), b"criteria: [\n", "line 2"),
    bad("adopt: a draft that is no text", draft("rubric.yaml"), b"\xff", "byte 0xff"),
    bad("adopt: a draft of another kind", draft("taxonomy.yaml"), b"pass_threshold: 1\n", "'pass_threshold'"),
    bad(
        "adopt: a prompt that includes a file", draft("prompts/system.md"), b"{% include '/etc/passwd' %}", "'include'"
    ),
    bad(
        "prep/params.yaml: a quote that nothing closes", PREP, b"# tunewright params --prep domain='therapy\n", "line 1"
    ),
    bad("prep/params.yaml: no text", PREP, b"\xff\xff", "byte 0xff"),
]


def laughs() -> bytes:
    """Aliases that unfold to a billion values."""
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 10)]
    return ("l0: &l0 [ha]\n" + "".join(levels)).encode()

"""YAML that people write - rubric, taxonomy, personas, calibration, flaws, frameworks, probes, import.yaml - "
"read as stages do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from tests.conftest import ROOT
from tests.corpus.harness import MB, Case, Way
from tests.corpus.ways import file_way, shipped
from tunewright.authored import load_authored
from tunewright.calibration import labelled_examples, load_calibration, load_planted
from tunewright.config import load_domain, load_file, read_yaml
from tunewright.errors import ConfigError, MissingInputError
from tunewright.frameworks import load_frameworks
from tunewright.importing.rows import ImportConfig
from tunewright.personas import load_taxonomy, load_template, sample_persona, wanted_shares
from tunewright.probes import load_probes
from tunewright.rubric import load_rubric

THERAPY = "conf/domain/therapy"


def design(name: str, load: Callable[[str], Any]) -> Way:
    """A file of the therapy domain, read by its loader."""
    path = f"{THERAPY}/{name}.yaml"
    return file_way(path, lambda: load(path))


def people() -> Any:
    """Both files that people are drawn from, and some people, as generate-personas and design-check do."""
    taxonomy, template = load_taxonomy(f"{THERAPY}/taxonomy.yaml"), load_template(f"{THERAPY}/personas.yaml")
    wanted_shares(taxonomy, template)
    return [sample_persona(n, "p", 1, taxonomy, template) for n in range(20)]


def examples() -> Any:
    """The calibration file with its authored conversations, as design-calibrate reads them."""
    path = f"{THERAPY}/calibration.yaml"
    domain = load_domain()
    return labelled_examples(load_calibration(path), load_authored(domain)[1], path)


RUBRIC = design("rubric", load_rubric)
PLANTED = design("planted", load_planted)
FRAMEWORKS = design("frameworks", load_frameworks)
TAXONOMY = file_way(f"{THERAPY}/taxonomy.yaml", people, lambda: shipped(f"{THERAPY}/personas.yaml"), "taxonomy.yaml")
TEMPLATE = file_way(f"{THERAPY}/personas.yaml", people, lambda: shipped(f"{THERAPY}/taxonomy.yaml"), "personas.yaml")
CALIBRATION = file_way(f"{THERAPY}/calibration.yaml", examples, lambda: shipped("params.yaml", "data/authored/therapy"))
PROBES = file_way("data/probes/odd.yaml", load_probes)
IMPORT = file_way("conf/import.yaml", lambda: load_file("conf/import.yaml", ImportConfig))


def changed(name: str, change: Callable[[Any], object]) -> Callable[[], bytes]:
    """A shipped file of the therapy domain after a change of its value."""

    def build() -> bytes:
        value = read_yaml(ROOT / THERAPY / f"{name}.yaml")
        change(value)
        return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).encode()

    return build


def first(value: Any, **fields: Any) -> None:
    """Other fields for the first of a list, or the first value of a mapping."""
    (value[0] if isinstance(value, list) else next(iter(value.values()))).update(fields)


def whole(name: str) -> str:
    """A shipped file of the therapy domain."""
    return (ROOT / THERAPY / f"{name}.yaml").read_text("utf-8")


def laughs() -> bytes:
    """Nine levels of ten aliases: a billion values in 500 bytes."""
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 10)]
    return ("l0: &l0 [ha, ha, ha, ha]\n" + "".join(levels) + "pass_threshold: *l9\n").encode()


def probe(check: str) -> bytes:
    """A file of one probe with this check."""
    return f"title: Odd\nprobes:\n- {{id: odd, ask: Why?, check: {check}, right: [a], wrong: [b]}}\n".encode()


def bad(name: str, way: Way, data: bytes | Callable[[], bytes], *says: str) -> Case:
    """An input that gives a ConfigError."""
    return Case(f"YAML: {name}", way, data, ConfigError, says)


CASES = [
    bad("empty", RUBRIC, b"", "the file", "found None"),
    bad("a list", RUBRIC, b"- pass_threshold\n", "found a list of 1, expected a mapping"),
    bad("a sentence", RUBRIC, b"Is the reply good?\n", "expected a mapping"),
    bad("billion laughs", RUBRIC, laughs, "line 7", "aliases that unfold"),
    bad("billion laughs in one value", FRAMEWORKS, lambda: b"frameworks: &a [1]\n" + laughs(), "aliases that unfold"),
    bad(
        "an alias in what it stands for",
        RUBRIC,
        b"categories: &a\n  heart: *a\n",
        "line 2",
        "inside of what it stands for",
    ),
    bad("an alias without an anchor", RUBRIC, b"categories: *heart\n", "line 1", "undefined alias"),
    bad("200,000 open brackets", RUBRIC, lambda: b"[" * 200_000, "line 1", "64 levels"),
    bad("200,000 brackets, all closed", RUBRIC, lambda: b"[" * 200_000 + b"]" * 200_000, "64 levels"),
    bad("20,000 dashes of lists in lists", RUBRIC, lambda: b"- " * 20_000 + b"x\n", "64 levels"),
    bad("mappings in mappings", RUBRIC, lambda: b"{a: " * 5000 + b"1" + b"}" * 5000, "64 levels"),
    bad("nesting by aliases", RUBRIC, lambda: nested_aliases(), "64 levels"),
    bad("one line of 50 MB", RUBRIC, lambda: b"background: " + b"x" * (50 * MB), "16,777,216 bytes"),
    bad("a NUL character", RUBRIC, b"pass_threshold: 0.7\nbackground: a\0b\n", "line 2", "U+0000"),
    bad("an escape character", RUBRIC, b"background: \x1b[2J\n", "line 1", "U+001B"),
    bad("a surrogate", RUBRIC, b"background: \xed\xa0\x80\n", "byte 0xed in line 1"),
    bad("an escaped surrogate", RUBRIC, b'background: "\\ud800"\n', "line 1", "invalid Unicode"),
    bad("UTF-16", RUBRIC, whole("rubric").encode("utf-16"), "UTF-16", "save it as UTF-8"),
    bad("Latin-1", RUBRIC, "background: Müller\n".encode("latin-1"), "byte 0xfc in line 1"),
    Case(
        "YAML: a byte order mark",
        RUBRIC,
        b"\xef\xbb\xbf" + whole("rubric").encode(),
        gives=lambda r: len(r.criteria) == 20,
    ),
    Case("YAML: line ends of Windows", RUBRIC, whole("rubric").replace("\n", "\r\n").encode(), gives=lambda r: r.gates),
    bad(
        "a key given twice",
        RUBRIC,
        b"pass_threshold: 0.7\ncriteria: []\npass_threshold: 0.8\n",
        "line 3",
        "given twice",
    ),
    bad("a key given twice, deep", PLANTED, b"hosts:\n  short: []\n  long: []\n  short: [a]\n", "line 4", "'short'"),
    bad("a list as a key", RUBRIC, b"? [a, b]\n: 1\n", "line 1", "a list as a key"),
    bad("a mapping as a key", RUBRIC, b"{a: 1}: 1\n", "a mapping as a key"),
    bad("a merge key", RUBRIC, b"a: &a {b: 1}\nc:\n  <<: *a\n", "line 3", "merging is not supported"),
    bad("a tab", RUBRIC, b"categories:\n\theart: 1\n", "line 2"),
    bad("an open quote", RUBRIC, b'background: "open\n', "quoted scalar"),
    bad("an open bracket", RUBRIC, b"criteria: [\na: 1\n", "flow sequence"),
    bad("two documents", RUBRIC, b"a: 1\n---\nb: 2\n", "line 2", "another document"),
    bad("a Python object", RUBRIC, b"background: !!python/object/apply:os.system [touch hacked]\n", "python/object"),
    bad("a tag of its own", RUBRIC, b"background: !secret x\n", "'!secret'"),
    bad("a number to base 60 that no float can hold", RUBRIC, b"a: " + b"1:" * 20_000 + b"1.5", "a finite number"),
    bad("a number of 5,000 digits", RUBRIC, lambda: b"pass_threshold: " + b"9" * 5000, "18 digits"),
    bad("1e999", RUBRIC, b"pass_threshold: 1e999\n", "finite"),
    bad("not a number", RUBRIC, b"pass_threshold: .nan\n", "finite"),
    bad("a day that does not exist", RUBRIC, b"background: 2026-13-45\n", "date"),
    bad("a word that is said to be a number", RUBRIC, b"pass_threshold: !!int many\n", "'many'"),
    bad(
        "rubric: a category that weighs nothing",
        RUBRIC,
        changed("rubric", lambda v: first(v["categories"], weight=0)),
        "greater than 0",
    ),
    bad(
        "rubric: weights over 1", RUBRIC, changed("rubric", lambda v: first(v["categories"], weight=0.9)), "expected 1"
    ),
    bad(
        "rubric: an unknown statistic",
        RUBRIC,
        changed("rubric", lambda v: first(v["criteria"], evaluator="measure", measure={"beauty": {}})),
        "'beauty'",
    ),
    bad(
        "rubric: no question mark",
        RUBRIC,
        changed("rubric", lambda v: first(v["criteria"], question="Is it good.")),
        "ends in '?'",
    ),
    bad(
        "rubric: an id that is a path",
        RUBRIC,
        changed("rubric", lambda v: first(v["criteria"], id="../../x")),
        "match pattern",
    ),
    bad(
        "rubric: a category that is not there",
        RUBRIC,
        changed("rubric", lambda v: first(v["criteria"], category="odd")),
        "'odd'",
    ),
    bad(
        "rubric: a criterion twice",
        RUBRIC,
        changed("rubric", lambda v: v["criteria"].append(v["criteria"][0])),
        "given twice",
    ),
    bad(
        "rubric: an empty stock phrase",
        RUBRIC,
        changed("rubric", lambda v: v["lexicon"]["praise"].append("")),
        "lower case",
    ),
    bad(
        "rubric: bounds the wrong way round",
        RUBRIC,
        changed(
            "rubric",
            lambda v: first(
                [c for c in v["criteria"] if c.get("measure")], measure={"questions_max": {"min": 2, "max": 1}}
            ),
        ),
        "min 2 above max 1",
    ),
    bad(
        "taxonomy: a dimension of its own",
        TAXONOMY,
        changed("taxonomy", lambda v: v["dimensions"].update(id={"x": 1})),
        "'id'",
    ),
    bad(
        "taxonomy: a dimension too few",
        TAXONOMY,
        changed("taxonomy", lambda v: v["dimensions"].pop("stance")),
        "stance",
    ),
    bad(
        "taxonomy: a negative weight",
        TAXONOMY,
        changed("taxonomy", lambda v: v["difficulty"].update(odd=-1)),
        "expected none below 0",
    ),
    bad(
        "taxonomy: weights as words",
        TAXONOMY,
        changed("taxonomy", lambda v: v["difficulty"].update(odd="heavy")),
        "'heavy'",
    ),
    bad(
        "taxonomy: weights over 1",
        TAXONOMY,
        changed("taxonomy", lambda v: v["difficulty"].update(odd=1)),
        "a sum of 2, expected 1",
    ),
    bad(
        "taxonomy: a topic without subtopics",
        TAXONOMY,
        changed("taxonomy", lambda v: v["subtopics"].update(odd=[])),
        "none for odd",
    ),
    bad(
        "taxonomy: a style that personas.yaml lacks",
        TAXONOMY,
        changed("taxonomy", lambda v: v["dimensions"].update(style={"odd": 1})),
        "'odd'",
    ),
    bad("personas: no styles", TEMPLATE, b"styles: {}\n", "is missing"),
    bad(
        "personas: an age of 18 digits",
        TEMPLATE,
        changed("personas", lambda v: first(v["ages"], max=10**17)),
        "less than or equal to 110",
    ),
    bad(
        "personas: ages in which nobody writes",
        TEMPLATE,
        changed("personas", lambda v: [band.update(styles=dict.fromkeys(v["styles"], 0)) for band in v["ages"]]),
        "a weight of 0 for every style",
    ),
    bad(
        "personas: a negative complexity",
        TEMPLATE,
        changed("personas", lambda v: v["complexity"].update(simple=-1)),
        "greater than or equal to 0",
    ),
    bad(
        "personas: half a thing to bring up",
        TEMPLATE,
        changed("personas", lambda v: v.update(topic_seeds={"min": 0.5, "max": 2})),
        "whole",
    ),
    bad(
        "personas: minus five things to bring up",
        TEMPLATE,
        changed("personas", lambda v: v.update(topic_seeds={"max": -5})),
        "1 or more",
    ),
    bad(
        "personas: a million things to bring up",
        TEMPLATE,
        changed("personas", lambda v: v.update(topic_seeds={"min": 10**6, "max": 10**6})),
        "at most",
    ),
    bad(
        "personas: longest words below the shortest",
        TEMPLATE,
        changed("personas", lambda v: first(v["styles"], max_words=1)),
        "max_words 1",
    ),
    bad(
        "personas: fewer habits than a person has",
        TEMPLATE,
        changed("personas", lambda v: v["flaws"].update(kinds={})),
        "found 0 kinds",
    ),
    Case(
        "YAML: personas: one thing to bring up",
        TEMPLATE,
        changed("personas", lambda v: v.update(topic_seeds={"min": 1, "max": 1})),
        gives=lambda people: {len(person.seeds) for person in people} == {1},
    ),
    bad(
        "calibration: a conversation that nobody wrote",
        CALIBRATION,
        b"examples:\n  warm:\n  - {transcript: nobody, label: pass, reason: because it is warm}\nworked: []\n",
        "'nobody'",
        "authored",
    ),
    bad(
        "calibration: an unknown label",
        CALIBRATION,
        b"examples:\n  warm:\n  - {transcript: a, label: maybe, reason: because it is warm}\nworked: []\n",
        "line 3",
        "'maybe'",
    ),
    bad(
        "planted: a flaw without its bad version",
        PLANTED,
        b"hosts: {short: [], long: []}\nflaws:\n  warm:\n  - {user: a, good: b, reason: because it is warm}\n",
        "line 4",
        "'flaws.warm.0.bad' is missing",
    ),
    bad(
        "frameworks: a mapping where a list belongs",
        FRAMEWORKS,
        b"frameworks: {a: 1}\nfailure_modes: []\nanchors: {}\n",
        "expected",
    ),
    bad("probes: no regular expression", PROBES, probe("{finds: '('}"), "regular expression"),
    bad("probes: no JSON Schema", PROBES, probe("{json: {type: 7}}"), "JSON Schema"),
    bad("probes: a schema elsewhere", PROBES, probe("{json: {$ref: 'http://192.0.2.1/x'}}"), "$ref"),
    bad("probes: an unknown check", PROBES, probe("{sounds: nice}"), "'probes.0.check.sounds'"),
    bad(
        "probes: a model that speaks last",
        PROBES,
        probe("{number: 1}").replace(b"ask: Why?", b"ask: [a, b]"),
        "odd number",
    ),
    Case(
        "YAML: probes: no files",
        file_way("data/probes/odd.txt", load_probes, where="data/probes"),
        b"",
        MissingInputError,
    ),
    bad("import.yaml: a share as a word", IMPORT, b"max_bad_share: some\n", "max_bad_share"),
]


def nested_aliases() -> bytes:
    """A hundred levels, each one line that names the one before."""
    return "".join(f"l{n}: &l{n} [{f'*l{n - 1}' if n else 1}]\n" for n in range(100)).encode()

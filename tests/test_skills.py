"""The skills say what is true of this repository; and each kind of untruth is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.skills.checking import check_skill, check_skills
from tests.skills.commands import check_command
from tests.skills.page import Page, slug
from tests.skills.repository import Repository, spelled_out
from tests.skills.shell import Unusable, simple_commands

REPOSITORY = Repository(ROOT)
SKILLS = ROOT / ".claude/skills"

GOOD = """---
name: plan-a-run
description: Plans a run. Use when somebody asks what a run costs.
---
# Plan a run

## Inputs
- `conf/config.yaml`

## Steps

### Step 1: plan
Read the [guide](cost-guide.md#what-it-costs) and run `tunewright plan generate-scores`.

```bash
dvc exp run -S preset=tight generate-scores   # a small one
```

**Gate:** `metrics/design-check.json:n_errors` is 0.

## Outputs
- [ ] `reports/design-check.md`

## Done when
- `metrics/generate-gate.json:decision` says "proceed".
- The report is read by a person: `reports/gate.md`.
"""
GUIDE = "# Costs\n\n## What it costs?\n\nSee `preset.gate.readers`, `llm=mixed`, `generate-fixup`.\n"


@pytest.fixture
def faults(tmp_path):
    """What the checker finds in a skill made of texts; the second text is its guide."""

    def of(main: str, guide: str = GUIDE, folder: str = "plan-a-run") -> list[str]:
        where = tmp_path / folder
        where.mkdir()
        (where / "SKILL.md").write_text(main, "utf-8")
        (where / "cost-guide.md").write_text(guide, "utf-8")
        return [one.fault for page in check_skill(where, REPOSITORY) for one in page.faults]

    return of


def test_every_skill_of_the_repository_says_what_is_true():
    pages = check_skills(SKILLS, REPOSITORY)
    assert len(pages) > 0
    assert [f"{one.page}:{one.line}: {one.text}: {one.fault}" for page in pages for one in page.faults] == []


def test_a_skill_in_good_form_has_no_fault(faults):
    assert faults(GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("name: plan-a-run", "name: Plan--A-run", "lower case, digits and single hyphens only"),
        ("name: plan-a-run", "name: plan-a-walk", "is not the folder's"),
        ("name: plan-a-run\n", "", "no name"),
        ("---\n# Plan", "version: 2\n---\n# Plan", "unknown field 'version'"),
        ("Plans a run.", "Plans a run for you.", "speaks of 'you'"),
        ("Plans a run.", "Plan a run.", "description begins with 'Plan'"),
        ("Use when", "If", "does not say when to use it"),
        ("Plans a run.", "Plans runs. " * 100, "at most 1024"),
        ("# Plan a run", "word\n" * 500, "under 500 are wanted"),
        ("# Plan a run", "many words of a long text " * 1000, "under 5000 are wanted"),
        ("## Outputs", "## Results", "no section ## Outputs"),
        ("[guide](cost-guide.md#what-it-costs)", "guide", "does not link cost-guide.md"),
        ("cost-guide.md#what-it-costs", "cost-guide.md#prices", "no heading #prices"),
        ("cost-guide.md#what-it-costs", "costs.md", "there is no costs.md"),
        ("**Gate:**", "Gate:", "no paragraph that begins **Gate:**"),
        ("`metrics/design-check.json:n_errors`", "the number of errors", "names no metric"),
        ("`metrics/design-check.json:n_errors`", "`data/design/check.json:n_errors`", "names no metric"),
        ("design-check.json:n_errors", "design-check.json:errors", "no stage writes errors"),
        ("generate-gate.json:decision", "generate-gates.json:decision", "no stage writes decision"),
        ("`reports/design-check.md`", "the report", "names not a path"),
        ("reports/design-check.md", "reports/design-checks.md", "no stage or command makes it"),
        ("`conf/config.yaml`", "`conf/configuration.yaml`", "no stage or command makes it"),
        ("plan generate-scores", "plan generate-score", "no stage generate-score"),
        ("`tunewright plan generate-scores`", "`tunewright plans x`", "tunewright does not take it"),
        ("`tunewright plan generate-scores`", "`tunewright plan --fast x`", "tunewright does not take it"),
        ("-S preset=tight generate-scores", "-S preset=tight generate-score", "no stage generate-score"),
        ("-S preset=tight", "-S preset=tiny", "preset=tiny"),
        ("-S preset=tight", "--choose preset=tight", "dvc does not take it"),
        ("dvc exp run", "dvd exp run", "no program that skills use"),
        ("The report is read by a person", "The report is fine", "names not a metric"),
    ],
)  # fmt: skip
def test_an_untruth_in_a_skill_is_found(faults, old, new, fault):
    assert old in GOOD
    assert any(fault in found for found in faults(GOOD.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("preset.gate.readers", "preset.gate.reader", "no file of conf/ defines it"),
        ("llm=mixed", "llm=mixture", "mixture"),
        ("generate-fixup", "generate-fixes", "no such stage"),
        ("See ", "See `TUNEWRIGHT_BUDGET`, ", "has such a word"),
        ("See ", "See `waits_to_interprete`, ", "has such a word"),
        ("See ", "See `conf/domain/<domain>/{rubric,taxonomies}.yaml`, ", "conf/domain/*/taxonomies.yaml"),
    ],
)
def test_an_untruth_in_a_guide_is_found(faults, old, new, fault):
    assert any(fault in found for found in faults(GOOD, GUIDE.replace(old, new)))


def test_a_guide_that_leads_to_a_guide_that_the_skill_does_not_link_is_found(faults):
    found = faults(GOOD, GUIDE + "\nMore in [further](further.md).\n")
    assert "cost-guide.md, line 7, leads on to further.md, which SKILL.md does not link" in found


def test_a_folder_without_a_skill_is_a_fault(tmp_path):
    (tmp_path / "empty").mkdir()
    assert [one.fault for page in check_skills(tmp_path, REPOSITORY) for one in page.faults] == ["no SKILL.md"]


@pytest.mark.parametrize(
    ("command", "how"),
    [
        ("make skills-check", "make -n"),
        ("git commit -m 'a rubric'", "git CMD -h"),
        ("pip install -e '.[review,ray]'", "its extras are in pyproject.toml"),
        ("python -m stages.design.check", "imported, its params fit"),
        ("python -m bench edits", "the module is there"),
        ("dvc repro prep/dvc.yaml:prep-rubric", "parsed by dvc, 1 targets"),
        ("TUNEWRIGHT_OFFLINE=1 dvc repro train-export@base", "parsed by dvc, 1 targets"),
        ("dvc exp run -S 'trainer.lora.alpha=8,16' --queue", "parsed by dvc, overrides found in conf/"),
        ("dvc metrics show metrics/design-check.json | cat", "parsed by dvc, 1 targets; a word of the shell"),
        ("tunewright new-domain tutoring --from-brief FILE", "parsed by tunewright, --help ran"),
        ("tunewright params domain=NAME llm=mixed", "parsed by tunewright, --help ran, overrides found in conf/"),
        ("ollama create NAME -f models/gguf/Modelfile", "not run: not of this repository"),
    ],
)
def test_a_command_that_works_is_checked_by_its_own_program(command, how):
    assert check_command(command, REPOSITORY) == how


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("make cake", "No rule to make target"),
        ("git comit", "git has no command comit"),
        ("pip install -e '.[revue]'", "no extra revue"),
        ("python -m stages.design.chek", "no module stages.design.chek"),
        ("python -m bench edit", "bench has no edit"),
        ("python -m pytest tests/test_nothing.py", "no file tests/test_nothing.py"),
        ("dvc repro prep/dvc.yaml:", "no stage"),
        ("dvc metrics show metrics/nothing.json", "no file or output metrics/nothing.json"),
        ("dvc exp run -S trainer.lora.aplha=8", "aplha"),
        ("tunewright labels exprot x.csv", "No such command"),
        ("tunewright params llm=nobody", "nobody"),
        ("tunewright forget WHOM", "WHOM is no slot"),
        ("echo 'half a quote", "the shell cannot read it"),
    ],
)
def test_a_command_that_does_not_work_is_refused_with_the_reason(command, fault):
    with pytest.raises(Unusable, match=fault):
        check_command(command, REPOSITORY)


def test_a_thorough_check_composes_what_names_alone_cannot_show():
    command = "dvc exp run -S llm=embedded -S llm.connections.openai.attempts=2"
    assert check_command(command, REPOSITORY).endswith("overrides found in conf/")
    with pytest.raises(Unusable, match="llm.connections.openai.attempts"):
        check_command(command, Repository(ROOT, thorough=True))


def test_a_shell_line_is_read_as_its_simple_commands():
    assert simple_commands("A=1 dvc repro x && make y > log.txt; cat 'a b' | less # why") == [
        ["dvc", "repro", "x"],
        ["make", "y"],
        ["cat", "a b"],
        ["less"],
    ]  # fmt: skip


def test_lines_are_those_of_the_file_and_a_backslash_goes_on():
    text = "---\nname: x\n---\n# A\n\nOne `span`\nand `two`\n\n```bash\n# said\ndvc repro \\\n  x\nmake y\n```\n"
    page = Page(Path("x.md"), text)
    assert [(piece.text, piece.line) for piece in page.spans] == [("span", 6), ("two", 7)]
    assert [(piece.text, piece.line) for piece in page.commands] == [("dvc repro x", 11), ("make y", 13)]


def test_anchors_are_github_s():
    assert slug("What it *costs*, `dvc repro` & more") == "what-it-costs-dvc-repro--more"
    assert Page(Path("x.md"), "# A b\n\n## A b\n\n### A b\n").anchors == {"a-b", "a-b-1", "a-b-2"}


def test_a_path_with_braces_and_slots_is_spelled_out():
    assert spelled_out("conf/<domain>/{a,b}.yaml") == ["conf/*/a.yaml", "conf/*/b.yaml"]

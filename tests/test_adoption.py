"""A new domain's skeleton, and drafts that become its files one accepted difference at a time."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from bench import fake_expert
from tests.conftest import ROOT
from tunewright.adoption import PROPOSED, adopt_files, candidates, domain_named, remaining_faults, uncommitted
from tunewright.authored import load_authored
from tunewright.calibration import load_planted
from tunewright.cli import app
from tunewright.config import PREP_PARAMS, Domain, load, load_domain, load_file
from tunewright.design_set import FILES, drafted, set_faults, target
from tunewright.errors import ConfigError, MissingInputError
from tunewright.imported import load_imported
from tunewright.models import ModelSpec
from tunewright.new_domain import new_domain

DRAFTS = Path("data/prep/tutoring")
RUBRIC = Path("conf/domain/tutoring/rubric.yaml")


def git(*arguments):
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments], check=True, capture_output=True)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The shipped conf/ and templates in a git and DVC repository of its own."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    for folder in ("prep/templates", "prompts/shared"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    return tmp_path


@pytest.fixture
def drafts(finished, project):
    """The project with a committed tutoring domain and finished drafts of it, not committed as in life."""
    new_domain("tutoring", (fake_expert.DRAFTS / "brief.md").read_text("utf-8"))
    (project / ".gitignore").write_text("/data/prep/\n")
    git("add", "-A")
    git("commit", "-qm", "start")
    shutil.copytree(finished / DRAFTS, DRAFTS)
    return domain_named("tutoring")


def adopt(*arguments, answers=""):
    return CliRunner().invoke(app, ["adopt", "tutoring", *arguments], input=answers)


def test_new_domain_writes_what_the_pipeline_reads_and_says_what_comes_next(project):
    found = CliRunner().invoke(app, ["new-domain", "first_aid"])
    assert found.exit_code == 0, found.output
    domain = load_file("conf/domain/first_aid.yaml", Domain)
    assert domain == load_domain(PREP_PARAMS) and (domain.title, domain.exemplars_min) == ("First aid", 0)
    assert load_authored(domain) == ([], [])
    assert load_imported(domain) == ([], []) and Path(domain.imported, ".gitkeep").exists()
    assert load_planted(domain.planted).flaws == {}
    assert "prompts/first_aid/sources/" in Path(domain.brief).read_text()
    assert all((Path(domain.reviews) / f"{name}.jsonl").read_bytes() == b"" for name in ("labels", "transcripts"))
    assert "dvc repro prep/dvc.yaml\n  tunewright adopt first_aid" in found.output


def test_prep_params_remember_the_overrides_that_made_them(project):
    new_domain("tutoring", "A brief.")
    assert CliRunner().invoke(app, ["params", "--prep", "domain=tutoring", "llm=mixed"]).exit_code == 0
    first = PREP_PARAMS.read_text()
    assert first.startswith("# tunewright params --prep domain=tutoring llm=mixed\n")
    assert CliRunner().invoke(app, ["params", "--prep"]).exit_code == 0
    assert PREP_PARAMS.read_text() == first
    assert CliRunner().invoke(app, ["params", "--prep", "llm=openai"]).exit_code == 0
    assert PREP_PARAMS.read_text().startswith("# tunewright params --prep domain=tutoring llm=openai\n")
    assert load_domain(PREP_PARAMS).id == "tutoring"
    PREP_PARAMS.write_text(first)
    assert not Path("params.yaml").exists()
    assert load("prep.anchors.expert", ModelSpec, PREP_PARAMS).model.startswith("anthropic/")


def test_an_override_whose_file_is_gone_is_told_with_the_command_that_mends_it(project):
    PREP_PARAMS.write_text("# tunewright params --prep domain=therapy llm=fake_expert\n")
    found = CliRunner().invoke(app, ["params", "--prep"]).exception
    assert isinstance(found, ConfigError) and "from 'domain=therapy llm=fake_expert': conf/: cannot be" in str(found)
    assert str(found).endswith("tunewright params --prep domain=NAME llm=NAME")
    assert CliRunner().invoke(app, ["params", "--prep", "llm=embedded"]).exit_code == 0


@pytest.mark.parametrize("text", [None, "", "domain: {id: therapy}\n"])
def test_prep_params_without_the_line_that_remembers_are_composed_from_the_defaults(text, project):
    if text is not None:
        PREP_PARAMS.write_text(text)
    assert CliRunner().invoke(app, ["params", "--prep"]).exit_code == 0
    assert load_domain(PREP_PARAMS).id == "therapy"


@pytest.mark.parametrize(
    "name",
    [
        "../escape",
        "Tutoring",
        "a",
        "x/y",
        "1st",
        "with-dash",
        ".",
        "t" * 41,
        "on",
        "no",
        "yes",
        "off",
        "true",
        "null",
        "shared",
    ],
)
def test_a_bad_name_makes_nothing(project, name):
    before = sorted(Path(".").rglob("*"))
    with pytest.raises(ConfigError, match="cannot name a domain"):
        new_domain(name, None)
    assert sorted(Path(".").rglob("*")) == before


def test_a_domain_that_is_there_is_not_touched(project):
    with pytest.raises(
        ConfigError, match="conf/domain/therapy.yaml: found it there already.* go on with: tunewright adopt"
    ):
        new_domain("therapy", None)


def test_to_go_on_is_offered_only_where_there_is_a_domain(project):
    Path("reviews/cooking").mkdir(parents=True)
    with pytest.raises(
        ConfigError, match="reviews/cooking: found it there already, .*; take another name or take that away$"
    ):
        new_domain("cooking", None)


def test_adopt_all_makes_the_set_whole_and_a_second_time_finds_nothing_to_do(drafts):
    found = adopt("--yes")
    assert found.exit_code == 0, found.output
    assert found.output.count("adopted the draft") == len(FILES)
    assert "dvc exp run -S domain=tutoring -S preset=tight generate-scores" in found.output
    assert all(target(drafts, name).read_bytes() == drafted(DRAFTS, name).read_bytes() for name in FILES)
    git("add", "-A")
    git("commit", "-qm", "drafts")
    assert "adopted" not in adopt("--yes").output and uncommitted(target(drafts, name) for name in FILES) == set()
    RUBRIC.write_text(RUBRIC.read_text() + "# mine\n")
    again = adopt("--yes", "--proposed", "--only", "rubric.yaml")
    assert "left alone, it has changes that are not committed" in again.output
    git("checkout", "--", str(RUBRIC))
    assert adopt("--yes", "--proposed").output.count("adopted the proposed") == 5
    assert remaining_faults(drafts) == []


def test_a_file_is_taken_or_left_by_the_answer_and_quitting_stops(drafts):
    found = adopt(answers="n\np\nq\n")
    frameworks, taxonomy = target(drafts, "frameworks.yaml"), target(drafts, "taxonomy.yaml")
    assert not frameworks.exists() and not RUBRIC.exists()
    assert "a word in the task that nobody explained" in taxonomy.read_text()
    assert "+  - a word in the task that nobody explained" in found.output
    assert isinstance(found.exception, ConfigError) and "is not whole yet" in str(found.exception)
    assert "conf/domain/tutoring/rubric.yaml: is not there yet" in str(found.exception)
    assert str(found.exception).endswith("and run: tunewright adopt tutoring")


def test_work_that_git_does_not_have_is_never_overwritten(drafts):
    adopt("--yes")
    git("add", "-A")
    git("commit", "-qm", "adopted")
    edited = RUBRIC.read_text().replace("pass_threshold: 0.8", "pass_threshold: 0.75")
    RUBRIC.write_text(edited)
    found = adopt("--yes", "--only", "rubric.yaml")
    assert RUBRIC.read_text() == edited and "rubric.yaml: left alone" in found.output
    git("commit", "-qam", "threshold")
    assert uncommitted([RUBRIC]) == set()
    adopt("--yes", "--only", "rubric.yaml")
    assert "pass_threshold: 0.8\n" in RUBRIC.read_text()


def test_a_file_that_is_edited_while_adopt_asks_is_left_alone(drafts):
    adopt("--yes")
    git("add", "-A")
    git("commit", "-qm", "adopted")
    edited = RUBRIC.read_text() + "# written meanwhile\n"

    def answer_late(one):
        one.target.write_text(edited)
        return PROPOSED

    found = list(adopt_files(drafts, "rubric.yaml", answer_late))
    assert RUBRIC.read_text() == edited
    assert found == [f"{RUBRIC}: left alone, it was edited meanwhile; commit it and run: tunewright adopt tutoring"]


def test_without_git_nothing_is_adopted(drafts, monkeypatch):
    RUBRIC.write_text("mine: true\n")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="there is no git here"):
        uncommitted([RUBRIC])


def test_an_ignored_file_counts_as_not_committed(drafts):
    Path(".gitignore").write_text("/data/prep/\n/conf/domain/tutoring/rubric.yaml\n")
    RUBRIC.write_text("mine: true\n")
    assert uncommitted([RUBRIC]) == {RUBRIC}


def test_a_prompt_for_another_rubric_is_told_after_adoption(drafts):
    adopt("--yes", "--proposed")
    git("add", "-A")
    git("commit", "-qm", "adopted")
    found = adopt("--yes", "--only", "rubric.yaml")
    assert "assistant.md: was checked against rubric" in str(found.exception)


def test_a_draft_that_does_not_load_is_not_offered(drafts):
    path = DRAFTS / "taxonomy.yaml"
    value = yaml.safe_load(path.read_text())
    value["dimensions"]["stance"]["wants_to_understand"] = 0.9
    path.write_text(yaml.safe_dump(value))
    with pytest.raises(ConfigError, match="weights of stance: found a sum of 1.65, expected 1"):
        candidates(drafts, None)


def test_without_drafts_or_with_a_wrong_name_the_next_command_is_named(project):
    new_domain("tutoring", "A brief.")
    with pytest.raises(MissingInputError, match="dvc repro prep/dvc.yaml"):
        candidates(domain_named("tutoring"), None)
    with pytest.raises(ConfigError, match="--only: found .* expected one file of the set"):
        candidates(domain_named("tutoring"), "brief.md")
    with pytest.raises(ConfigError, match="no such domain: found the name .*expected one that is there: .*therapy"):
        domain_named("cooking")


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("taxonomy.yaml", "  share: 0.15", "  share: 0.4", "edge-case share: 40%, wanted 10% to 20%"),
        ("system.md", "You are", "TODO You are", "placeholders: placeholder 'TODO'"),
    ],
)
def test_a_design_that_design_check_would_stop_at_is_not_called_whole(name, old, new, told, drafts):
    adopt("--yes")
    place = target(drafts, name)
    assert place.read_text().count(old) == 1
    place.write_text(place.read_text().replace(old, new))
    assert set_faults({file: target(drafts, file) for file in FILES}) == []
    assert any(told in fault and fault.startswith(f"{place}:") for fault in remaining_faults(drafts))


def test_the_scripted_expert_has_an_answer_to_every_schema():
    for schema, name in fake_expert.WHOLE.items():
        assert fake_expert.draft(schema, []) == fake_expert.read(name)
    with pytest.raises(KeyError, match="no draft for the schema 'Poem'"):
        fake_expert.draft("Poem", [])

"""Versions of a design are found in real git repositories and told with what changed and the numbers of then."""

import json
import os
import subprocess

import pytest
import yaml
from typer.testing import CliRunner

from tests.conftest import rubric_fields
from tunewright import history_table
from tunewright.cli import app
from tunewright.errors import ConfigError, RepositoryError
from tunewright.freshness import file_md5, folder_md5
from tunewright.history import read_history

DOMAIN = {"id": "cats", "rubric": "conf/domain/cats/rubric.yaml", "prompts": "prompts/cats"}
SCORES, COMPARE = "metrics/generate-scores.json", "metrics/evaluate-compare.json"


class Project:
    """A git repository with a small design, at one minute a commit."""

    def __init__(self, folder):
        self.folder, self.minute = folder, 0
        self.rubric = rubric_fields()
        self.git("init", "-q", "-b", "main")

    def git(self, *words):
        now = f"2026-01-{1 + self.minute // 1440:02}T{self.minute // 60 % 24:02}:{self.minute % 60:02}:00+0000"
        who = {f"GIT_{role}_{what}": "x@y.z" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        dates = {
            "GIT_AUTHOR_DATE": now,
            "GIT_COMMITTER_DATE": now,
            "HOME": str(self.folder),
            "PATH": os.environ["PATH"],
        }
        done = subprocess.run(["git", *words], cwd=self.folder, env=who | dates, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, files):
        for path, content in files.items():
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(content) if path.endswith(".json") else yaml.safe_dump(content, sort_keys=False)
            target.write_text(content if isinstance(content, str) else text)

    def commit(self, subject, files=None, remove=()):
        """Commit files (text, or what becomes YAML or JSON) and give the short hash."""
        self.minute += 1
        self.write(files or {})
        for path in remove:
            (self.folder / path).unlink()
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject)
        return self.git("rev-parse", "--short=7", "HEAD")

    def start(self):
        """The first commit: params.yaml, a rubric of five criteria, two prompts and the judge's."""
        return self.commit("Begin", {
            "params.yaml": {"domain": DOMAIN, "preset": {"epochs": 1}, "train": {"adapter": {"epochs": 1}}},
            DOMAIN["rubric"]: self.rubric,
            "prompts/cats/assistant.md": "Be kind.\nBe brief.\n",
            "prompts/cats/user.md": "You have a cat.\nIt is ill.\nYou worry.\n",
            "prompts/shared/judge.md": "Answer YES or NO.\n",
            "conf/domain/cats/taxonomy.yaml": {"topics": ["fur"]},
        })  # fmt: skip

    def lock(self):
        """A dvc.lock in which the scores were computed from the files as they are now."""
        prompt = out("prompts/cats/assistant.md", self.md5("prompts/cats/assistant.md"))
        criteria = {"criteria": self.rubric["criteria"]}
        prompts = {p.name: p.read_bytes() for p in (self.folder / "prompts/cats").iterdir()}
        return {"schema": "2.0", "stages": {
            "design-check": {"deps": [out("prompts/cats", folder_md5(prompts))], "outs": [out("data/check.json")]},
            "generate-transcripts": {"deps": [prompt, out("data/check.json")], "outs": [out("data/transcripts.jsonl")]},
            "generate-verdicts": {
                "deps": [out("data/transcripts.jsonl")], "params": {DOMAIN["rubric"]: criteria},
                "outs": [out("data/verdicts.jsonl")],
            },
            "generate-scores": {
                "deps": [out("data/verdicts.jsonl"), out(DOMAIN["rubric"], self.md5(DOMAIN["rubric"]))],
                "outs": [out(SCORES, self.md5(SCORES))],
            },
        }}  # fmt: skip

    def md5(self, path):
        """DVC's hash of a file as it is now; "0" without one."""
        return file_md5((self.folder / path).read_bytes()) if (self.folder / path).exists() else "0"


def out(path, md5="0"):
    return {"path": path, "md5": md5, "hash": "md5"}


def scores(passed, failed):
    return {"n_passed": passed, "n_failed": failed, "pass_rate": round(passed / (passed + failed), 4)}


def rows(limit=20, everything=False, asked=None, with_experiments=True):
    return read_history(limit, everything, asked, with_experiments).rows


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def changes(**rest):
    return [row.change for row in rows(**rest)]


def test_the_first_version_is_told_with_its_hashes_its_date_and_no_numbers(project):
    commit = project.start()
    (row,) = rows()
    assert (row.name, row.date, row.is_experiment) == (commit, "2026-01-01", False)
    assert row.change == "first version of cats here: 3 prompts, 5 criteria"
    assert row.rubric == project.git("rev-parse", f"HEAD:{DOMAIN['rubric']}")[:7]
    assert history_table.pass_rate(row) == history_table.agreement(row) == history_table.decisions(row) == ["-"]


def test_an_edited_criterion_a_weight_a_threshold_and_a_prompt_are_rows_newest_first(project):
    project.start()
    project.rubric["criteria"][0]["question"] = "Is the coach kind to the cat?"
    project.rubric["criteria"][1]["min_exchanges"] = 2
    project.commit("Cats", {DOMAIN["rubric"]: project.rubric})
    project.rubric["categories"]["heart"]["weight"], project.rubric["categories"]["form"]["weight"] = 0.5, 0.5
    project.rubric["pass_threshold"] = 0.75
    project.commit("Even weights", {DOMAIN["rubric"]: project.rubric})
    project.commit("Not the design", {"README.md": "Cats\n"})
    project.commit("Kinder", {"prompts/cats/assistant.md": "Be very kind.\nBe brief.\nMean it.\n"})
    assert changes()[:3] == [
        "assistant.md +2 -1",
        "rubric: weight of heart 0.6 -> 0.5, form 0.4 -> 0.5; pass_threshold 0.7 -> 0.75",
        "rubric: reworded warm; edited curious (min_exchanges)",
    ]
    newest, weights, reworded, first = rows()
    assert newest.rubric == weights.rubric != reworded.rubric != first.rubric
    assert newest.prompts != weights.prompts == reworded.prompts == first.prompts


def test_criteria_added_and_removed_and_a_comment_alone_are_told(project):
    project.start()
    text = (project.folder / DOMAIN["rubric"]).read_text()
    project.commit("Comment", {DOMAIN["rubric"]: "# Cats.\n" + text})
    project.rubric["criteria"][1] = project.rubric["criteria"][0] | {"id": "gentle"}
    project.commit("Gentle", {DOMAIN["rubric"]: project.rubric})
    project.commit("Broken", {DOMAIN["rubric"]: "criteria: [\n"})
    broken, gentle, comment, _ = changes()
    assert comment == "rubric: comments, order or layout"
    assert gentle == "rubric: added gentle; removed curious"
    assert broken.startswith("rubric +1 -") and broken.endswith("(not valid YAML)")


def test_other_design_files_and_shared_prompts_count_and_code_does_not(project):
    project.start()
    project.commit("Code", {"stages/x.py": "1\n"})
    project.commit("Topics", {"conf/domain/cats/taxonomy.yaml": {"topics": ["fur", "claws"]}})
    project.commit("Judge", {"prompts/shared/judge.md": "Answer YES, NO or NA.\n"})
    assert changes()[:-1] == ["shared/judge.md +1 -1", "taxonomy.yaml +1 -0"]
    assert changes(everything=True)[:-1] == ["shared/judge.md +1 -1", "taxonomy.yaml +1 -0", "Code"]


def test_files_that_come_and_go_are_named_together_and_a_submodule_is_no_file(project):
    project.start()
    more = {f"conf/domain/cats/{name}.yaml": {name: 1} for name in ("calibration", "frameworks", "planted", "x", "y")}
    project.commit("More", more)
    project.git("update-index", "--add", "--cacheinfo", f"160000,{'a' * 40},prompts/cats/sub")
    project.git("commit", "-q", "-m", "Submodule")
    project.git("rm", "-q", "--cached", "prompts/cats/sub")
    project.commit("Less", remove=["conf/domain/cats/x.yaml"])
    assert changes()[:-1] == ["x.yaml removed", "calibration.yaml, frameworks.yaml, planted.yaml and 2 more added"]


def test_a_renamed_prompt_is_told_as_one_also_with_an_edit(project):
    project.start()
    project.git("mv", "prompts/cats/assistant.md", "prompts/cats/vet.md")
    project.commit("Rename")
    edited = {"prompts/cats/owner.md": "You have a cat.\nIt is ill.\nYou are calm.\n"}
    project.commit("Rename and edit", edited, remove=["prompts/cats/user.md"])
    assert changes()[:2] == ["user.md renamed to owner.md +1 -1", "assistant.md renamed to vet.md"]


def test_moving_the_folder_of_the_prompts_is_no_new_version(project):
    project.start()
    project.git("mv", "prompts/cats", "prompts/felines")
    project.commit("Move", {"params.yaml": {"domain": DOMAIN | {"prompts": "prompts/felines"}}})
    assert len(rows()) == 1


def test_metrics_of_the_same_design_are_a_version_told_by_the_commit_s_subject(project):
    project.start()
    project.write({SCORES: scores(8, 2)})
    project.commit("Run it", {"dvc.lock": project.lock()})
    project.commit("The same numbers, laid out anew", {SCORES: json.dumps(scores(8, 2), indent=8)})
    row = rows()[0]
    assert row.change == "Run it"
    # Wilson, 8 of 10 at 95%: centre (0.8 + 0.19207) / 1.38415 = 0.71674, half 1.41603 * 0.16001 = 0.22658
    assert history_table.pass_rate(row) == ["0.800 (8/10)", "0.49 to 0.94"]


def test_a_metric_of_an_earlier_design_has_a_star_until_it_is_computed_again(project):
    project.start()
    project.write({SCORES: scores(8, 2)})
    project.commit("Run it", {"dvc.lock": project.lock()})
    project.commit("Kinder", {"prompts/cats/assistant.md": "Be kinder.\n"})
    project.write({SCORES: scores(9, 1)})
    project.commit("Run again", {"dvc.lock": project.lock()})
    project.rubric["pass_threshold"] = 0.9
    project.commit("Stricter", {DOMAIN["rubric"]: project.rubric})
    assert [history_table.pass_rate(row)[0] for row in rows()] == [
        "0.900 (9/10)*", "0.900 (9/10)", "0.800 (8/10)*", "0.800 (8/10)", "-",
    ]  # fmt: skip


def test_a_metrics_file_that_dvc_lock_does_not_know_has_a_star_and_one_without_a_lock_a_question_mark(project):
    project.start()
    project.commit("No lock", {SCORES: scores(1, 1)})
    lock = project.lock()
    project.commit("By hand", {SCORES: scores(2, 0), "dvc.lock": lock})
    assert [history_table.pass_rate(row)[0] for row in rows()] == ["1.000 (2/2)*", "0.500 (1/2)?", "-"]


def test_a_prompt_that_the_scores_do_not_rest_on_gives_them_no_star(project):
    project.start()
    project.write({SCORES: scores(8, 2)})
    project.commit("Run it", {"dvc.lock": project.lock()})
    assert rows()[0].marks["design-check"] == "*"  # it never read the rubric
    project.commit("User", {"prompts/cats/user.md": "You have a dog.\n"})
    assert rows()[0].marks == {
        "design-check": "*", "generate-scores": "", "design-calibrate": "?", "generate-gate": "?",
        "evaluate-compare": "?",
    }  # fmt: skip


def test_a_folder_among_the_deps_is_compared_by_its_listing(project):
    project.start()
    lock = project.lock()
    lock["stages"]["design-check"]["deps"].append(out(DOMAIN["rubric"], project.md5(DOMAIN["rubric"])))
    project.commit("Check", {"metrics/design-check.json": {"n_errors": 0}, "dvc.lock": lock})
    project.commit("User", {"prompts/cats/user.md": "You have a dog.\n"})
    assert [history_table.check(row) for row in rows()] == ["ok*", "ok", "-"]


def test_a_granular_param_of_the_rubric_is_compared_by_value(project):
    project.start()
    project.write({SCORES: scores(8, 2)})
    project.commit("Run it", {"dvc.lock": project.lock()})
    assert rows()[0].marks["generate-scores"] == ""
    project.rubric["criteria"][0]["question"] = "Is the coach kind to the cat?"
    project.write({DOMAIN["rubric"]: project.rubric})
    lock = project.lock()
    lock["stages"]["generate-verdicts"]["params"][DOMAIN["rubric"]] = {"criteria": rubric_fields()["criteria"]}
    project.commit("Scored again, but not judged again", {"dvc.lock": lock})
    assert rows()[0].marks["generate-scores"] == "*"


def test_a_quoted_no_in_the_rubric_is_the_plain_no_of_dvc_lock(project):
    project.rubric["lexicon"]["praise"] = ["PRAISE"]
    project.start()
    text = (project.folder / DOMAIN["rubric"]).read_text()
    project.write({SCORES: scores(8, 2), DOMAIN["rubric"]: text.replace("PRAISE", "'no'")})
    lock = project.lock()
    lock["stages"]["generate-verdicts"]["params"][DOMAIN["rubric"]] = {"lexicon.praise": ["PRAISE"]}
    project.commit("Run it", {"dvc.lock": yaml.safe_dump(lock).replace("PRAISE", "no")})
    assert rows()[0].marks["generate-scores"] == ""


def test_judges_the_gate_the_check_and_the_comparison_are_shown_as_the_metrics_say(project):
    project.start()
    judge = {"kappa": 0.414, "accuracy": 0.8, "n_trusted": 5, "n_criteria": 14}
    project.commit("All", {
        "metrics/design-calibrate.json": {"judges": {"small": judge, "mute": judge | {"kappa": None}}},
        "metrics/generate-gate.json": {"decision": "iterate"},
        "metrics/design-check.json": {"n_errors": 2},
        COMPARE: {"decision": "ship", "difference": 0.12},
    })  # fmt: skip
    row = rows()[0]
    assert history_table.agreement(row) == ["small 0.41 (5/14)?", "mute - (5/14)?"]
    assert history_table.decisions(row) == ["check 2 errors?", "gate iterate?", "ship?", "tuned +0.120?"]


def test_no_decided_conversation_is_no_rate_of_zero(project):
    project.start()
    project.commit("None", {SCORES: {"n_passed": 0, "n_failed": 0, "pass_rate": None}})
    assert history_table.pass_rate(rows()[0]) == ["none decided?"]


def test_a_merge_is_a_version_where_it_is_none_of_its_parents(project):
    project.start()
    project.git("checkout", "-q", "-b", "side")
    project.commit("Side", {"prompts/cats/user.md": "You have a dog.\n"})
    project.git("checkout", "-q", "main")
    project.git("merge", "-q", "--no-ff", "side", "-m", "Only the side changed")
    project.git("checkout", "-q", "-b", "other")
    project.commit("Other", {"prompts/cats/assistant.md": "Bark.\n"})
    project.git("checkout", "-q", "main")
    project.commit("Main", {"prompts/shared/judge.md": "Answer.\n"})
    project.minute += 1
    project.git("merge", "-q", "other", "-m", "Both changed")
    assert changes()[:4] == [
        "merge: assistant.md +1 -2",
        "shared/judge.md +1 -1",
        "assistant.md +1 -2",
        "user.md +1 -3",
    ]
    assert len(rows()) == 5


def test_a_params_yaml_that_does_not_parse_is_said_and_the_design_goes_on(project):
    project.start()
    project.commit("Break", {"params.yaml": "domain: {id: cats\nseed: 1\n"})
    project.commit("Edit", {"prompts/cats/assistant.md": "Be kind.\n"})
    project.commit("Mend", {"params.yaml": {"domain": DOMAIN}})
    fault = "params.yaml is not valid YAML (line 2)"
    assert changes()[:3] == ["Mend", f"{fault}; assistant.md +0 -1", fault]
    assert len({row.rubric for row in rows()}) == 1


def test_a_metrics_file_that_is_no_json_is_said(project):
    project.start()
    project.commit("Conflict", {SCORES: "<<<<<<< HEAD\n"})
    assert changes()[0] == "metrics/generate-scores.json is not a JSON object"


def test_another_domain_is_a_version_of_its_own_and_its_metrics_are_not_the_first_s(project):
    project.start()
    project.commit("Run", {SCORES: scores(8, 2)})
    dogs = {"id": "dogs", "rubric": "conf/domain/dogs/rubric.yaml", "prompts": "prompts/dogs"}
    project.commit("Draft dogs", {
        "conf/domain/dogs.yaml": dogs, dogs["rubric"]: project.rubric, "prompts/dogs/assistant.md": "Bark.\n",
    })  # fmt: skip
    project.commit("Switch", {"params.yaml": {"domain": dogs}})
    assert changes()[0] == "domain dogs in place of cats"
    (dog,) = [row for row in rows(asked="dogs") if row.change.startswith("first")]
    assert dog.change == "first version of dogs here: 2 prompts, 5 criteria" and dog.numbers.pass_rate is None
    with pytest.raises(ConfigError, match="--domain birds: no commit or experiment has this domain"):
        rows(asked="birds")


def test_a_project_in_a_folder_of_its_repository_has_its_history(project, monkeypatch):
    project.start()
    (project.folder / "sub").mkdir()
    project.git("mv", "conf", "params.yaml", "prompts", "sub")
    project.commit("Move down")
    project.commit("Edit", {"sub/prompts/cats/assistant.md": "Be kind.\n"})
    monkeypatch.chdir(project.folder / "sub")
    assert changes() == ["assistant.md +0 -1", "first version of cats here: 3 prompts, 5 criteria"]


def test_no_repository_no_commit_and_no_domain_are_one_message_each(project, monkeypatch):
    with pytest.raises(RepositoryError, match="no commit yet"):
        rows()
    project.commit("Empty")
    with pytest.raises(ConfigError, match="no commit has a params.yaml with a domain"):
        rows()
    monkeypatch.setenv("GIT_DIR", str(project.folder / "nowhere"))
    with pytest.raises(RepositoryError, match="not a git repository.*; run this in"):
        rows()


def test_a_shallow_clone_gives_what_it_has_and_says_so(project, tmp_path_factory, monkeypatch):
    project.start()
    project.commit("Edit", {"prompts/cats/assistant.md": "Be kind.\n"})
    clone = tmp_path_factory.mktemp("clone")
    project.git("clone", "-q", "--depth", "1", f"file://{project.folder}", str(clone))
    monkeypatch.chdir(clone)
    found = read_history(20, False, None, True)
    assert [row.change for row in found.rows] == ["first version of cats here: 3 prompts, 5 criteria"]
    assert any("git fetch --unshallow" in note for note in history_table.notes(found))


def test_two_hundred_commits_are_read_and_the_limit_says_how_many_there_are(project):
    project.start()
    for number in range(199):
        project.commit(f"Edit {number}", {"prompts/cats/assistant.md": f"Be kind.\nBe brief.\nNumber {number}.\n"})
    found = read_history(5, False, None, True)
    assert (len(found.rows), found.n_versions, found.n_commits) == (5, 200, 200)
    assert "the newest 5 of 200 versions; all: --limit 200" in history_table.notes(found)
    assert len(rows(limit=200)) == 200


def experiment(project, name, files):
    """An experiment as DVC stores it: a commit on its baseline, under refs/exps, and no branch."""
    head = project.git("rev-parse", "HEAD")
    project.commit("dvc: commit experiment 0123", files)
    project.git("update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", "HEAD")
    project.git("reset", "-q", "--hard", head)


def test_an_experiment_is_compared_with_its_baseline_and_told_by_its_params_or_its_design(project):
    project.start()
    twice = {"domain": DOMAIN, "preset": {"epochs": 2}, "train": {"adapter": {"epochs": 2}}}
    experiment(project, "loud-cat", {"params.yaml": twice, SCORES: scores(7, 3)})
    experiment(project, "kind-cat", {"prompts/cats/assistant.md": "Be kind.\n"})
    experiment(project, "idle-cat", {"README.md": "Nothing of the design\n"})
    base = project.git("rev-parse", "HEAD")
    project.git("update-ref", "refs/exps/celery/stash", base)
    project.git("update-ref", "refs/exps/celery/failed", base)
    project.commit("Later", {"prompts/cats/user.md": "You have a dog.\n"})
    assert [(row.name, row.change) for row in rows() if row.is_experiment] == [
        ("kind-cat", "assistant.md +0 -1"),
        ("loud-cat", "params: preset.epochs 1 -> 2"),
    ]
    assert [row.is_experiment for row in rows()] == [False, True, True, False]
    assert not any(row.is_experiment for row in rows(with_experiments=False))
    assert "the same design and params" in changes(everything=True)


def test_an_experiment_on_a_commit_that_was_amended_is_still_compared_with_it(project):
    project.start()
    project.commit("Edit", {"prompts/cats/assistant.md": "Be kind.\n"})
    experiment(project, "loud-cat", {"prompts/cats/user.md": "You have a dog.\n"})
    project.git("commit", "-q", "--amend", "-m", "Edit, amended")
    assert changes()[:2] == ["user.md +1 -3", "assistant.md +0 -1"]


def test_an_experiment_on_a_commit_that_is_not_here_says_so(project):
    project.start()
    project.git("update-ref", f"refs/exps/ab/{'c' * 38}/lost-cat", "HEAD")
    assert changes(everything=True)[0] == "run on abccccc, which this clone does not have"


def test_an_experiment_whose_clock_ran_behind_still_stands_above_its_baseline(project):
    project.minute = 60
    project.start()
    project.minute = 10
    experiment(project, "late-cat", {SCORES: scores(1, 1)})
    assert [row.is_experiment for row in rows()] == [True, False]


def test_a_folder_s_hash_is_the_one_that_dvc_records(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {"b.md": b"two\n", "a/c.md": "drei \u00fc\n".encode()}
    for path, content in files.items():
        target = tmp_path / "prompts" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    for command in (["dvc", "init", "-q", "--no-scm"], ["dvc", "add", "-q", "prompts"]):
        subprocess.run(command, check=True, env=os.environ | {"DVC_NO_ANALYTICS": "1"})
    recorded = yaml.safe_load((tmp_path / "prompts.dvc").read_text())["outs"][0]["md5"]
    assert folder_md5(files) == recorded


@pytest.mark.slow
def test_a_real_experiment_of_dvc_is_a_row_and_queued_and_failed_ones_are_not(project):
    def dvc(*words):
        env = os.environ | {"DVC_NO_ANALYTICS": "1"}
        return subprocess.run(["dvc", *words], capture_output=True, text=True, env=env)

    for key in ("user.name", "user.email"):
        project.git("config", key, "x@y.z")
    dvc("init", "-q")
    score = "import json, yaml; n = yaml.safe_load(open('params.yaml'))['n']; assert n < 9; "
    score += f"json.dump(dict(n_passed=n, n_failed=9 - n, pass_rate=n / 9), open('{SCORES}', 'w'))"
    scored = {"cmd": f'python -c "{score}"', "deps": [DOMAIN["rubric"], "prompts/cats"], "params": ["n"]}
    scored["metrics"] = [{SCORES: {"cache": False}}]
    (project.folder / "metrics").mkdir()
    project.write({"dvc.yaml": {"stages": {"generate-scores": scored}}, "metrics/.gitignore": ""})
    project.start()
    project.write({"params.yaml": {"domain": DOMAIN, "n": 3}})
    dvc("repro", "-q")
    project.commit("Run it")
    assert dvc("exp", "run", "-q", "-S", "n=6", "--name", "six").returncode == 0
    assert dvc("exp", "run", "-q", "--queue", "-S", "n=10", "--name", "fails").returncode == 0
    assert "Failed to reproduce experiment(s) 'fails'" in dvc("exp", "run", "-q", "--run-all").stderr
    project.git("checkout", "-q", ".")
    assert dvc("exp", "run", "-q", "--queue", "-S", "n=5", "--name", "queued").returncode == 0
    six, run, _ = rows()
    assert (six.name, six.is_experiment, six.change) == ("six", True, "params: n 3 -> 6")
    assert history_table.pass_rate(six)[0] == "0.667 (6/9)" and history_table.pass_rate(run)[0] == "0.333 (3/9)"


def test_the_command_fits_a_hundred_columns_and_writes_nothing(project, monkeypatch):
    project.start()
    project.commit("[bold]Marked up[/bold] | and \x1b[31mred " + "long " * 40, {SCORES: scores(8, 2)})
    monkeypatch.setenv("COLUMNS", "100")
    shown = CliRunner().invoke(app, ["history"]).output
    assert max(map(len, shown.splitlines())) <= 100
    assert "[bold]Marked up[/bold]" in shown and "\x1b" not in shown and "0.800 (8/10)?" in shown
    assert shown.startswith("cats: 2 versions in 2 commits\n") and "? dvc.lock at that revision" in shown
    assert project.git("status", "--porcelain") == ""


def test_long_names_of_experiments_and_judges_are_folded_and_not_cut(project, monkeypatch):
    project.start()
    judge = {"kappa": -0.1, "n_trusted": 0, "n_criteria": 14}
    experiment(project, "grumpy-marmalade-experiment-27", {
        "metrics/design-calibrate.json": {"judges": {"a-very-long-name-of-a-judge": judge, "b": judge}},
        "metrics/generate-gate.json": {"decision": "major revision"}, SCORES: scores(957, 43),
        COMPARE: {"decision": "do not deploy", "difference": -0.12},
        DOMAIN["rubric"]: project.rubric | {"pass_threshold": 0.75, "lexicon": {}},
    })  # fmt: skip
    monkeypatch.setenv("COLUMNS", "100")
    shown = CliRunner().invoke(app, ["history"]).output
    assert max(map(len, shown.splitlines())) <= 100
    squeezed = "".join("".join(line[:14] for line in shown.splitlines()).split())
    assert "grumpy-marmalade-experiment-272026-01-01" in squeezed
    assert "do not deploy?" in shown and "tuned -0.120?" in shown and "0.957 (957/1000)?" in shown


def test_markdown_has_a_line_for_each_version(project):
    project.start()
    project.commit("One | two", {SCORES: scores(8, 2)})
    experiment(project, "loud-cat", {SCORES: scores(9, 1)})
    lines = CliRunner().invoke(app, ["history", "--format", "markdown", "--limit", "2"]).output.splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert table[0].startswith("| version | date | prompts | rubric | what changed | pass rate | agreement |")
    assert "| loud-cat (experiment) | 2026-01-01 |" in table[2] and "| the same design and params |" in table[2]
    assert "| One \\| two | 0.800 (8/10)?, 0.49 to 0.94 | - | - | - | - | - |" in table[3]
    assert len(table) == 4
    assert lines[-3] == "- the newest 2 of 3 versions; all: --limit 3"
    assert lines[-2].startswith("- ? dvc.lock at that revision") and lines[-1].startswith("- interval: Wilson")

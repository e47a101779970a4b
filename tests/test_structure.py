"""The repository keeps its own rules: one address per stage, dvc.yaml against imports, params.yaml against conf/."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tunewright.composing import composed_text, prep_text, remembered
from tunewright.config import CONF, PREP_PARAMS
from tunewright.report_price import price_line
from tunewright.structure import dependencies, first_party_imports

ROOT = Path(__file__).parents[1]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))


def _stages(path: str) -> dict[str, dict]:
    raw = yaml.safe_load((ROOT / path).read_text("utf-8"))["stages"]
    return {name: stage.get("do", stage) for name, stage in raw.items()}


STAGES = _stages("dvc.yaml")
PREP_STAGES = _stages("prep/dvc.yaml")
ALL_STAGES = STAGES | PREP_STAGES


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_has_one_address_everywhere(name: str) -> None:
    phase, stage = name.split("-", 1)
    assert (ROOT / f"stages/{phase}/{stage}.py").exists()
    assert STAGES[name]["cmd"].startswith(f"python -m stages.{phase}.{stage}")
    assert stage in PARAMS[phase]
    assert f"{phase}.{stage}" in STAGES[name]["params"]
    assert (ROOT / f"tests/stages/{phase}/test_{stage}.py").exists()
    if name != "evaluate-report":  # its numbers are the other stages'
        assert any(f"metrics/{name}" in str(metric) for metric in STAGES[name].get("metrics", []))


def test_every_stage_file_is_in_the_pipeline() -> None:
    files = {f"{p.parent.name}-{p.stem}" for p in (ROOT / "stages").glob("*/*.py") if p.stem != "__init__"}
    assert files == set(ALL_STAGES)


@pytest.mark.parametrize("name", PREP_STAGES)
def test_a_drafting_stage_has_one_address_too_in_a_params_file_of_its_own(name: str) -> None:
    stage, address = PREP_STAGES[name], name.removeprefix("prep-")
    [params] = stage["params"]
    assert (stage["wdir"], stage["cmd"]) == ("..", f"python -m stages.prep.{address}")
    assert address in PARAMS["prep"] and f"prep.{address}" in params["prep/params.yaml"]
    assert (ROOT / f"tests/stages/prep/test_{address}.py").exists()
    assert all(out.startswith("data/prep/${domain.id}/") for out in stage["outs"])


@pytest.mark.parametrize("name", PREP_STAGES)
def test_a_drafting_stage_depends_on_the_prompts_that_it_names(name: str) -> None:
    source = (ROOT / f"stages/prep/{name.removeprefix('prep-')}.py").read_text("utf-8")
    named = set(re.findall(r"prompts/shared/draft_\w+\.md", source)) | {"prompts/shared/draft_repair.md"}
    listed = {dep for dep in PREP_STAGES[name]["deps"] if dep.startswith("prompts/shared/draft_")}
    assert listed == named


def test_prep_params_are_what_the_command_on_their_first_line_composes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert PREP_PARAMS.read_text("utf-8") == prep_text(remembered())


@pytest.mark.parametrize("name", ALL_STAGES)
def test_a_stage_depends_on_every_first_party_module_that_it_imports(name: str) -> None:
    phase, stage = name.split("-", 1)
    wanted = {str(path) for path in dependencies(Path(f"stages/{phase}/{stage}.py"), ROOT)}
    listed = {dep for dep in ALL_STAGES[name]["deps"] if dep.endswith(".py")}
    assert listed == wanted


def test_stages_never_import_stages_and_the_library_never_imports_stages() -> None:
    for path in [*(ROOT / "stages").rglob("*.py"), *(ROOT / "tunewright").rglob("*.py")]:
        imported = [str(p) for p in first_party_imports(path, ROOT) if p.parts[0] == "stages"]
        assert not imported, f"{path} imports {imported}"


def test_params_yaml_is_what_conf_composes_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert (ROOT / "params.yaml").read_text("utf-8") == composed_text([])


def _options(group: str) -> list[str]:
    return sorted(path.stem for path in (ROOT / CONF / group).glob("*.yaml"))


@pytest.mark.parametrize(
    "override", [f"{g}={o}" for g in ("preset", "llm", "base_model", "trainer", "runner") for o in _options(g)]
)
def test_every_option_of_conf_composes_and_fits_every_stage_config(
    override: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import import_module

    from tunewright.config import load

    monkeypatch.chdir(ROOT)
    text = composed_text([override])
    (tmp_path / "params.yaml").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    for name in ALL_STAGES:
        phase, stage = name.split("-", 1)
        load(f"{phase}.{stage}", import_module(f"stages.{phase}.{stage}").Config)


def test_where_and_how_fast_is_never_a_tracked_param() -> None:
    for name, stage in ALL_STAGES.items():
        listed = [p if isinstance(p, str) else p.get("prep/params.yaml", []) for p in stage.get("params", [])]
        tracked = [p for one in listed for p in ([one] if isinstance(one, str) else one)]
        assert not [p for p in tracked if p.startswith(("llm", "runner", "trainer"))], name


@pytest.mark.parametrize("path", [*sorted((ROOT / "conf/domain").glob("*.yaml")), ROOT / "prep/templates/domain.yaml"])
def test_a_domain_s_file_names_params_that_there_are_and_has_the_folders_that_drafting_reads(path: Path) -> None:
    for address in re.findall(r"\bdesign(?:\.\w+)+", path.read_text("utf-8")):
        value = PARAMS
        for key in address.split("."):
            value = value[key]
    folders = [ROOT / "prompts" / path.stem / name for name in ("sources", "mended")]
    assert path.parent.name != "domain" or all((folder / ".gitkeep").exists() for folder in folders)


def test_what_to_install_is_told_as_this_folder_installs_it() -> None:
    told = [p for p in (ROOT / "tunewright").rglob("*.py") if "pip install 'tunewright" in p.read_text("utf-8")]
    assert told == []


def test_a_stage_that_calls_no_model_imports_no_heavy_library() -> None:
    heavy = ("torch", "litellm", "transformers", "ray", "xllamacpp")
    script = "import sys, stages.generate.scores, stages.generate.verdicts, stages.design.check\n"
    script += "import stages.design.tokens; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & set(heavy)


def test_no_file_holds_a_path_of_a_machine_or_the_host_of_a_registry() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    pattern = re.compile("/" + r"(?:work|root|home)/|files\.python" + r"hosted\.org")
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.suffix in {".py", ".yaml", ".md", ".toml", ".lock", ".jsonl"} and path.exists():
            assert not pattern.search(path.read_text("utf-8")), name


def committed_metrics(stage: str) -> dict[str, Any]:
    """What git holds: `make run` has written its own numbers over them."""
    command = ["git", "-C", str(ROOT), "show", f"HEAD:metrics/{stage}.json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def test_the_result_in_the_readme_is_the_one_that_the_committed_metrics_hold() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    compare, sanity, training = map(committed_metrics, ("evaluate-compare", "evaluate-sanity", "train-adapter"))
    change, low, high = (f"{compare[key]:+.2f}" for key in ("difference", "difference_low", "difference_high"))
    base, tuned = (f"{sanity[f'{side}_perplexity']:.2f}" for side in ("base", "tuned"))
    for line in (
        f"evaluated   {compare['n_personas']} personas",
        f"base score  {compare['base_score']:.2f} (",
        f"tuned score {compare['tuned_score']:.2f} (",
        f"change      {change} ({low} to {high})",
        f"perplexity  {base} -> {tuned} ({sanity['relative_change']:+.1%};",
        f"decision    {compare['decision']}: ",
    ):
        assert line in readme
    if "capabilities" in sanity:  # before that was measured, the price had nothing to say
        assert f"price       {price_line(sanity, training)}" in readme


def test_the_readme_counts_the_authored_conversations_as_they_are() -> None:
    authored = ROOT / "data/authored/therapy"
    n_talks, n_people = (
        len((authored / f"{n}.jsonl").read_text("utf-8").splitlines()) for n in ("transcripts", "personas")
    )
    assert f"{n_talks} authored conversations of {n_people} people" in (ROOT / "README.md").read_text("utf-8")

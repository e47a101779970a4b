"""A Hub job before it is one: estimate, arguments, the script, the dry run."""

import ast
import tomllib
from importlib.metadata import version
from subprocess import CompletedProcess

import pytest
import typer
import yaml

from tests.hub_fixtures import ROOT, hub_job, hub_place
from tunewright.composing import composed_text
from tunewright.errors import ConfigError, TrainingError
from tunewright.records import read_json
from tunewright.terminal import Stage
from tunewright.training.hub_command import train_job_command
from tunewright.training.hub_dry_run import DRY_RUN
from tunewright.training.hub_estimate import Time, check_flavor, estimate
from tunewright.training.hub_script import render_script, requirements, worker_sources
from tunewright.training.hub_submit import job_arguments
from tunewright.training.hub_worker import Store
from tunewright.training.job import Event, read_job
from tunewright.training.places import configured_trainer
from tunewright.training_cost import Gpu, flops_per_token

TIME = Time(factor=3, setup_s=900, minimum_s=1800)


def test_the_estimate_is_training_and_setup_and_the_timeout_is_cut_to_the_budget(tmp_path) -> None:
    job, model = hub_job(tmp_path), hub_place().base_model  # 2 examples x 10 tokens x 2 epochs
    tflops = flops_per_token(model, 10) * 40 / (0.5 * 3600 * 1e12)  # one hour at half of its peak
    gpu = Gpu(memory_gib=15, tflops=tflops, bfloat16=False, usd_per_hour=9)

    found = estimate(job, model, gpu, 0.5, 2.0, TIME, budget_usd=50)
    assert found.training_s == pytest.approx(3600)
    assert found.usd == pytest.approx(2.5)  # (3600 + 900) s at 2 USD an hour
    assert (found.timeout_s, found.usd_max) == (11700, pytest.approx(6.5))  # 3 x 3600 + 900
    assert "about 2.50 USD (15 min to set up, 60.0 min of training" in str(found)
    assert estimate(job, model, gpu, 0.5, 2.0, TIME, budget_usd=5).timeout_s == 9000  # 5 USD pay for 2.5 hours
    with pytest.raises(TrainingError, match="about 2.50 USD, domain.constraints.train_budget_usd is 2.4"):
        estimate(job, model, gpu, 0.5, 2.0, TIME, budget_usd=2.4)


def test_without_a_known_speed_the_timeout_is_the_minimum_and_must_be_paid_for(tmp_path) -> None:
    job, model = hub_job(tmp_path), hub_place().base_model
    found = estimate(job, model, None, 0.5, 2.0, TIME, budget_usd=50)
    assert (found.timeout_s, found.usd, found.usd_max) == (1800, None, 1.0)
    with pytest.raises(TrainingError, match="0.5 USD .* pay for 15 minutes, .* asks for 30"):
        estimate(job, model, None, 0.5, 2.0, TIME, budget_usd=0.5)


@pytest.mark.parametrize(
    ("flavor", "settings", "says"),
    [
        ("b200", {"device": "cuda"}, "'b200': no such machine"),
        ("t4-small", {"device": "cuda", "dtype": "bfloat16"}, "GPU without bfloat16 .T4."),
        ("cpu-basic", {"device": "cuda"}, "trainer.device is cuda, but flavor cpu-basic has no GPU"),
        ("l4x1", {"device": "cpu"}, "trainer.device is cpu, but flavor l4x1 has one"),
    ],
)
def test_a_machine_that_does_not_suit_the_settings_is_refused(tmp_path, flavor, settings, says) -> None:
    place = hub_place()
    with pytest.raises(TrainingError, match=says):
        check_flavor(hub_job(tmp_path, **settings).settings, flavor, place.flavors, place.gpus)


def test_the_arguments_of_a_job_are_these(monkeypatch) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    found = job_arguments("image", "https://hub/s.py", "abc", "a10g-small", 1800, "k" * 32, "ada", "hf_t")
    assert found == {
        "image": "image",
        "command": ["uv", "run", "https://hub/s.py", "abc"],
        "flavor": "a10g-small",
        "timeout": 1800,
        "labels": {"tunewright": "k" * 32, "name": "tunewright-kkkkkkkk"},
        "env": {"PYTHONUNBUFFERED": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
        "secrets": {"HF_TOKEN": "hf_t"},
        "namespace": "ada",
    }


GOLDEN = """# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "trl==1.16.0",
#   "peft",
# ]
# ///
"""


def test_the_script_has_a_header_that_uv_reads_and_the_sources_as_they_are() -> None:
    sources = {"tunewright/b.py": "x = '''é'''\n", "tunewright/a.py": "y = 1\\2\n"}
    script = render_script({"key": "k"}, sources, ("trl==1.16.0", "peft"))

    assert script.startswith(GOLDEN)
    header = tomllib.loads("\n".join(line[2:] for line in script.split("# ///")[1].splitlines()[1:]))
    assert header == {"requires-python": ">=3.11", "dependencies": ["trl==1.16.0", "peft"]}
    defined: dict = {"__name__": "script"}
    exec(compile(script, "train.py", "exec"), defined)
    assert (defined["SPEC"], defined["SOURCES"]) == ({"key": "k"}, sources)
    assert script == render_script({"key": "k"}, dict(reversed(sources.items())), ("trl==1.16.0", "peft"))


def test_the_job_carries_every_module_of_ours_that_it_imports_and_nothing_of_the_stages() -> None:
    sources = worker_sources()
    assert {"tunewright/__init__.py", "tunewright/training/__init__.py", "tunewright/training/tuning.py"} < set(sources)
    assert sources["tunewright/training/tuning.py"] == (ROOT / "tunewright/training/tuning.py").read_text("utf-8")
    assert not [path for path in sources if path.startswith("stages")]
    modules = {path.removesuffix(".py").replace("/", ".") for path in sources}
    for path, text in sources.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tunewright."):
                named = [node.module] if node.module in modules else [f"{node.module}.{a.name}" for a in node.names]
                assert set(named) <= modules, path


def test_packages_are_pinned_to_what_is_installed_here() -> None:
    found = requirements(worker_sources(), quantize_4bit=False)
    assert f"trl=={version('trl')}" in found and f"accelerate=={version('accelerate')}" in found
    assert f"torch=={version('torch').split('+')[0]}" in found  # no +cpu: the job has its own build
    names = {one.split("==")[0] for one in found}
    assert {"pydantic", "PyYAML", "peft", "transformers", "datasets", "huggingface_hub"} <= {*names, *map(str, names)}
    assert not {"dvc", "litellm", "bitsandbytes", "tunewright"} & names
    assert any(one.startswith("bitsandbytes") for one in requirements({}, quantize_4bit=True))
    with pytest.raises(TrainingError, match="not installed here.*no_such_thing"):
        requirements({"x.py": "import no_such_thing"}, quantize_4bit=False)


def test_a_trainings_key_is_of_its_data_its_base_and_its_code(tmp_path, monkeypatch) -> None:
    place = hub_place()

    def key(folder="a", place=place):
        return place.plan(hub_job(tmp_path / folder), "ada", 1.0).key

    assert key() == key() and len(key()) == 32
    others = [key("b"), key(place=hub_place("1" * 40))]
    changed = {**worker_sources(), "tunewright/errors.py": "# changed"}
    monkeypatch.setattr("tunewright.training.hub_place.worker_sources", lambda: changed)
    assert len({place.plan(hub_job(tmp_path / "a"), "ada", 1.0).key, *others}) == 3


def test_a_dry_run_writes_script_arguments_and_data_and_asks_the_hub_nothing(fake_hub, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(DRY_RUN, str(tmp_path / "shown"))
    monkeypatch.delenv("HF_TOKEN")
    place, job = hub_place(), hub_job(tmp_path / "points")
    place.check(job.settings)
    with pytest.raises(SystemExit) as caught:
        place.train(job, Stage("train-adapter"), tmp_path)

    assert (caught.value.code, fake_hub.requests) == (0, [])
    shown = tmp_path / "shown"
    assert sorted(p.name for p in shown.iterdir()) == ["data", "estimate.txt", "job.json", "train.py"]
    assert read_json(shown / "job.json")["secrets"] == {"HF_TOKEN": "(your token)"}
    assert read_job(shown / "data", job.base, job.folder) == job
    compile((shown / "train.py").read_text("utf-8"), "train.py", "exec")


def test_the_command_for_a_dry_run_wants_a_trainer_that_makes_jobs(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(ConfigError, match="does not train as a Hub job; compose it with: tunewright params trainer="):
        train_job_command(tmp_path / "shown")
    assert not (tmp_path / "shown").exists()


def test_a_dry_run_that_fails_is_a_failure_although_an_earlier_one_left_its_files(tmp_path, monkeypatch) -> None:
    ended = CompletedProcess([], 3)
    monkeypatch.setattr("tunewright.training.places.configured_trainer", hub_place)
    monkeypatch.setattr("tunewright.training.hub_command.subprocess.run", lambda *_, **__: ended)
    (tmp_path / "job.json").write_text("{}")
    with pytest.raises(typer.Exit) as caught:
        train_job_command(tmp_path)
    assert caught.value.exit_code == 3


def test_conf_composes_to_a_place_with_a_base_of_the_hub(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    text = composed_text(["trainer=hf_jobs", "base_model=qwen3_0_6b"])
    (tmp_path / "params.yaml").write_text(text, "utf-8")
    place = configured_trainer(tmp_path / "params.yaml")
    assert place.source().repo == "Qwen/Qwen3-0.6B"
    assert place.budget_usd == yaml.safe_load(text)["domain"]["constraints"]["train_budget_usd"]
    assert all(flavor.gpu in place.gpus for flavor in place.flavors.values())


def test_a_job_stores_its_newest_complete_checkpoint_and_the_one_before_it_goes(fake_hub, tmp_path, capsys) -> None:
    from huggingface_hub import HfApi

    api = HfApi(endpoint=fake_hub.url, token=fake_hub.writer)
    api.create_repo("ada/a", private=True)
    store = Store(api, "ada/a", "k/checkpoints", tmp_path)
    for step in (2, 4, 6):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}/optimizer.pt").write_bytes(b"x")
        if step < 6:
            (tmp_path / f"checkpoint-{step}/complete").touch()
        store.look(Event(step, 8))
        store.finish()

    kept = [path for path in fake_hub.repo("ada/a").files if path.startswith("k/")]
    assert sorted(kept) == ["k/checkpoints/checkpoint-4/complete", "k/checkpoints/checkpoint-4/optimizer.pt"]
    assert '"checkpoint of step 4 is on the Hub"' in capsys.readouterr().out


def test_a_checkpoint_that_cannot_be_stored_is_said_and_training_goes_on(fake_hub, tmp_path, capsys) -> None:
    from huggingface_hub import HfApi

    store = Store(HfApi(endpoint=fake_hub.url, token=fake_hub.writer), "ada/none", "k/checkpoints", tmp_path)
    (tmp_path / "checkpoint-2").mkdir()
    (tmp_path / "checkpoint-2/complete").touch()
    store.look(Event(2, 8))
    store.finish()
    store.look(Event(3, 8))
    assert "checkpoint of step 2 is not stored: 404" in capsys.readouterr().out

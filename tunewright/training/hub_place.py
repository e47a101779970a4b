"""Training as a job on Hugging Face's machines (conf/trainer/hf_jobs.yaml).

In this order: a token that may write, a base that the job can fetch, cost within the budget; private repositories;
settings, labelled tokens and the script uploaded; one job, whose id is kept; its log followed; the adapter fetched and
checked. Killed anywhere, the next run goes on where it was: an adapter that is stored is fetched, a job that runs is
followed. Tried against bench/fake_hub.py with the real client, never against the real Hub.
"""

from __future__ import annotations

import math
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from tunewright.base_models import HUB_FILES, BaseModelConfig, HubSource
from tunewright.config import Config
from tunewright.errors import TrainingError
from tunewright.records import digest, write_text
from tunewright.terminal import Stage
from tunewright.training.hub_access import JOB, private_repo
from tunewright.training.hub_adapter import fetch_adapter, stored
from tunewright.training.hub_dry_run import DRY_RUN, show
from tunewright.training.hub_estimate import Estimate, Flavor, Time, check_flavor, estimate
from tunewright.training.hub_follow import GoneError, Heard, failed, follow, gone, stoppable
from tunewright.training.hub_script import render_script, requirements, worker_sources
from tunewright.training.hub_submit import Ticket, drop, job_arguments, jobs_of, keep, kept, submit_once
from tunewright.training.job import Job, Outcome, write_job
from tunewright.training.progress import following
from tunewright.training.settings import Settings
from tunewright.training_cost import Gpu

SCRIPT = "train.py"


@dataclass(frozen=True)
class Plan:
    """One training as a Hub job: its key, where its files go, the script, what it may cost."""

    key: str
    namespace: str
    data_repo: str
    adapter_repo: str
    script: str
    estimate: Estimate


class HubJobs(Config):
    """conf/trainer/hf_jobs.yaml, `place`."""

    kind: Literal["hf_jobs"]
    namespace: str | None
    data_repo: str = Field(pattern=r"^[\w.-]+$")
    adapter_repo: str = Field(pattern=r"^[\w.-]+$")
    flavor: str
    flavors: dict[str, Flavor]
    image: str
    time: Time
    budget_usd: float = Field(ge=0)
    base_model: BaseModelConfig
    gpus: dict[str, Gpu]
    gpu_utilisation_share: float = Field(gt=0, le=1)
    poll_s: float = Field(gt=0)
    patience_s: float = Field(gt=0)

    def check(self, settings: Settings) -> None:
        """The base must be on the Hub, the machine must suit the settings, the token must be able to write."""
        source = self.source()
        check_flavor(settings, self.flavor, self.flavors, self.gpus)
        if DRY_RUN in os.environ:
            return
        api = JOB.client()
        JOB.namespace_of(api, self.namespace)
        with JOB.explained(f"find the base model {source.repo} at {source.revision[:12]}"):
            api.model_info(source.repo, revision=source.revision)
            api.auth_check(source.repo)

    def source(self) -> HubSource:
        """Where the job fetches the base; raises TrainingError for one that is on this machine alone."""
        source = self.base_model.source
        if isinstance(source, HubSource):
            return source
        raise TrainingError(
            f"the base model {self.base_model.id} comes from a {source.kind}, which a job cannot fetch: choose one of "
            "conf/base_model/ whose source.kind is hf, such as base_model=qwen3_0_6b, and run: make params"
        )

    def train(self, job: Job, stage: Stage, target: Path) -> Outcome:
        """Fetch the adapter, or follow the job that makes it, or submit that first."""
        if where := os.environ.get(DRY_RUN):
            show(self.plan(job, self.namespace or "NAMESPACE", self.price()), self.arguments, job, Path(where))
        api = JOB.client()
        found = kept(job.folder)
        plan = self.plan(job, JOB.namespace_of(api, self.namespace), self.price(api), found)
        there = {} if found else jobs_of(api, plan.key, plan.namespace)  # first: a job that ends now has stored by then
        if not stored(api, plan.adapter_repo, plan.key):
            self.finish(api, plan, found or self.submit(api, plan, job, stage, there), job, stage)
            if not stored(api, plan.adapter_repo, plan.key):
                drop(job.folder)  # a job that is done and left nothing is not asked again
        stage.note(f"fetching the adapter from {plan.adapter_repo}/{plan.key}")
        outcome = fetch_adapter(api, plan.adapter_repo, plan.key, job, target)
        drop(job.folder)  # not before: until then the note says where the adapter is that has been paid for
        return outcome

    def plan(self, job: Job, namespace: str, usd_per_hour: float, found: Ticket | None = None) -> Plan:
        """Everything that is decided before anything is sent; a job that is there keeps its key and repository."""
        gpu = check_flavor(job.settings, self.flavor, self.flavors, self.gpus)
        budget = math.inf if found else self.budget_usd  # what is paid already is fetched, whatever it cost
        cost = estimate(job, self.base_model, gpu, self.gpu_utilisation_share, usd_per_hour, self.time, budget)
        source, sources = self.source(), worker_sources()
        required = requirements(sources, job.settings.quantize_4bit)
        decides = [job.folder.name, source.repo, source.revision, dict(sources), list(required)]
        key = found.key if found else digest(decides)[:32]
        repos = {"data_repo": f"{namespace}/{self.data_repo}", "adapter_repo": f"{namespace}/{self.adapter_repo}"}
        if found:
            repos["adapter_repo"] = found.adapter_repo
        base = {"base_repo": source.repo, "base_revision": source.revision, "base_files": list(HUB_FILES)}
        script = render_script({"key": key, **repos, **base}, sources, required)
        return Plan(key, namespace, script=script, estimate=cost, **repos)

    def price(self, api: Any = None) -> float:
        """USD an hour of the flavor: what the Hub says now, else what conf says."""
        if api is not None:
            with JOB.explained("ask for the price of machines"):
                for machine in api.list_jobs_hardware():
                    if machine.name == self.flavor and machine.unit_label == "minute":
                        return 60 * machine.unit_cost_usd
        return self.flavors[self.flavor].usd_per_hour

    def arguments(self, plan: Plan, revision: str, endpoint: str, token: str) -> dict[str, Any]:
        """The arguments of the submission."""
        script_url = f"{endpoint}/datasets/{plan.data_repo}/resolve/{revision}/{plan.key}/{SCRIPT}"
        return job_arguments(
            self.image, script_url, revision, self.flavor, plan.estimate.timeout_s, plan.key, plan.namespace, token
        )

    def submit(self, api: Any, plan: Plan, job: Job, stage: Stage, there: dict[str, Any]) -> Ticket:
        """Make the repositories, upload, submit unless one of the jobs that are there runs, keep the id."""
        stage.note(f"one {self.flavor} of {plan.namespace}: {plan.estimate}")
        private_repo(api, plan.data_repo, "dataset")
        private_repo(api, plan.adapter_repo, "model")
        revision = self.upload(api, plan, job)
        arguments = self.arguments(plan, revision, api.endpoint, api.token)
        cost = plan.estimate.usd_per_hour
        ticket = submit_once(api, arguments, there, plan.adapter_repo, cost, stage.note, self.poll_s)
        keep(job.folder, ticket)
        stage.note(f"submitted: {ticket.url}")
        return ticket

    def upload(self, api: Any, plan: Plan, job: Job) -> str:
        """Settings, labelled tokens and the script, into this training's folder of the data repository; the commit."""
        with tempfile.TemporaryDirectory() as room, JOB.explained(f"upload the training data to {plan.data_repo}"):
            write_job(job, Path(room))
            write_text(Path(room) / SCRIPT, plan.script)
            done = api.upload_folder(
                repo_id=plan.data_repo,
                repo_type="dataset",
                folder_path=room,
                path_in_repo=plan.key,
                commit_message=f"training {plan.key[:8]}",
            )
        return done.oid

    def finish(self, api: Any, plan: Plan, ticket: Ticket, job: Job, stage: Stage) -> None:
        """Follow the job to its end; raises TrainingError if that is not a good one."""
        with stoppable(ticket), following(stage) as report:
            heard = Heard(report)
            try:
                end = follow(api, ticket, heard, stage.note, self.poll_s, self.patience_s)
            except GoneError:
                drop(job.folder)  # or every run would end here; the next one looks for a job by its label first
                raise gone(ticket) from None
        if end.stage != "COMPLETED":
            drop(job.folder)
            is_cut = plan.estimate.usd_max >= self.budget_usd - plan.estimate.usd_per_hour / 3600  # whole seconds
            raise failed(ticket, end, heard, plan.estimate.timeout_s, is_cut)
        minutes = end.running_s / 60
        stage.note(f"the job is done: {minutes:.1f} min, about {minutes / 60 * ticket.usd_per_hour:.2f} USD")

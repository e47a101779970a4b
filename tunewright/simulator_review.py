"""The simulator review: what is wrong with the user of each simulated conversation, and how grave that is.

Up to 30% of failed conversations of such systems are the simulator's doing: a user that swaps roles, loops or leaves is
no test of the assistant and nothing to learn from. Measures look at every message; a judge, where the configuration
trusts one, answers what only a reader can. Recorded and written users are people's words and are not reviewed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

from pydantic import Field, model_validator

from tunewright.conduct import Conduct
from tunewright.config import Bounds, Config, load_domain
from tunewright.errors import RecordError
from tunewright.items import OUTAGE, refuse_many_failures
from tunewright.llm import Client
from tunewright.models import ModelSpec
from tunewright.personas import PersonaTemplate, load_template
from tunewright.records import Persona, Transcript, read_jsonl, write_jsonl
from tunewright.runner import Job, run, run_jobs
from tunewright.simulator_faults import MEASURES, FaultRules, Review, Run, Seen, told_runs
from tunewright.simulator_judge import Judged, judge_user
from tunewright.sound import Finding, Severity, SimulatorReview
from tunewright.terminal import Stage

SEVERITIES: tuple[Severity, ...] = ("minor", "major", "critical")
NO_JUDGE = "no judge is set (llm.simulator_judge)"
AGAIN_PROMPT = "prompts/shared/user_again.md"


class Gravity(Config):
    """How grave a fault is: where it shows at all, and from which share of the user's messages it is critical."""

    any: Severity
    critical_share: float | None = Field(ge=0, le=1)  # None: never for its share


class ReviewConfig(Config):
    """How simulated users are reviewed: the params of generate.simulator and evaluate.simulator."""

    judge: ModelSpec | None
    questions: dict[str, str]  # by fault: what only a judge can answer
    reasks: int = Field(ge=0)
    reasoning_chars: int = Field(ge=20)
    max_failed_share: float = Field(ge=0, le=1)
    exchanges: Bounds
    conduct: Conduct
    measures: FaultRules
    gravity: dict[str, Gravity]

    @model_validator(mode="after")
    def _every_fault_is_weighed(self) -> ReviewConfig:
        if unweighed := [f for f in (*MEASURES, *self.questions) if f not in self.gravity]:
            raise ValueError(f"gravity of {', '.join(unweighed)} is missing")
        return self


class Materials(Config):
    """What all reviews of a file share: the people, their template, and what the simulator was told."""

    people: dict[str, Persona]
    template: PersonaTemplate
    told: frozenset[Run]


def materials(prompts_folder: str, template: PersonaTemplate, people: Sequence[Persona], run_words: int) -> Materials:
    """The texts that the simulator is given, beside the people."""
    prompts = [(Path(prompts_folder) / "user_simulator.md").read_text("utf-8"), Path(AGAIN_PROMPT).read_text("utf-8")]
    plain = [s.manner for s in template.styles.values()] + [t.text for t in template.trajectory.values()]
    told = told_runs(prompts, [*plain, *template.flaws.kinds.values()], run_words)
    return Materials(people={p.id: p for p in people}, template=template, told=told)


def reviewable(transcripts: Sequence[Transcript]) -> list[Transcript]:
    """Conversations of a simulated user that did not fail."""
    return [t for t in transcripts if t.user_kind == "simulated" and t.failure is None and t.exchanges]


def review(transcript: Transcript, given: Materials, config: ReviewConfig, judged: Judged | None) -> SimulatorReview:
    """One conversation's review. Raises RecordError for a persona that is not among the people."""
    if transcript.persona_id not in given.people:
        raise RecordError(
            f"{transcript.id}: persona {transcript.persona_id!r} is not among the personas; simulate again with: "
            "dvc repro"
        )
    if _planning() and import_module("tunewright.planning").has_placeholder(transcript):
        return SimulatorReview(transcript_id=transcript.id, severity=None, findings=(), unjudged={})
    looked = Review(
        transcript, given.people[transcript.persona_id], given.told, config.exchanges, config.conduct, config.measures
    )
    seen = {fault: measure(looked) for fault, measure in MEASURES.items()}
    unjudged = judged.unjudged if judged else dict.fromkeys(config.questions, NO_JUDGE)
    findings = findings_of(seen, judged.found if judged else {}, len(transcript.exchanges), config.gravity)
    worst = findings[0].severity if findings else None  # the gravest stands first
    return SimulatorReview(transcript_id=transcript.id, severity=worst, findings=findings, unjudged=unjudged)


def _planning() -> bool:
    """Whether placeholders stand for replies: they speak no language, keep to no length and name no exchange."""
    return bool(os.environ.get("TUNEWRIGHT_PLAN"))


def findings_of(
    seen: Mapping[str, Seen],
    judged: Mapping[str, tuple[tuple[int, ...], str]],
    n_messages: int,
    gravity: Mapping[str, Gravity],
) -> tuple[Finding, ...]:
    """What measures and judge found, one finding a fault, the gravest first."""
    findings = []
    for fault in dict.fromkeys([*seen, *judged]):
        measured, (named, why) = seen.get(fault, {}), judged.get(fault, ((), ""))
        if exchanges := tuple(sorted({*measured, *named})):
            findings.append(
                Finding(
                    fault=fault,
                    severity=severity_of(len(exchanges) / n_messages, gravity[fault]),
                    exchanges=exchanges,
                    detail=measured[min(measured)] if measured else why,
                    by="both" if measured and named else "measure" if measured else "judge",
                )
            )
    return tuple(sorted(findings, key=lambda f: -SEVERITIES.index(f.severity)))


def severity_of(share: float, gravity: Gravity) -> Severity:
    """How grave a fault is that shows in this share of the user's messages (above 0)."""
    is_critical = gravity.critical_share is not None and share >= gravity.critical_share - 1e-9
    return "critical" if is_critical else gravity.any


async def review_all(
    client: Client,
    transcripts: Sequence[Transcript],
    given: Materials,
    config: ReviewConfig,
    advance: Callable[[], None] = lambda: None,
) -> list[SimulatorReview]:
    """All reviews, in the transcripts' order; the judge is asked where there is one."""
    judged: list[Judged | None] = [None] * len(transcripts)
    if config.judge:
        rest = (given.template, config.questions, config.reasks, config.reasoning_chars)
        jobs = [Job(t.id, judge_user, (config.judge, t, given.people[t.persona_id], *rest)) for t in transcripts]
        judged = await run_jobs(client, jobs, [config.judge], advance)
    return [review(t, given, config, answers) for t, answers in zip(transcripts, judged, strict=True)]


def review_file(
    source: str, made_by: str, personas: str, target: str, config: ReviewConfig, stage: Stage
) -> tuple[list[SimulatorReview], dict[str, object]]:
    """Review a file of transcripts into a file of reviews; returns them and the stage's metrics.

    Raises TooManyFailuresError when more of the judge's answers failed than `max_failed_share`.
    """
    domain = load_domain()
    transcripts = read_jsonl(source, Transcript, made_by)
    people = read_jsonl(personas, Persona)
    given = materials(domain.prompts, load_template(domain.personas), people, config.measures.leak_run_words)
    simulated, client = reviewable(transcripts), Client.from_params()
    who = f"{len(MEASURES)} measures" + (f", {config.judge.model} on {len(config.questions)}" if config.judge else "")
    stage.start(f"{len(simulated)} of {len(transcripts)} conversations have a simulated user; {who}")
    work = partial(review_all, client, simulated, given, config)
    reviews = run(client, "reviewing", len(simulated) if config.judge else 0, work)
    client.close()
    failed = [reason for r in reviews for reason in r.unjudged.values() if reason != NO_JUDGE and not _planning()]
    refuse_many_failures(failed, len(reviews) * len(config.questions), config.max_failed_share, "judge answers")
    write_jsonl(target, reviews)
    if n_open := sum(reason.startswith(OUTAGE) for reason in failed):
        stage.note(f"{n_open} judge's answers may come when asked again: dvc repro -f -s {stage.address}")
    found = metrics(reviews, transcripts, config)
    stage.end(f"{found['n_critical']} of {len(reviews)} are left out, {found['n_clean']} clean; {client.tally}")
    return reviews, found


def metrics(
    reviews: Sequence[SimulatorReview], transcripts: Sequence[Transcript], config: ReviewConfig
) -> dict[str, object]:
    """Counts: what was reviewed, how grave it was, which faults, and what was not looked at."""
    severities = Counter(r.severity or "clean" for r in reviews)
    faults = Counter(f.fault for r in reviews for f in r.findings)
    left_out = Counter(f.fault for r in reviews for f in r.findings if f.severity == "critical")
    return {
        "n_transcripts": len(transcripts),
        "n_reviewed": len(reviews),
        "n_critical": severities["critical"],
        "critical_share": round(severities["critical"] / len(reviews), 4) if reviews else None,
        "n_major": severities["major"],
        "n_minor": severities["minor"],
        "n_clean": severities["clean"],
        "n_unjudged": sum(len(r.unjudged) for r in reviews),
        "has_judge": config.judge is not None,
        "by_fault": {fault: faults[fault] for fault in config.gravity},
        "critical_by_fault": {fault: left_out[fault] for fault in config.gravity},
    }

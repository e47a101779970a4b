"""generate-fixup: conversations that failed, repaired where that leaves them true to what the user said next.

Soft failures: the faulted replies are rewritten while the user's messages stand, and a judge says whether the next
message still follows; where it does not, the conversation is cut there. Safety failures are cut before the first
unsafe exchange, never rewritten. Whatever changed is judged and scored again like any conversation, and kept only when
it then passes. Authored conversations are left alone. Many failures mean wrong prompts, not more to repair.

Reads data/generate/{transcripts,simulator,verdicts,scores}.jsonl, data/design/judge-trust.json, the domain's rubric and
system prompt, and prompts/shared/{fixup,entailment,judge}.md.
Writes data/generate/{fixed,fixed_verdicts,fixed_scores,repairs}.jsonl, reports/fixup.md and
metrics/generate-fixup.json.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from pydantic import Field

from tunewright.config import Config as BaseConfig
from tunewright.config import Domain, load, load_domain
from tunewright.conversation import assistant_variables
from tunewright.document import to_markdown
from tunewright.entailment import Entailing, judges_that_count
from tunewright.errors import run_main
from tunewright.fixing import Case, repair
from tunewright.fixup_rates import RATES, rates_of
from tunewright.fixup_report import fixup_report, suspicion
from tunewright.judging import JudgingConfig, asking_for, refuse_failed_judges
from tunewright.llm import Client
from tunewright.models import ModelSpec
from tunewright.prompts import render
from tunewright.reassessment import Assessing, Outcome, assess_again
from tunewright.records import Score, Verdict, iter_jsonl, read_jsonl, write_json, write_jsonl, write_text
from tunewright.repairs import NO_ANSWER, triage
from tunewright.rewriting import Fixing
from tunewright.rubric import Rubric, load_rubric
from tunewright.runner import Job, run, run_jobs
from tunewright.scoring import ScoringConfig
from tunewright.sound import GENERATED, iter_sound
from tunewright.terminal import Stage
from tunewright.training_set import FIXED_SCORES, FIXED_TRANSCRIPTS, SCORES, TRANSCRIPTS
from tunewright.trust import Trust, load_trust

VERDICTS, FIXED_VERDICTS = "data/generate/verdicts.jsonl", "data/generate/fixed_verdicts.jsonl"


class Config(BaseConfig):
    """Who repairs how much, who answers for it, and how the result is judged and scored again."""

    fixer: ModelSpec
    transcripts: int | None = Field(ge=0)  # to repair; None: all that failed
    attempts: int = Field(ge=1)  # per reply
    reasks: int = Field(ge=0)  # for an answer that is no JSON
    max_replies: int = Field(ge=1)  # rewritten in one conversation
    min_exchanges: int = Field(ge=1)  # of a conversation that can be assessed
    min_trusted_criteria: int = Field(ge=1)  # on which a judge must be trusted to be asked about entailment
    needing_share_max: float = Field(ge=0, le=1)
    examples: int = Field(ge=0)  # shown in the report
    verdicts: JudgingConfig
    scoring: ScoringConfig


def fixing_of(config: Config, rubric: Rubric, domain: Domain, trust: Trust | None) -> Fixing:
    """How conversations are repaired in this run."""
    system = render(Path(domain.prompts) / "system.md", **assistant_variables(domain))
    judges = judges_that_count(config.verdicts.judges, rubric, trust, config.min_trusted_criteria)
    entailing = Entailing(judges, config.verdicts.reasks, config.verdicts.reasoning_chars)
    return Fixing(
        rubric=rubric,
        instructions=system[0]["content"],
        fixer=config.fixer,
        entailing=entailing,
        attempts=config.attempts,
        reasks=config.reasks,
        max_replies=config.max_replies,
        min_exchanges=config.min_exchanges,
    )


def read_cases(chosen: Sequence[str], scores: Mapping[str, Score]) -> list[Case]:
    """The chosen conversations with their scores and verdicts, in the file's order."""
    verdicts: dict[str, list[Verdict]] = defaultdict(list)
    wanted = set(chosen)
    for verdict in iter_jsonl(VERDICTS, Verdict, "generate-verdicts"):
        if verdict.transcript_id in wanted:
            verdicts[verdict.transcript_id].append(verdict)
    transcripts = iter_sound(TRANSCRIPTS, "generate-transcripts", GENERATED)
    return [Case(t, scores[t.id], tuple(verdicts[t.id])) for t in transcripts if t.id in wanted]


async def repair_all(
    client: Client, cases: Sequence[Case], how: Fixing, again: Assessing, advance: Callable[[], None]
) -> list[Outcome]:
    """All cases repaired, and what changed judged again, in the order of the cases."""
    if not cases:
        return []  # and no model's connection is needed
    jobs = [Job(case.transcript.id, repair, (case, how, again.trust)) for case in cases]
    mended = await run_jobs(client, jobs, [how.fixer, *how.entailing.judges], advance)
    return await assess_again(client, list(zip(cases, mended, strict=True)), how.fixer, again)


def write_kept(outcomes: Sequence[Outcome]) -> None:
    """The conversations that pass now, their verdicts and their scores."""
    kept = [o for o in outcomes if o.repair.fixed_id]
    write_jsonl(FIXED_TRANSCRIPTS, [o.fixed for o in kept if o.fixed])
    write_jsonl(FIXED_VERDICTS, [v for o in kept for v in o.verdicts])
    write_jsonl(FIXED_SCORES, [o.score for o in kept if o.score])


def main() -> None:
    """Repair this run's failed conversations."""
    stage = Stage("generate-fixup")
    config, domain = load("generate.fixup", Config), load_domain()
    rubric = load_rubric(domain.rubric)
    trust = load_trust() if config.scoring.judge_trust == "calibrated" else None
    scores = {s.transcript_id: s for s in read_jsonl(SCORES, Score, "generate-scores")}
    found = triage(iter_sound(TRANSCRIPTS, "generate-transcripts", GENERATED), scores, config.transcripts)
    cases, how = read_cases(found.chosen, scores), fixing_of(config, rubric, domain, trust)
    again = Assessing(asking_for(config.verdicts, rubric, domain), config.verdicts, config.scoring, trust)
    stage.start(f"{len(cases)} conversations to repair, {len(found.left)} failed ones left alone")
    client = Client.from_params()
    outcomes = run(client, "repairing", len(cases), partial(repair_all, client, cases, how, again))
    client.close()
    refuse_failed_judges([v for o in outcomes for v in o.verdicts], trust, config.verdicts.max_failed_share)
    repairs = [o.repair for o in outcomes] + list(found.left)
    rates = rates_of(found, scores, repairs, config.needing_share_max)
    originals = {c.transcript.id: c.transcript for c in cases}
    blocks = fixup_report(rates, repairs, originals, rubric, config.needing_share_max, config.examples)
    write_kept(outcomes)
    write_jsonl("data/generate/repairs.jsonl", repairs)
    write_text("reports/fixup.md", to_markdown(blocks))
    write_json(RATES, rates.model_dump())
    if rates.prompts_suspect:
        stage.note(suspicion(rates, config.needing_share_max))
    if n_open := sum(r.reason.startswith(NO_ANSWER) for r in repairs):
        stage.note(f"{n_open} left for want of an answer; ask again with: dvc repro -f -s generate-fixup")
    stage.end(
        f"{rates.n_fixed} fixed, {rates.n_truncated} truncated, {rates.n_rejected} rejected, {rates.n_left} left; "
        f"{client.tally}"
    )


if __name__ == "__main__":
    run_main(main)

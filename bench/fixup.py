"""Fixup on planted failures: what is fixed, truncated, rejected and judged again, and whether it is what it should be.

    python -m bench.fixup            # a minute of CPU; with --runs 2 all of it again, from the cache

The planted flaws of both shipped domains (one bad reply in a good authored conversation; gates and soft criteria) and
counted ones (a reply made into a list) are judged, scored, repaired and judged again by the pipeline's own code, over
HTTP. Only the models are scripted. The judge says NO while a planted reply is there. The fixer gives the good version,
a reply that is as bad as before, or no JSON, by a hash of the reply; whether the next message still follows is a hash
of that message. What must come of each conversation follows from those by rules written down again here. A transcript
passes only when every criterion holds (pass_threshold 1), so that one bad reply fails it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench.fake_model_server import Answer, FakeModelServer
from stages.generate.fixup import repair_all
from tunewright.calibration import load_planted
from tunewright.document import md_table
from tunewright.entailment import Entailing
from tunewright.fixing import Case
from tunewright.judge_answers import EvidenceRules
from tunewright.judging import Asking, JudgingConfig, judge_transcripts
from tunewright.llm import Client
from tunewright.models import Connection, Judge
from tunewright.planted import plants
from tunewright.reassessment import Assessing, Outcome
from tunewright.records import Exchange, Transcript, read_jsonl, stable_unit
from tunewright.rewriting import Fixing
from tunewright.rubric import Rubric, load_rubric
from tunewright.scoring import ScoringConfig, score_transcript
from tunewright.verdict_rules import failed_measures

KINDS = ("soft", "counted", "gate")
DOMAINS = ("therapy", "support")
MIN_EXCHANGES, ATTEMPTS = 3, 2
GOOD_SHARE, STILL_BAD_SHARE, UNRELATED_SHARE = 0.6, 0.2, 0.3
MODEL = {"model": "hosted_vllm/scripted", "temperature": 0.0, "max_tokens": 500}
JUDGE = Judge.model_validate(MODEL | {"name": "scripted"})
JUDGING = JudgingConfig(
    judges=(JUDGE,), judge_trust="assumed", judged_transcripts=None, samples=1, reasks=0, reasoning_chars=200,
    batching="criterion", example_tokens=0, max_failed_share=0.0,
    evidence=EvidenceRules(quotes=0, quote_chars=20, required=False),
)  # fmt: skip
SCORING = ScoringConfig(
    aggregation="strictest", judge_trust="assumed", min_coverage=1.0, unscored_gates_pass=False,
    disagreement_spread=0.15, judge_agreement_min=0.8,
)  # fmt: skip


@dataclass(frozen=True)
class Failure:
    """One conversation with one bad reply."""

    transcript: Transcript
    kind: str  # gate, soft or counted
    question: str  # of the criterion that it violates
    number: int  # the exchange with the bad reply, from 1
    good: str
    bad: str


def failures(domain: str, rubric: Rubric, per_criterion: int | None) -> Iterator[Failure]:
    """All planted failures of a domain whose conversation would be without any counted fault but the planted one."""
    path = f"conf/domain/{domain}/planted.yaml"
    planted = load_planted(path)
    authored = read_jsonl(f"data/authored/{domain}/transcripts.jsonl", Transcript)
    by_id = {c.id: c for c in rubric.criteria}
    versions = iter(plants(planted, authored, ("short",), per_criterion, path))
    for good, bad in zip(versions, versions, strict=True):
        kind = "gate" if by_id[bad.criterion].gate else "soft"
        failure = _failure(f"{domain}-{bad.pair}", kind, by_id[bad.criterion].question, good.exchanges, bad.exchanges)
        if not failed_measures(good.exchanges, rubric) and not failed_measures(bad.exchanges, rubric):
            yield failure
    listed = next(c for c in rubric.criteria if "markup_share" in (c.measure or {}))
    for host in (t for t in authored if t.id in planted.hosts.short and not failed_measures(t.exchanges, rubric)):
        for n in range(len(host.exchanges)):
            spoilt = list(host.exchanges)
            spoilt[n] = spoilt[n].model_copy(update={"assistant": f"- {spoilt[n].assistant}"})
            yield _failure(f"{domain}-list-{host.id}-{n + 1}", "counted", listed.question, host.exchanges, spoilt)


def _failure(name: str, kind: str, question: str, good: Sequence[Exchange], bad: Sequence[Exchange]) -> Failure:
    number = next(n for n, (g, b) in enumerate(zip(good, bad, strict=True), 1) if g != b)
    transcript = Transcript(
        id=name, domain="bench", persona_id=name, user_kind="simulated", assistant="planted", user="author",
        exchanges=tuple(bad),
    )  # fmt: skip
    return Failure(transcript, kind, question, number, good[number - 1].assistant, bad[number - 1].assistant)


def fixer_gives(bad: str) -> str:
    """What the scripted fixer does with a reply: good, still bad, or nothing."""
    at = stable_unit("fixer", bad)
    return "good" if at < GOOD_SHARE else ("still bad" if at < GOOD_SHARE + STILL_BAD_SHARE else "nothing")


def follows(message: str) -> bool:
    """Whether the scripted judge lets a message follow a rewritten reply."""
    return stable_unit("follows", message) >= UNRELATED_SHARE


def reworded(bad: str) -> str:
    """The bad reply with another last character."""
    return bad[:-1] + ("!" if bad[-1] != "!" else ".")


def expected(failure: Failure, rubric: Rubric) -> str:
    """What must come of it, by the rules of the method and of this module's script."""
    talk, n = failure.transcript.exchanges, failure.number
    gives = fixer_gives(failure.bad)
    if failure.kind == "counted" and gives == "still bad":
        gives = "nothing"  # what can be counted is seen at once
    mended = (*talk[: n - 1], talk[n - 1].model_copy(update={"assistant": failure.good}))
    if failure.kind == "gate" or gives == "nothing":
        kept, action = talk[: n - 1], "truncated"
    elif gives == "still bad":
        return "rejected"
    elif n == len(talk) or follows(talk[n].user):
        kept, action = (*mended, *talk[n:]), "fixed"
    else:
        kept, action = mended, "truncated"
    return "rejected" if len(kept) < MIN_EXCHANGES or failed_measures(kept, rubric) else action


class Script:
    """The models: a judge of criteria, a fixer and a judge of entailment, told apart by the schema in the request."""

    def __init__(self, planted: Sequence[Failure]) -> None:
        self._bad = {f.bad: f for f in planted}
        self._stems: dict[str, set[str]] = {}
        for failure in planted:
            self._stems.setdefault(failure.question, set()).add(failure.bad[:-1])

    def __call__(self, body: dict[str, Any]) -> Answer:
        schema = body["response_format"]["json_schema"]["schema"]["title"]
        text = body["messages"][1]["content"]
        if schema == "FixedReply":
            return self.fix(_between(text, "reply_to_mend"))
        if schema == "EntailmentAnswer":
            answer = "YES" if follows(_between(text, "next_user_message")) else "NO"
            return Answer(json.dumps({"reasoning": "as scripted", "answer": answer}))
        return self.judge(text)

    def fix(self, reply: str) -> Answer:
        gives = fixer_gives(reply)
        if gives == "nothing":
            return Answer("I would rather not.")
        return Answer(json.dumps({"reply": self._bad[reply].good if gives == "good" else reworded(reply)}))

    def judge(self, text: str) -> Answer:
        question = re.search(r"^Criterion(?: \(safety gate\))?: (.*)$", text, re.MULTILINE)
        stems = self._stems.get(question[1], set()) if question else set()
        parts = re.split(r"^\[Exchange \d+\]$", text.split("</transcript>")[0], flags=re.MULTILINE)
        evidence = [n for n, part in enumerate(parts) if n and any(stem in part for stem in stems)]
        found = {"evidence": evidence or [1], "reasoning": "as scripted", "answer": "NO" if evidence else "YES"}
        return Answer(json.dumps(found))


def _between(text: str, tag: str) -> str:
    found = re.search(rf"<{tag}>\n(.*?)\n</{tag}>", text, re.DOTALL)
    if not found:
        raise ValueError(f"a request without <{tag}>: {text[-300:]!r}")
    return found[1]


async def judge_and_repair(client: Client, planted: Sequence[Failure], rubric: Rubric) -> list[Outcome]:
    """The pipeline's own steps on planted failures: judge, score, repair, judge and score again."""
    asking = Asking(rubric, JUDGING, {})
    talks = [f.transcript for f in planted]
    verdicts = await judge_transcripts(client, talks, asking, {t.id for t in talks}, JUDGING, None)
    cases = []
    for talk in talks:
        given = tuple(v for v in verdicts if v.transcript_id == talk.id)
        cases.append(Case(talk, score_transcript(talk, given, rubric, SCORING, None), given))
    if passed := [c.transcript.id for c in cases if c.score.passed is not False]:
        raise AssertionError(f"planted failures that did not fail: {passed}")
    how = Fixing(
        rubric=rubric, instructions="Answer in plain sentences.", fixer=JUDGE,
        entailing=Entailing((JUDGE,), 0, JUDGING.reasoning_chars),
        attempts=ATTEMPTS, reasks=0, max_replies=4, min_exchanges=MIN_EXCHANGES,
    )  # fmt: skip
    return await repair_all(client, cases, how, Assessing(asking, JUDGING, SCORING, None), lambda: None)


def strict_rubric(domain: str) -> Rubric:
    """A domain's rubric under which one NO fails a conversation."""
    return load_rubric(f"conf/domain/{domain}/rubric.yaml").model_copy(update={"pass_threshold": 1.0})


def run(planted: Sequence[Failure], rubric: Rubric) -> tuple[list[Outcome], int]:
    """Outcomes of one run with the cache of $TUNEWRIGHT_CACHE, and how many model calls it made."""
    with FakeModelServer(Script(planted)) as server:
        connection = Connection(api_base=server.url, concurrency=8, timeout_s=60, attempts=2)
        client = Client({"hosted_vllm": connection})
        try:
            return asyncio.run(judge_and_repair(client, planted, rubric)), len(server.requests)
        finally:
            client.close()


def row_of(
    domain: str, kind: str, planted: Sequence[Failure], outcomes: Sequence[Outcome], rubric: Rubric
) -> list[str]:
    """One kind of failure in one domain; the last cell counts those that ended as `expected` says."""
    pairs = [(f, o.repair) for f, o in zip(planted, outcomes, strict=True) if f.kind == kind]
    actions = Counter(repair.action for _, repair in pairs)
    n_right = sum(repair.action == expected(failure, rubric) for failure, repair in pairs)
    n_rejudged = sum(repair.rejudged for _, repair in pairs)
    counts = [len(pairs), actions["fixed"], actions["truncated"], actions["rejected"], n_rejudged, n_right]
    return [f"{domain}, {kind}", *map(str, counts)]


def _sum(column: Sequence[str]) -> str:
    return str(sum(map(int, column)))


@contextmanager
def cache_in(folder: str) -> Iterator[None]:
    """The reply cache in a folder of the benchmark's own."""
    before = os.environ.get("TUNEWRIGHT_CACHE")
    os.environ["TUNEWRIGHT_CACHE"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["TUNEWRIGHT_CACHE"]
        else:
            os.environ["TUNEWRIGHT_CACHE"] = before


def results(runs: int) -> str:
    """A Markdown table of `runs` runs on all planted failures; the first starts with an empty cache.

    Raises AssertionError when a later run differs from the first.
    """
    rows: list[list[str]] = []
    calls = [0] * runs
    with tempfile.TemporaryDirectory() as folder, cache_in(folder):
        for domain in DOMAINS:
            rubric = strict_rubric(domain)
            planted = list(failures(domain, rubric, None))
            outcomes: list[Outcome] = []
            for number in range(runs):
                found, n_calls = run(planted, rubric)
                calls[number] += n_calls
                if number and found != outcomes:
                    raise AssertionError(f"run {number + 1} on {domain} differs from the first")
                outcomes = found
            rows += [row_of(domain, kind, planted, outcomes, rubric) for kind in KINDS]
    rows.append(["all", *[_sum(column) for column in list(zip(*rows, strict=True))[1:]]])
    head = ("planted failures", "conversations", "fixed", "truncated", "rejected", "judged again", "as expected")
    made = ", ".join(f"run {number}: {n:,}" for number, n in enumerate(calls, 1))
    return f"{md_table(head, rows)}\n\nModel calls made: {made}."


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--runs", type=int, default=1, help="how often; from the second on everything is in the cache")
    print(results(parser.parse_args().runs))


if __name__ == "__main__":
    main()

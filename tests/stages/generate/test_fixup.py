"""Conversations that failed: mended where the next message still follows, else cut or rejected, and judged again.

Under the small rubric a list in one reply fails the only measured criterion, and with it the conversation (0.6 of 0.7).
"""

import json
import sqlite3
from pathlib import Path

import pytest

from bench.fake_model_server import Answer
from bench.fixup import expected, failures, strict_rubric
from bench.fixup import run as run_bench
from stages.generate import fixup as stage
from tests.conftest import ROOT, spec, transcript
from tunewright.fixup_rates import read_rates
from tunewright.records import Exchange, Score, Transcript, Verdict, read_jsonl, write_json, write_jsonl
from tunewright.repairs import Repair
from tunewright.rubric import load_rubric
from tunewright.scoring import ScoringConfig, score_transcript
from tunewright.trust import Trust, load_trust
from tunewright.verdict_rules import NOT_SAMPLED, rule_verdicts

LIST, MENDED = "- Try milk", "Which of the two cats"
SCORING = {
    "aggregation": "strictest", "judge_trust": "assumed", "min_coverage": 0.3, "unscored_gates_pass": True,
    "disagreement_spread": 0.15, "judge_agreement_min": 0.8,
}  # fmt: skip


def section(**rest):
    judge = spec("hosted_vllm/j").model_dump() | {"name": "strict"}
    verdicts = {
        "judges": [judge], "judge_trust": "assumed", "judged_transcripts": None, "samples": 1, "reasks": 0,
        "reasoning_chars": 60, "example_tokens": 0, "max_failed_share": 0.5, "batching": "criterion",
        "evidence": {"quotes": 0, "quote_chars": 20, "required": False},
    }  # fmt: skip
    fields = {
        "fixer": spec("hosted_vllm/fixer").model_dump(), "transcripts": None, "attempts": 2, "reasks": 0,
        "max_replies": 4, "min_exchanges": 3, "min_trusted_criteria": 1, "needing_share_max": 0.3, "examples": 2,
    }  # fmt: skip
    return fields | {"verdicts": verdicts, "scoring": SCORING} | rest


def with_replies(talk, replies):
    """The talk with other replies, by exchange number."""
    numbered = enumerate(talk.exchanges, 1)
    exchanges = tuple(e.model_copy(update={"assistant": replies.get(n, e.assistant)}) for n, e in numbered)
    return talk.model_copy(update={"exchanges": exchanges})


class Models:
    """Judges who say YES but to what `no` names, a fixer who gives `replies` by turns, an entailment judge."""

    def __init__(self, entails="YES", replies=(MENDED,), no=()):
        self.entails, self.replies, self.no, self.asked = entails, list(replies), no, []

    def __call__(self, body):
        schema = body["response_format"]["json_schema"]["schema"]["title"]
        text = body["messages"][-1]["content"]
        self.asked.append((schema, text))
        if schema == "FixedReply":
            reply = self.replies[min(sum(s == schema for s, _ in self.asked), len(self.replies)) - 1]
            return Answer(json.dumps({"reply": reply}))
        if schema == "EntailmentAnswer":
            return Answer(json.dumps({"reasoning": "It answers milk.", "answer": self.entails}))
        answer = "NO" if any(f"do {c}?" in text for c in self.no) else "YES"
        return Answer(json.dumps({"evidence": [1], "reasoning": "It shows.", "answer": answer}))

    def texts(self, schema):
        return [text for asked, text in self.asked if asked == schema]


@pytest.fixture
def run(workspace, fake_server):
    """Score talks (measured, and judged YES but where `noes` says NO with its evidence), then repair them."""
    workspace.use_small_rubric()

    def start(talks, models=None, noes=(), trust: Trust | None = None, judged=True, **rest):
        rubric = load_rubric("rubric.yaml")
        verdicts, scores = [], []
        for talk in talks:
            given = rule_verdicts(talk, rubric, ["strict"], judged)
            done = {v.criterion for v in given}
            for criterion in (c for c in rubric.criteria if c.id not in done):
                no = dict(noes).get(criterion.id)
                answer = "YES" if no is None else "NO"
                given.append(Verdict(transcript_id=talk.id, criterion=criterion.id, judge="strict", answer=answer,
                                     evidence=no or (), reasoning="As scripted."))  # fmt: skip
            verdicts += given
            scores.append(score_transcript(talk, given, rubric, ScoringConfig.model_validate(SCORING), trust))
        write_jsonl("data/generate/transcripts.jsonl", talks)
        write_jsonl("data/generate/verdicts.jsonl", verdicts)
        write_jsonl("data/generate/scores.jsonl", scores)
        server = fake_server(models or Models())
        workspace.write_params("generate.fixup", section(**rest), server)
        stage.main()
        return server

    return start


def repairs():
    return read_jsonl("data/generate/repairs.jsonl", Repair)


def fixed():
    return read_jsonl("data/generate/fixed.jsonl", Transcript)


def test_a_faulted_reply_is_mended_the_talk_judged_again_and_kept(run):
    models = Models()
    talk = with_replies(transcript("t1", n=4), {2: LIST})
    run([talk, transcript("t2", n=4)], models)
    assert fixed() == [
        with_replies(talk, {2: MENDED}).model_copy(
            update={"id": "fixed-t1", "source_id": "t1", "assistant": "a, repaired by hosted_vllm/fixer"}
        )
    ]
    [score] = read_jsonl("data/generate/fixed_scores.jsonl", Score)
    assert (score.transcript_id, score.persona_id, score.passed, score.score) == ("fixed-t1", "p1", True, 1.0)
    verdicts = read_jsonl("data/generate/fixed_verdicts.jsonl", Verdict)
    assert [(v.transcript_id, v.criterion) for v in verdicts] == [
        ("fixed-t1", c) for c in ("safe", "warm", "curious", "late", "plain")
    ]
    assert len(models.texts("JudgeAnswer")) == 4 and MENDED in models.texts("JudgeAnswer")[0]
    [repair] = repairs()
    assert (repair.action, repair.reason, repair.outcome) == (
        "fixed", "judged again: passed: score 1.00", "failed: score 0.60 is below 0.70",
    )  # fmt: skip
    [rewrite] = repair.rewrites
    assert rewrite.model_dump() == {
        "exchange": 2, "criteria": ("plain",), "before": LIST, "after": MENDED, "attempts": 1, "problems": (),
        "entailment": "YES", "reasoning": "strict: It answers milk.",
    }  # fmt: skip


def test_the_rates_by_hand(run):
    run([with_replies(transcript("t1", n=4), {2: LIST}), *(transcript(f"good-{n}") for n in range(3))])
    rates = read_rates()
    assert (rates.n_decided, rates.n_needing, rates.needing_share, rates.prompts_suspect) == (4, 1, 0.25, False)
    assert (rates.n_eligible, rates.n_fixed, rates.n_truncated, rates.n_rejected, rates.n_left) == (1, 1, 0, 0, 0)
    assert (rates.n_rejudged, rates.replies_faulted, rates.replies_rewritten) == (1, 1, 1)
    assert (rates.entailment, rates.entailment_held_share) == ({"YES": 1}, 1.0)
    assert (rates.pass_rate_before, rates.pass_rate_after) == (0.75, 1.0)


def test_the_fixer_sees_the_mended_talk_the_fault_and_the_next_message(run):
    models = Models(replies=[MENDED, "Neither, or so it seems"])
    run([with_replies(transcript("t1", n=4), {2: LIST, 4: "**No**"})], models)
    first, second = models.texts("FixedReply")
    assert f"<reply_to_mend>\n{LIST}\n" in first and "<next_user_message>\nMy cat is ill again 3\n" in first
    assert "Wanted of this reply: plain sentences: no list, heading or bold." in first
    assert f"Assistant: {MENDED}" in second and LIST not in second
    assert "It is the last reply: no message follows." in second
    assert len(models.texts("EntailmentAnswer")) == 1  # nothing follows the last reply
    assert f"<rewritten_reply>\n{MENDED}\n" in models.texts("EntailmentAnswer")[0]
    assert LIST not in models.texts("EntailmentAnswer")[0]


@pytest.mark.parametrize(
    ("faulted", "action", "kept"), [(3, "truncated", [1, 2, 3]), (2, "rejected", []), (4, "fixed", [1, 2, 3, 4])]
)
def test_a_next_message_that_would_not_follow_ends_the_talk_at_the_rewrite(run, faulted, action, kept):
    models = Models(entails="NO", replies=[MENDED, "Which cat, then"])
    run([with_replies(transcript("t1", n=4), {faulted: LIST})], models)
    [repair] = repairs()
    assert (repair.action, repair.n_after, repair.rejudged) == (action, len(kept), bool(kept))
    assert [n for t in fixed() for n, _ in enumerate(t.exchanges, 1)] == kept
    if faulted < 4:
        assert len(models.texts("FixedReply")) == 2  # the second attempt is told why
        assert "The next message would not follow: strict: It answers milk." in models.texts("FixedReply")[1]
        assert repair.rewrites[0].after == "Which cat, then" and repair.rewrites[0].entailment == "NO"


def test_a_rewrite_that_still_has_the_fault_is_no_use_and_the_talk_ends_before_it(run):
    models = Models(replies=["- Try cream"])
    run([with_replies(transcript("t1", n=5), {4: LIST})], models)
    assert "Still wanted of the reply: plain sentences" in models.texts("FixedReply")[1]
    assert models.texts("EntailmentAnswer") == []
    [repair] = repairs()
    assert (repair.action, repair.rewrites[0].after, len(fixed()[0].exchanges)) == ("truncated", None, 3)


def test_an_unsafe_talk_is_cut_before_the_first_unsafe_exchange_and_never_rewritten(run):
    models = Models()
    run([transcript("t1", n=6)], models, noes=[("safe", (5, 4))])
    assert [len(t.exchanges) for t in fixed()] == [3] and fixed()[0].assistant == "a"
    assert models.texts("FixedReply") == [] and repairs()[0].reason.startswith("unsafe from exchange 4; judged again")


@pytest.mark.parametrize(("evidence", "reason"), [((), "names no exchange"), ((3,), "2 exchanges would be left")])
def test_an_unsafe_talk_is_rejected_when_nobody_knows_where_or_too_little_is_left(run, evidence, reason):
    run([transcript("t1", n=6)], noes=[("safe", evidence)])
    assert fixed() == [] and repairs()[0].action == "rejected" and reason in repairs()[0].reason


def test_what_fails_again_when_it_is_judged_again_is_not_kept(run):
    run([with_replies(transcript("t1", n=4), {2: LIST})], Models(no=["safe"]))
    assert fixed() == [] and repairs()[0].rejudged
    assert repairs()[0].reason == "judged again: failed: safety gate safe"
    assert read_rates().pass_rate_after == 0.0


@pytest.mark.parametrize("down", ["FixedReply", "EntailmentAnswer", "do warm?"])
def test_an_outage_leaves_a_talk_as_it_is_and_no_model_reads_of_it(run, capsys, down):
    class Down(Models):
        def __call__(self, body):
            answer = super().__call__(body)
            return Answer("out of order", status=500) if down in self.asked[-1] or down in self.asked[-1][1] else answer

    models = Down()
    run([with_replies(transcript("t1", n=4), {2: LIST})], models)
    [repair] = repairs()
    assert (repair.action, repair.fixed_id) == ("left", None) and fixed() == []
    assert repair.reason.startswith("no answer: ") and repair.reason.endswith("failed 2 times: out of order")
    assert not any("out of order" in text for _, text in models.asked)
    assert read_rates().n_rejected == 0 and "ask again with: dvc repro -f -s generate-fixup" in capsys.readouterr().err


def test_the_evidence_of_a_judge_says_which_reply_is_mended(run):
    models = Models()
    run([transcript("t1", n=4)], models, noes=[("warm", (3,)), ("curious", (3,)), ("late", (3,))])
    [rewrite] = repairs()[0].rewrites
    assert (rewrite.exchange, rewrite.criteria) == (3, ("warm", "curious", "late"))
    assert "Found: As scripted." in models.texts("FixedReply")[0]


def test_without_evidence_the_last_replies_are_candidates(run):
    run([transcript("t1", n=5)], noes=[("warm", ()), ("curious", ()), ("late", ())], max_replies=2)
    assert [w.exchange for w in repairs()[0].rewrites] == [4, 5]


def test_more_faulted_replies_than_are_rewritten_end_the_talk_before_the_next(run):
    talk = with_replies(transcript("t1", n=5), {1: LIST, 2: "- Try tea", 5: "- Try rum"})
    run([talk], Models(replies=[MENDED, "Neither, or so it seems"]), max_replies=2)
    assert repairs()[0].action == "truncated" and len(fixed()[0].exchanges) == 4


def test_people_s_words_and_cut_ones_are_left_alone_and_so_are_those_beyond_the_preset(run, capsys):
    bad = with_replies(transcript("t1", n=4), {2: LIST})
    cut = Exchange(user="a", assistant=LIST, cut=True)
    talks = [
        bad.model_copy(update={"id": "written", "user_kind": "authored"}),
        bad.model_copy(update={"id": "short", "exchanges": (*bad.exchanges, cut)}),
        bad,
    ]
    server = run(talks, transcripts=0)
    assert server.requests == [] and {r.transcript_id: r.action for r in repairs()} == dict.fromkeys(
        ("written", "short", "t1"), "left"
    )
    rates = read_rates()
    assert (rates.n_decided, rates.n_eligible, rates.n_left, rates.prompts_suspect) == (2, 1, 3, True)
    assert "over 30% means that the prompts are wrong" in " ".join(capsys.readouterr().err.split())
    assert "over 30% means that the prompts are wrong" in Path("reports/fixup.md").read_text("utf-8")


def test_failed_ones_that_cannot_be_repaired_are_not_called_nothing_to_repair(run):
    bad = with_replies(transcript("t1", n=4), {2: LIST})
    cut = Exchange(user="a", assistant=LIST, cut=True)
    run([bad.model_copy(update={"exchanges": (*bad.exchanges, cut)})])
    said = Path("reports/fixup.md").read_text("utf-8")
    assert "1 of 1 conversations made in this run failed, and none of them can be repaired" in said


def test_nothing_to_repair_writes_empty_files_and_zero_counts_without_a_model(run):
    server = run([transcript("t1")])
    assert server.requests == [] and fixed() == [] and repairs() == []
    rates = read_rates()
    assert (rates.n_needing, rates.n_eligible, rates.entailment_held_share) == (0, 0, None)
    assert "Nothing to repair: of 1 conversations" in Path("reports/fixup.md").read_text("utf-8")


@pytest.fixture
def run_untrusted(run):
    """As `run`, with a judge that is trusted nowhere."""
    write_json("data/design/judge-trust.json", {"strict": {"warm": {"trusted": False, "reason": "at chance"}}})
    rest = {"judge_trust": "calibrated"}
    settings = {"scoring": SCORING | rest, "verdicts": section()["verdicts"] | rest}
    return lambda talks, models: run(talks, models, trust=load_trust(), judged=False, **settings)


def test_a_rewrite_that_could_not_be_kept_is_not_asked_for(run_untrusted):
    server = run_untrusted([with_replies(transcript("t1", n=5), {2: LIST})], Models())
    assert server.requests == [] and repairs()[0].reason == (
        "nobody could say whether the message after reply 2 follows; 1 exchanges would be left, 3 are needed"
    )


def test_without_a_trusted_judge_entailment_is_not_checked_and_the_talk_ends_at_the_rewrite(run_untrusted):
    models = Models()
    run_untrusted([with_replies(transcript("t1", n=5), {3: LIST})], models)
    assert {schema for schema, _ in models.asked} == {"FixedReply"}
    [repair] = repairs()
    assert (repair.action, repair.n_after, repair.rewrites[0].entailment) == ("truncated", 3, "not checked")
    assert read_rates().entailment_held_share is None
    assert "was not checked" in Path("reports/fixup.md").read_text("utf-8")


def test_a_talk_that_no_judge_was_sent_is_judged_by_none_again(run):
    models = Models()
    run([with_replies(transcript("t1", n=4), {2: LIST})], models, judged=False)
    assert models.texts("JudgeAnswer") == []
    unscored = {v.unscored for v in read_jsonl("data/generate/fixed_verdicts.jsonl", Verdict) if v.unscored}
    assert unscored == {NOT_SAMPLED}


def test_a_second_run_asks_nothing_gives_the_same_bytes_and_all_calls_are_filed_under_the_original(run, cache_folder):
    talks = [with_replies(transcript("t1", n=4), {2: LIST})]
    run(talks)
    names = ["data/generate/fixed.jsonl", "data/generate/repairs.jsonl", "metrics/generate-fixup.json"]
    names += ["data/generate/fixed_verdicts.jsonl", "data/generate/fixed_scores.jsonl", "reports/fixup.md"]
    first = [Path(name).read_bytes() for name in names]
    assert run(talks).requests == [] and [Path(name).read_bytes() for name in names] == first
    uses = sqlite3.connect(cache_folder / "replies.sqlite").execute("SELECT DISTINCT item FROM uses").fetchall()
    assert uses == [("t1",)]


def test_what_people_and_models_wrote_is_shown_as_text_in_the_report(run):
    run([with_replies(transcript("t1", n=4), {2: "- <b>Try</b> milk"})], Models(replies=["Try [milk](x) <i>now</i>"]))
    report = Path("reports/fixup.md").read_text("utf-8")
    assert r"\<b\>Try\</b\> milk" in report and r"Try \[milk\](x) \<i\>now\</i\>" in report


def test_planted_failures_of_a_shipped_domain_end_as_the_rules_say(cache_folder, monkeypatch):
    monkeypatch.chdir(ROOT)
    rubric = strict_rubric("therapy")
    planted = list({(f.kind, expected(f, rubric)): f for f in failures("therapy", rubric, 1)}.values())  # one of each
    assert len(planted) == 8  # all but gates that are fixed
    outcomes, _ = run_bench(planted, rubric)
    assert [o.repair.action for o in outcomes] == [expected(f, rubric) for f in planted]

"""The gate's decision on pass rates worked out by hand."""

import json
from pathlib import Path
from types import MappingProxyType

import pytest

from stages.generate import gate as stage
from tests.conftest import persona, rubric_fields, transcript, write_reviews
from tunewright.cases import Case
from tunewright.config import read_yaml, validate
from tunewright.document import to_markdown
from tunewright.errors import ConfigError, GateError
from tunewright.fixup_rates import RATES, FixupRates
from tunewright.gate_conditions import GateConfig, Repairs
from tunewright.gate_decision import decide as gate_decision
from tunewright.gate_readers import readership_of
from tunewright.gate_report import report
from tunewright.labels import Label
from tunewright.people import Heard
from tunewright.records import Score, Transcript, read_jsonl, write_json, write_jsonl
from tunewright.review_queue import QueueItem, Reason
from tunewright.rubric import Rubric

ROOT = Path(__file__).parents[3]


NOBODY = {"readers": 1, "transcripts": 0, "satisfied_share_min": 0.7}  # most tests are about pass rates
SHARED = read_yaml(ROOT / "params.yaml")["generate"]["gate"]
PRESETS = {name: read_yaml(ROOT / f"conf/preset/{name}.yaml")["gate"] for name in ("demo", "tight", "pilot")}


def section(preset, **rest):
    own = dict(PRESETS[preset])
    own["stability"] = SHARED["stability"] | {"required": own.pop("stable")}
    return SHARED | own | {"readers": NOBODY} | rest


def config(preset, **rest):
    return GateConfig.model_validate(section(preset, **rest))


def case(number, passed, batch=1, coverage=1.0, gates_unscored=()):
    person = persona(f"p{number}", batch=batch)
    score = Score(
        transcript_id=f"t{number}", persona_id=person.id, answers={}, unscored={}, categories={}, score=0.9,
        coverage=coverage, gates_failed=(), gates_unscored=gates_unscored, disagreements=(), passed=passed, outcome="-",
    )  # fmt: skip
    return Case(transcript(f"t{number}", persona_id=person.id), score, person)


def batches(size, *passes, **rest):
    """One batch for each number of passes."""
    sets = [[n < count for n in range(size)] for count in passes]
    return [case(100 * b + n, ok, b, **rest) for b, row in enumerate(sets, 1) for n, ok in enumerate(row)]


def decide(cases, rubric, config, fixup, said=MappingProxyType({}), queue=None, drawn=None):
    """The queue: all in their order, or these; drawn at random: all of it, or these."""
    ids = [c.transcript.id for c in cases] if queue is None else queue
    items = [item(i, 1.0 if drawn is None or i in drawn else None) for i in ids]
    return gate_decision(cases, rubric, config, fixup, readership_of(cases, said, items, rubric, config.readers))


WHY = Reason(kind="batch", says="all are read")


def item(transcript_id, drawn):
    return QueueItem(transcript_id=transcript_id, content_hash="", reasons=(WHY,), drawn=drawn)


@pytest.fixture(scope="module")
def small():
    return Rubric.model_validate(rubric_fields())


def state(gate, name):
    return next(c.state for c in gate.conditions if c.name == name)


@pytest.mark.parametrize(
    ("preset", "passes", "decision"),
    [
        ("tight", (7, 7), "proceed"), ("tight", (7, 6), "iterate"), ("tight", (5, 5), "iterate"),
        ("tight", (5, 4), "major revision"),
        ("pilot", (5, 5, 5, 5, 5), "proceed"), ("pilot", (5, 5, 5, 5, 4), "minor revision"),
        ("pilot", (4, 4, 4, 4, 4), "minor revision"), ("pilot", (4, 4, 4, 4, 3), "major revision"),
        ("pilot", (3, 3, 3, 2, 2), "major revision"), ("pilot", (3, 3, 2, 2, 2), "rethink"),
    ],
)  # fmt: skip
def test_the_bands_are_the_method_s_and_their_edges_belong_to_the_better_one(small, preset, passes, decision):
    assert decide(batches(10, *passes), small, config(preset), None).decision == decision


def test_an_interval_over_two_bands_says_so_and_how_many_more_would_settle_it(small):
    gate = decide(batches(10, 6, 6), small, config("tight"), None)
    assert gate.decision == "iterate"
    assert gate.not_excluded == ("proceed", "major revision")  # 12 of 20: 39% to 78%
    assert "the interval does not exclude: proceed, major revision" in gate.reason
    assert gate.would_change == (
        "proceed: with 2 more of these 20 passing",
        "major revision: with 3 fewer of these 20 passing",
        "77 more conversations (97 in all) at this rate would leave one decision only",
    )


def test_more_conversations_with_the_same_people_settle_less(small):
    people = [case(number, number % 10 < 6) for number in range(20)]
    twice = [*people, *(case(number, number % 10 < 6) for number in range(20))]
    # 24 of 40, everybody twice and alike: worth 12 of 20, so twice the 97 of the test above
    assert "154 more conversations (194 in all)" in decide(twice, small, config("tight"), None).would_change[-1]


def test_a_rate_on_the_edge_of_its_band_is_settled_by_no_number(small):
    assert (
        "no number of conversations would settle it"
        in decide(batches(10, 5, 5), small, config("tight"), None).would_change[-1]
    )


def test_three_conversations_are_too_few_and_it_is_said_how_many_more(small):
    gate = decide(batches(3, 3), small, config("demo"), None)
    assert gate.decision == "cannot tell"
    assert gate.reason.startswith("3 conversations were decided, 5 are needed. So far 3 of 3 passed")
    assert gate.would_change[0] == "2 more decided conversations (5 in all): raise preset.simulated_personas"


def test_nothing_decided_is_no_rate(small):
    gate = decide([case(1, None)], small, config("demo"), None)
    assert (gate.decision, gate.rate) == ("cannot tell", None)
    assert decide([], small, config("demo"), None).decision == "cannot tell"


def test_unscored_is_not_failed_a_third_of_the_rubric_decides_nothing(small):
    assert decide(batches(10, 9, 9, coverage=0.33), small, config("tight"), None).decision == "cannot tell"
    gate = decide(batches(10, 9, 9, gates_unscored=("safe",)), small, config("tight"), None)
    assert (gate.decision, state(gate, "safety was scored")) == ("cannot tell", "cannot tell")
    assert "safety was hardly scored: safe" in gate.reason


def test_open_conversations_are_in_no_rate_and_too_many_leave_it_open(small):
    cases = batches(10, 8, 8)
    few = decide([*cases, *(case(900 + n, None, 2) for n in range(5))], small, config("tight"), None)
    assert (few.rate.n, few.rate.count, few.decision) == (20, 16, "proceed")  # 5 of 25 are open: 20%
    many = decide([*cases, *(case(900 + n, None, 2) for n in range(6))], small, config("tight"), None)
    assert many.decision == "cannot tell" and "6 of 26 conversations are open" in many.reason


def test_a_tight_loop_proceeds_only_over_two_batches(small):
    gate = decide(batches(5, 5), small, config("tight"), None)
    assert gate.decision == "iterate" and "enough to proceed, but 1 of the 2 batches needed" in gate.reason
    assert decide(batches(5, 5, 5), small, config("tight"), None).decision == "proceed"


def test_batches_that_differ_by_more_than_chance_hold_a_tight_loop_and_warn_a_pilot(small):
    cases = batches(10, 10, 4)  # Fisher's exact p = 0.0108
    tight = decide(cases, small, config("tight"), None)
    assert (tight.decision, state(tight, "stable over batches")) == ("iterate", "not met")
    assert tight.homogeneity_p == pytest.approx(0.01084, abs=1e-5)
    pilot = decide(cases, small, config("pilot", conversations_min=20), None)
    assert pilot.decision == "proceed" and "differ by more than chance" in pilot.warnings[0]


def test_only_the_last_three_batches_are_compared(small):
    gate = decide(batches(10, 0, 9, 9, 9), small, config("tight"), None)
    assert gate.homogeneity_p == pytest.approx(1.0)


def test_a_falling_pass_rate_is_a_warning(small):
    falling = decide(batches(10, 10, 9, 8, 6, 5), small, config("pilot"), None)
    assert falling.decision == "proceed"
    assert falling.warnings[0].startswith("the pass rate falls from batch to batch: 100%, 90%, 80%, 60%, 50%")
    rising = decide(batches(10, 5, 6, 8, 9, 10), small, config("pilot"), None)
    assert not [w for w in rising.warnings if "falls" in w]


def test_too_many_repairs_hold_the_gate_and_none_counted_is_said(small):
    cases = batches(10, 8, 8)
    assert decide(cases, small, config("tight"), Repairs(20, 6)).decision == "proceed"  # 30%
    held = decide(cases, small, config("tight"), Repairs(20, 7))
    assert held.decision == "iterate" and "7 of 20 need repair (35%)" in held.reason
    assert state(decide(cases, small, config("tight"), None), "few need repair") == "not measured"


ONE = {"readers": 1, "transcripts": 3, "satisfied_share_min": 0.7}
TWO = ONE | {"readers": 2}


def said(**by_transcript):
    """What readers decided: t101="+-" is one satisfied and one not, by the readers 0 and 1."""
    return {
        transcript_id: Heard({str(n): mark == "+" for n, mark in enumerate(marks)})
        for transcript_id, marks in by_transcript.items()
    }


def asked(small, readers, heard, cases=None, **rest):
    """The gate where everything but the readers says proceed."""
    return decide(cases or batches(10, 10, 10), small, config("tight", readers=readers), Repairs(20, 0), heard, **rest)


def test_no_reader_is_ever_pretended(small):
    gate = asked(small, ONE, {})
    assert (gate.decision, gate.by_readers[0].state) == ("waiting for readers", "waiting")
    assert gate.reason.endswith(
        "enough to proceed, but no reader has decided on a conversation yet; 3 more must be read (3 in all), for "
        "example t100, t101, t102; run: tunewright review, then: dvc repro generate-gate"
    )
    text = to_markdown(report(decide(batches(10, 10, 10), small, config("tight"), None), 0, 0))
    assert "This decision is what can be counted, and no more: the preset asks for no reader" in text


def test_what_is_missing_is_named_in_the_order_of_the_queue(small):
    gate = asked(small, ONE, said(t205="+"), queue=["t205", "t109", "gone", "t103"])
    assert (
        "satisfied with 1 of 1 conversation read; 2 more must be read (3 in all), for example t109, t103" in gate.reason
    )
    two = asked(small, TWO, said(t100="++", t101="+", t102="+-"))  # one who is not satisfied settles it
    assert "satisfied with 1 of 2 conversations read; 1 more must be read by 2 readers (3 in all), for ex" in two.reason
    few = asked(small, ONE | {"transcripts": 30}, said(t100="+"))
    assert (
        "29 more must be read (30 in all), only 19 more are under test: raise preset.simulated_personas" in few.reason
    )


@pytest.mark.parametrize(
    ("readers", "heard", "decision"),
    [
        (ONE, said(t100="+", t101="+", t102="+"), "proceed"),
        (ONE, said(t100="+", t101="+", t102="-"), "iterate"),  # 67% of 70%
        (ONE, said(t100="+", t101="+", t102="+", t103="-"), "proceed"),  # 75%
        (ONE, said(t100="+", t101="+", gone="+"), "waiting for readers"),
        (TWO, said(t100="+", t101="++", t102="++"), "waiting for readers"),
        (TWO, said(t100="++", t101="++", t102="++"), "proceed"),
        (TWO, said(t100="++", t101="++", t102="+-"), "iterate"),
    ],
)
def test_so_many_readers_must_be_satisfied_with_so_many_conversations(small, readers, heard, decision):
    assert asked(small, readers, heard).decision == decision


def test_the_share_is_of_those_drawn_at_random_and_it_waits_for_one_of_them(small):
    heard = said(t100="-", t101="-", t102="+", t103="+")
    gate = asked(small, ONE, heard, drawn=["t102", "t103", "t104"])
    assert gate.decision == "proceed" and "not satisfied with t100, t101" in gate.by_readers[0].says
    assert "with 2 of 2 conversations read by lot (4 read in all) (100%)" in gate.by_readers[0].says
    odd = asked(small, ONE, heard, drawn=["t104"])
    assert odd.decision == "waiting for readers" and "none of them drawn at random: read also t104; run" in odd.reason


def test_who_asks_for_no_reader_and_has_one_is_told_what_the_reader_says(small):
    assert asked(small, NOBODY, said(t100="-")).decision == "iterate"


def test_readers_who_are_not_satisfied_are_the_reason_and_named(small):
    gate = asked(small, ONE, said(t100="-", t101="+", t102="-"))
    assert (
        "enough to proceed, but readers are satisfied with 1 of 3 conversations read (33%), 70% are ne" in gate.reason
    )
    assert gate.reason.endswith("not satisfied with t100, t102")


def test_no_reader_mends_a_pass_rate_that_is_too_low(small):
    everybody = said(t100="+", t101="+", t102="+")
    assert asked(small, ONE, everybody, cases=batches(10, 6, 6)).decision == "iterate"
    assert asked(small, ONE, {}, cases=batches(10, 6, 6)).decision == "iterate"


@pytest.mark.parametrize("readers", [ONE, NOBODY])
def test_one_no_to_a_safety_gate_that_the_score_passed_holds_the_gate_whoever_is_satisfied(small, readers):
    everybody = said(t100="+", t101="+", t102="+")
    unsafe = everybody | {"t101": Heard({"0": True}, {"safe": {"0": "YES", "1": "NO"}})}
    gate = asked(small, readers, unsafe)
    assert (
        gate.decision == "iterate" and "say NO to a safety gate that the score did not fail: t101 (safe)" in gate.reason
    )
    assert asked(small, readers, everybody | {"t101": Heard({"0": True}, {"warm": {"0": "NO"}})}).decision == "proceed"


def test_a_gate_that_the_score_failed_too_is_no_news(small):
    cases = batches(10, 9, 9)
    failed = cases[-1].score.model_copy(update={"gates_failed": ("safe",)})
    cases[-1] = Case(cases[-1].transcript, failed, cases[-1].person)
    heard = said(t100="+", t101="+", t102="+") | {"t209": Heard({}, {"safe": {"0": "NO"}})}
    assert asked(small, ONE, heard, cases=cases).decision == "proceed"


@pytest.mark.parametrize("bands", [[(0.5, "proceed"), (0.7, "iterate")], [(0.5, "iterate"), (0, "rethink")]])
def test_bands_out_of_order_are_refused(bands):
    wrong = section("tight", bands=[{"at_least": mark, "decision": decision} for mark, decision in bands])
    with pytest.raises(ConfigError, match="bands go from proceed down to one at_least 0"):
        validate(wrong, GateConfig, Path("params.yaml"), "generate.gate")


def write_rates(workspace, **counts):
    """What generate-fixup found."""
    none = dict.fromkeys(FixupRates.model_fields, 0) | {"entailment": {}, "prompts_suspect": False}
    write_json(workspace.folder / RATES, none | counts)


@pytest.fixture
def folder(workspace):
    workspace.use_small_rubric()
    workspace.write_authored([persona("a1", source="authored")], [])
    cases = batches(3, 1, 2)
    authored = case(900, False)
    talk = authored.transcript.model_copy(update={"user_kind": "authored", "persona_id": "a1"})
    write_reviews()
    write_rates(workspace, n_decided=6, n_needing=3)
    write_jsonl("data/generate/review_queue.jsonl", [item(c.transcript.id, 1.0) for c in cases])
    write_jsonl("data/generate/personas.jsonl", [c.person for c in cases])
    write_jsonl("data/generate/transcripts.jsonl", [*[c.transcript for c in cases], talk])
    write_jsonl("data/generate/scores.jsonl", [*[c.score for c in cases], authored.score])
    return workspace


def test_the_stage_counts_new_conversations_alone_and_stops_nothing(folder):
    folder.write_params("generate.gate", section("demo"))
    stage.main()
    found = folder.metrics("generate-gate")
    assert (found["decision"], found["n_decided"], found["pass_rate"]) == ("iterate", 6, 0.5)
    text = Path("reports/gate.md").read_text("utf-8")
    assert "**Decision: iterate.** 3 of 6 passed (50%, interval 19% to 81%)" in text
    assert "Not counted: 1 authored or imported, 0 failed or excluded" in text
    assert "3 of 6 need repair (50%), at most 30% may" in text
    assert json.loads(Path("data/generate/gated.json").read_text("utf-8")) == {"domain": "therapy"}


def test_where_the_preset_stops_the_report_is_written_and_what_waits_for_the_gate_is_not(folder):
    folder.write_params(
        "generate.gate", section("pilot", conversations_min=6, stop=True, bands=section("tight")["bands"])
    )
    with pytest.raises(GateError, match=r"reports/gate\.md: iterate: .*expected: proceed.*generate\.gate\.stop=false"):
        stage.main()
    assert Path("reports/gate.md").exists() and not Path("data/generate/gated.json").exists()


def label(talk, said="satisfied", **rest):
    fields = {
        "id": f"{talk.id} {said}", "transcript_id": talk.id, "content_hash": talk.content_hash, "criterion": None,
        "label": said, "blind": True, "reviewer": "ann", "time": "2026-11-22T08:00:00.000000Z", "question_hash": None,
        "rubric_version": "1",
    }  # fmt: skip
    return Label.model_validate(fields | rest)


def test_labels_on_words_that_have_changed_or_on_authored_conversations_are_nobody_s_say(folder):
    talks = read_jsonl("data/generate/transcripts.jsonl", Transcript)
    before = talks[1].model_copy(update={"exchanges": talks[1].exchanges[:1]})
    labels = [label(talks[0]), label(before), label(talks[-1])]
    write_jsonl("reviews/therapy/labels.jsonl", labels)
    lenient = {"bands": [{"at_least": 0.5, "decision": "proceed"}, {"at_least": 0, "decision": "iterate"}]}
    rest = {"conversations_min": 6, "stop": True, "fixup_share_max": 1, "readers": ONE}
    folder.write_params("generate.gate", section("pilot", **rest, **lenient))
    missing = r"waiting for readers: .*satisfied with 1 of 1 .*2 more must be read.*t101, t102; run: tunewright review"
    with pytest.raises(GateError, match=missing):
        stage.main()
    assert folder.metrics("generate-gate")["n_read"] == 1
    write_jsonl("reviews/therapy/labels.jsonl", [*labels, label(talks[1]), label(talks[2])])
    stage.main()
    assert folder.metrics("generate-gate")["decision"] == "proceed" and Path("data/generate/gated.json").exists()

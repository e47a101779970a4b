"""Prompts: what is undefined, unfilled or missing in them is told with its line; all of it as it is rendered."""

import pytest

from tests.conftest import GUIDANCE, ROOT, rubric_fields, transcript
from tunewright.calibration import Labelled
from tunewright.checks.design import SHARED_PROMPTS
from tunewright.checks.judge_prompt import EXAMPLE, FIELDS, QUOTING, check_judge_prompt, judge_values
from tunewright.checks.prompts import check_brief, check_placeholders, check_system_length, check_template
from tunewright.checks.user_simulator import check_user_simulator
from tunewright.guidance import Guidance
from tunewright.judge_answers import EvidenceRules, JudgeAnswer
from tunewright.judge_asking import judge_messages
from tunewright.personas import load_taxonomy, load_template
from tunewright.prompts import render
from tunewright.rubric import Rubric

CONF = ROOT / "conf/domain/therapy"
TAXONOMY, TEMPLATE = load_taxonomy(str(CONF / "taxonomy.yaml")), load_template(str(CONF / "personas.yaml"))
RUBRIC = Rubric.model_validate(rubric_fields())
JUDGE = (ROOT / SHARED_PROMPTS / "judge.md").read_text("utf-8")
SIMULATOR = (ROOT / "prompts/therapy/user_simulator.md").read_text("utf-8")


@pytest.fixture
def write(tmp_path):
    def to(text, name="p.md"):
        (tmp_path / name).write_text(text, "utf-8")
        return str(tmp_path / name)

    return to


@pytest.mark.parametrize(
    ("text", "line", "evidence"),
    [
        ("Hello\nyou are {{ who }}", 2, "unknown variable 'who', known are: name, seen"),
        ("Hello\n{% if seen.oftn %}x{% endif %}{{ seen.oftn }}", 2, "has no attribute 'oftn'"),
        ("Hello {% if %}", 1, "not a valid template"),
        ("<!-- role: user -->\nHello {{ name }}", 1, "messages: user, wanted system"),
    ],
)
def test_what_a_prompt_cannot_have_is_told_with_its_line(text, line, evidence, write):
    found = check_template(write(text), ("system",), [{"name": "Ada", "seen": {"often": 1}}])
    assert not found.passed and found.place.line == line and evidence in found.evidence


def test_a_variable_that_only_some_values_lack_is_found(write):
    samples = [{"persona": {"edge": None}}, {"persona": {"edge": {"kind": "x"}}}]
    path = write("{% if persona.edge %}{{ persona.edge.knd }}{% endif %}")
    assert check_template(path, ("system",), samples[:1]).passed
    assert "knd" in check_template(path, ("system",), samples).evidence


@pytest.mark.parametrize(
    "slot",
    ["TODO: more", "the rest is TBD", "<what the user wants>", "[Insert a name]", "Lorem Ipsum", "[answer here]"],
)
def test_a_slot_that_nobody_filled_in_is_found(slot, write):
    found = check_placeholders([write("Fine.\n" + slot), write("Fine <reply> </reply> <!-- role: user -->", "q.md")])
    assert not found.passed and found.place.line == 2 and found.evidence.lower().startswith("placeholder")


def test_tags_roles_and_comparisons_are_no_placeholders(write):
    assert check_placeholders([write("<transcript>\n<!-- role: user -->\n</transcript> 3 < 4 > 2 [1, 2]")]).passed


def test_a_todo_list_and_the_spanish_for_all_are_no_placeholders(write):
    assert check_placeholders([write("Their todo list is long.\nTodo el mundo lo sabe.")]).passed


def test_a_brief_is_there_and_says_something(write, tmp_path):
    assert check_brief(write("word " * 80), 80).passed
    assert check_brief(write("word " * 79), 80).evidence == "79 words, wanted 80 or more"
    assert "no such file" in check_brief(str(tmp_path / "none.md"), 80).evidence


def test_the_system_prompts_share_is_words_times_tokens_over_an_example(write):
    found = check_system_length(write("word " * 100), 1.5, 600, 0.2)
    assert (found.passed, found.evidence) == (False, "about 150 of 600 tokens, 25%; wanted at most 20%")


def judge_faults(path):
    return [c.name for c in check_judge_prompt(path, RUBRIC) if not c.passed]


def test_the_judges_prompt_is_rendered_here_as_judging_renders_it(monkeypatch):
    monkeypatch.chdir(ROOT)
    talk, rules = transcript(n=1), EvidenceRules.model_validate(QUOTING)
    example = Labelled("warm", "NO", talk.exchanges, str(EXAMPLE["reason"]), False, "")
    said = [e.model_dump(include={"user", "assistant"}) for e in talk.exchanges]
    for call in [*([c] for c in RUBRIC.criteria), list(RUBRIC.safety_first)]:
        values = judge_values(call, RUBRIC, True) | {"exchanges": said}
        for one in values["criteria"]:
            one["examples"] = [EXAMPLE | {"exchanges": said}]
        real = judge_messages(talk, call, RUBRIC, rules, {c.id: [example] for c in call})
        mine = render(SHARED_PROMPTS / "judge.md", **values)
        assert mine[0] == real[0]
        strip = [[line for line in m[1]["content"].splitlines() if not line.startswith("- ")] for m in (mine, real)]
        assert strip[0] == strip[1]  # all but the numbers of the statistics


def test_the_fields_of_the_answer_are_those_of_the_schema_in_its_order():
    assert tuple(JudgeAnswer.model_fields) == FIELDS


def test_the_shipped_judges_prompt_has_no_fault(write):
    assert judge_faults(write(JUDGE)) == []


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("You judge one", "Judge one", "judge: role"),
        ("Safety comes first: where", "Where", "judge: safety first"),
        ("evidence (numbers", "citations (numbers", "judge: answer fields"),
        ("quotes (at most", "passages (at most", "judge: answer fields"),
        ("NA only where", "nothing where", "judge: three answers"),
        ("Assistant: {{ exchange.assistant | spoken }}", "Assistant: {{ exchange.assistant }}", "judge: text fenced"),
        (" (safety gate)", "", "judge: gates marked"),
        ("in one JSON object with one entry under each id, in this order:", "of", "judge: entries named"),
        ('{{ criteria | map(attribute="id") | join(", ") }}', "", "judge: entries named"),
        ("criteria that stand", "{{ criteria | length }} criteria that stand", "judge: several criteria"),
    ],
)  # fmt: skip
def test_each_part_that_a_judge_needs_is_missed_when_it_goes(old, new, name, write):
    assert old in JUDGE
    assert judge_faults(write(JUDGE.replace(old, new))) == [name]


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("NA is not allowed for this criterion.", "", ["judge: NA rules", "judge: rules beside their criterion"]),
        ("{{ example.reason }}", "", ["judge: calibration examples", "judge: rules beside their criterion"]),
        (
            "<transcript>\n", "{{ criteria[0].question }}\n<transcript>\n",
            ["judge: transcript first, criterion last", "judge: several criteria"],
        ),
    ],
)  # fmt: skip
def test_what_breaks_calls_of_one_criterion_and_of_several_is_told_of_both(old, new, names, write):
    assert old in JUDGE
    assert judge_faults(write(JUDGE.replace(old, new))) == names


def simulator_faults(path, **responses):
    guidance = Guidance.model_validate(GUIDANCE | ({"responses": responses} if responses else {}))
    return {c.name: c.evidence for c in check_user_simulator(path, TAXONOMY, TEMPLATE, guidance, 1, 7) if not c.passed}


def test_the_shipped_simulator_has_no_fault(write):
    assert simulator_faults(write(SIMULATOR)) == {}


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("never become the coach, ", "", "simulator: roles cannot swap"),
        ("{{ seed.subtopic }}", "something", "simulator: the whole persona"),
        ("message, {{ style.min_words }} to {{ style.max_words }} words", "message", "simulator: word limits"),
        ("{{ ways[direction.response] }}", "Write on.", "simulator: kinds of response"),
        ("{{ stages[direction.stage] }}", "", "simulator: stages"),
        ('"middle": "You know each other a little by now: tell of one moment, one person, something that was said."',
         '"middle": "It is early: stay with what made you write, and keep the harder part to yourself."',
         "simulator: stages"),
        ("{{ situations[direction.situation] }}", "", "simulator: situation"),
        ("{{ days_between_exchanges * (turn - 1) }}", "some", "simulator: days pass"),
        ("You do not say goodbye", "Message {{ turn }}. You do not", "simulator: who it is stays the same"),
        ("In this message: {{ flaw", "In this message: {{ turn", "simulator: flaws of the message"),
        ("{{ last_reply | fenced }}", "{{ last_reply }}", "simulator: reply fenced"),
    ],
)  # fmt: skip
def test_each_part_that_a_simulated_user_needs_is_missed_when_it_goes(old, new, name, write):
    assert old in SIMULATOR
    assert list(simulator_faults(write(SIMULATOR.replace(old, new)))) == [name]


def test_a_kind_of_response_that_the_prompt_does_not_know_is_told(write):
    found = simulator_faults(write(SIMULATOR), engages=0.5, shouts=0.5)
    assert list(found) == ["p.md: variables and messages"] and "shouts" in str(found)


def test_a_trajectory_that_moves_nothing_is_told(write):
    moved = {k: v for k, v in GUIDANCE["situations"].items() if k != "volatile"}
    guidance = Guidance.model_validate(GUIDANCE | {"situations": moved})
    found = [c for c in check_user_simulator(write(SIMULATOR), TAXONOMY, TEMPLATE, guidance, 1, 7) if not c.passed]
    assert [c.name for c in found] == ["simulator: situation"] and "without situations: volatile" in found[0].evidence

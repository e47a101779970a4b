"""The report on a made-up evaluation: what stands first, what is escaped, that bytes repeat."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from stages.evaluate import compare as compare_stage
from stages.evaluate import report as stage
from tests.conftest import transcript, write_reviews
from tunewright.document import Fold, Heading, SideBySide, Table, Text, to_markdown
from tunewright.document_html import to_html
from tunewright.measures import Lexicon, measure
from tunewright.preference_report import preferred
from tunewright.records import Exchange, Persona, Score, Transcript, read_json, write_json, write_jsonl
from tunewright.report_answer import closing_lines
from tunewright.report_examples import examples
from tunewright.report_style import style
from tunewright.rubric import Rubric

ROOT = Path(__file__).parents[3]
HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(2)> ![x](http://evil.example/x.png) | **bold** `c` \u202egnp"
)
ADAPTER = {"examples": 46, "supervised_tokens": 21345, "steps": 36, "nested": {"left": "out"}}
UNTRUSTED = "judge smollm2 is untrusted: it has not been calibrated"
NOBODY = {"n_pairs": 6, "n_asked": 5, "n_compared": 0, "n_readers": 0, "n_stale": 0, "questions": {}}
PEOPLE = {
    "n_decisions": 8, "n_readers": 2, "n_pairs": 5, "n_personas": 5, "wins": 5, "losses": 1, "ties": 2,
    "win_rate": 0.8, "low": 0.3755, "high": 0.9638, "p_value": 0.125,
}  # fmt: skip
AGREE = {"n": 5, "agreement": 0.6, "low": 0.23, "high": 0.88, "kappa": 0.2857}
UNKNOWN = {"n": 0, "agreement": None, "low": None, "high": None, "kappa": None}
ASKED = NOBODY | {"n_compared": 5, "n_readers": 2, "n_stale": 3, "confidence": 0.95, "judges_tie": 0.02, "questions": {
    "overall": {"title": "Overall", "people": PEOPLE, "readers": UNKNOWN, "judges": AGREE},
}}  # fmt: skip
RUBRIC = {
    "pass_threshold": 0.8,
    "all_na_category": "leave_out", "background": None,
    "categories": {"warmth": {"title": "Warm & kind", "weight": 0.5}, "form": {"title": "Brief", "weight": 0.5}},
    "criteria": [
        {"id": name, "category": category, "question": "Is it done as wanted?", "evaluator": evaluator,
         "na_allowed": False, "min_exchanges": 1, **more}
        for name, category, evaluator, more in [
            ("harmless", "safety", "judge", {"gate": True}),
            ("kind", "warmth", "judge", {}),
            ("short", "form", "measure", {"measure": {"length_ratio_mean": {"max": 1.6}}}),
        ]
    ],
    "lexicon": {},
}  # fmt: skip


def made_up(side: str, number: int, decided: bool = False) -> tuple[Transcript, Score]:
    said = HOSTILE if number == 0 else "I slept badly and shouted."
    reply = f"{HOSTILE} of {side}" if number == 0 else "Say more about the shouting. " * (3 if side == "base" else 1)
    value = [0.0, 1.0][side == "tuned" and number < 5]
    talk = Transcript(
        id=f"pair-{number}", domain="d", persona_id=f"p{number}", user_kind="replay", assistant=side, user="author",
        exchanges=(Exchange(user=said, assistant=reply), Exchange(user="Later.", assistant=f"{side} {number}")),
    )  # fmt: skip
    score = Score(
        transcript_id=talk.id, persona_id=talk.persona_id,
        answers={"harmless": None, "kind": None, "short": "YES" if value else "NO"},
        unscored={"harmless": UNTRUSTED, "kind": UNTRUSTED}, categories={"warmth": None, "form": value}, score=value,
        coverage=0.5, gates_failed=(), gates_unscored=("harmless",), disagreements=(), passed=None, outcome="open",
    )  # fmt: skip
    if decided:
        answers, outcome = score.answers | {"harmless": "YES"}, "passed" if value else "failed"
        changed = {"answers": answers, "unscored": {"kind": UNTRUSTED}, "gates_unscored": ()}
        score = score.model_copy(update=changed | {"passed": bool(value), "outcome": outcome})
    return talk, score


def persona(number: int) -> Persona:
    name = "<b>Ann</b>" if number == 0 else f"Name{number}"
    return Persona(
        id=f"p{number}", source="authored", name=name, age=30, topic="work_stress", style="terse", context="c",
        stance="s", presentation="x", difficulty="easy", min_words=1, max_words=9, trajectory="t",
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run compare and report once, in an empty folder with made-up scores; gives what `tunewright result` then says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("report"))
        write_inputs()
        compare_stage.main()
        stage.main()
        compare, sanity = (read_json(path) for path in ("data/evaluate/compare.json", "metrics/evaluate-sanity.json"))
        yield closing_lines(compare, sanity, "reports/evaluation_report.md")


def write_inputs(n: int = 6, n_decided: int = 0) -> None:
    """An evaluation of `n` people, of whom so many were decided on both sides."""
    write_reviews()
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    params["domain"] |= {"rubric": "rubric.yaml", "title": "Coach <i>x</i>"}
    Path("params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    Path("rubric.yaml").write_text(yaml.safe_dump(RUBRIC), "utf-8")
    for side in ("base", "tuned"):
        pairs = [made_up(side, i, decided=i < n_decided) for i in range(n)]
        write_jsonl(f"data/evaluate/transcripts/{side}.jsonl", [talk for talk, _ in pairs])
        write_jsonl(f"data/evaluate/scores/{side}.jsonl", [score for _, score in pairs])
        write_jsonl(f"data/evaluate/verdicts/{side}.jsonl", [])
    write_jsonl("data/evaluate/personas.jsonl", [persona(i) for i in range(n)])
    sanity = {
        "n_conversations": 6,
        "n_personas": 6,
        "n_tokens": 900,
        "base_perplexity": 31.216,
        "tuned_perplexity": 17.9,
    }
    ratio = {"relative_change": -0.4266, "log_ratio_mean": -0.55, "log_ratio_low": -0.61, "log_ratio_high": -0.5}
    write_json("data/evaluate/sanity.json", sanity | ratio | {"preferences": NOBODY})
    write_json("metrics/evaluate-sanity.json", sanity | ratio | {"preferences": {"n_decisions": 0}})
    write_json("metrics/train-adapter.json", ADAPTER)
    write_json("metrics/train-merge.json", {"matrices": 2, "relative_delta": 0.0033})
    write_json("data/train/adapter.json", {"versions": {"python": "3.12.3", "torch": "2.13.0"}})
    write_json("data/train/base.json", {"id": "small", "parameters": 135_000_000, "source": "sha256:b1"})
    for side in ("base", "tuned"):
        facts = {"quantization": "q8_0", "sha256": f"hash of {side}", "smoke_answer": "Hi."}
        write_json(f"data/train/export/{side}.json", facts | {"versions": {"gguf": "0.19.0"}})
    write_json("data/design/judge-trust.json", {"smollm2": {"kind": {"trusted": False, "reason": "not calibrated"}}})
    write_json(
        "plots/train-adapter.json", [{"step": 1, "epoch": 0.5, "loss": 3.0}, {"step": 2, "epoch": 1, "loss": 2.0}]
    )
    write_json("metrics/generate-scores.json", {"n_transcripts": 60})
    write_json("metrics/generate-slices.json", {"train": 46})


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.attributes = [], []

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        self.attributes += attrs


def page() -> str:
    return Path("reports/evaluation_report.html").read_text("utf-8")


def markdown() -> str:
    return Path("reports/evaluation_report.md").read_text("utf-8")


def first_screen() -> list[str]:
    return markdown().split("## Before you believe it")[0].strip().split("\n\n")


@pytest.mark.parametrize(("n", "n_decided"), [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (3, 1)])
def test_an_evaluation_of_next_to_nobody_has_a_report_that_says_so(tmp_path, monkeypatch, n, n_decided):
    monkeypatch.chdir(tmp_path)
    write_inputs(n, n_decided)
    compare_stage.main()
    stage.main()
    said = markdown()
    assert "more evaluation" in said and not re.search(r"\b(None|nan)\b", said)
    if n_decided == 1:
        assert "Decided on both sides: 1, all of one person" in said


def test_the_first_screen_is_the_decision_three_sentences_and_one_figure(run):
    title, decision, better, sure, price, figure, caption = first_screen()
    assert title.startswith("# Coach") and decision.startswith("**Decision: more evaluation.** Safety was not measured")
    assert [part.split("** ")[0] for part in (better, sure, price)] == [
        "**Is it better?",
        "**How sure?",
        "**At what price?",
    ]
    assert figure.startswith("![All that was scored: base 0.00, tuned 0.83") and caption.startswith("*Circle: base")
    assert all(part.count(". ") == 0 and part.endswith(".") for part in (better, sure, price))  # a sentence each


def test_what_was_not_scored_is_a_clause_of_the_answer_and_its_reasons_come_after_it(run):
    better, reasons = first_screen()[2], markdown().split("## Before you believe it")[1].split("## ")[0]
    assert "(1 of 2 criteria, all of them of form; 0 of 1 safety gates): 0.83 against the base's 0.00" in better
    assert UNTRUSTED in reasons and UNTRUSTED not in better
    assert 'Nothing is said about "Warm \\& kind"' in reasons and '"harmless" would show it: never scored' in reasons


def test_the_answer_says_what_is_not_shown(run):
    assert first_screen()[3].endswith("it does not show better sense, safety or what people prefer (nobody was asked).")


def test_the_price_says_what_was_not_measured_and_what_it_took(run):
    price = "safety: not measured; general abilities: not measured; training took 46 examples"
    assert f"S{price[1:]} and a model of 135 million weights." in first_screen()[4]


def test_where_nobody_compared_the_report_says_so_with_the_command(run):
    told = markdown().split("## What people prefer")[1].split("## ")[0]
    assert "Nobody has compared base with tuned; with 5 pairs to show: tunewright review --compare" in told
    assert "win rate" not in markdown() and "people" not in run


def test_what_people_prefer_stands_on_the_first_screen_and_in_a_section(run):
    inputs, _ = stage.read_inputs()
    sanity = inputs.json["sanity"] | {"preferences": ASKED}
    asked = replace(inputs, json=inputs.json | {"sanity": sanity})
    text = to_markdown(stage.blocks(asked, {}, stage.Config(examples=0, judge_trust="calibrated")))
    first, section = text.split("## Overall")[0], text.split("## What people prefer")[1].split("## Personas")[0]
    for part in (first, section):
        assert "2 readers compared 5 pairs" in part and "preferred tuned 5 times, base 1 and neither 2." in part
        assert "leaves open which one people prefer: tuned has a win rate of 80% (95% interval 38% to 96%, p" in part
    assert "nobody was asked" not in first and "or what people prefer (2 readers: win rate 38% to 96%)." in first
    assert "| Overall | 5 | 5 | 5 | 1 | 2 | 80% | 38% to 96% | 0.125 |" in section
    assert "| Overall | 5 | 60% | 23% to 88% | 0.29 |" in section and "Do readers agree" not in section
    assert "3 earlier decisions" in section


def test_people_who_prefer_one_beyond_chance_are_said_to():
    def said(low, high, p=0.01):
        people = PEOPLE | {"low": low, "high": high, "p_value": p}
        return preferred(ASKED | {"questions": {"overall": {"people": people}}}) or ""

    assert "People prefer tuned: a win rate" in said(0.51, 0.9) and "leaves open" in said(0.5, 0.9)
    assert "People prefer base: tuned has" in said(0.1, 0.49)
    assert "leaves open" in said(0.51, 1.0, p=0.125) and "leaves open" in said(0.0, 0.49, p=0.125)  # four of four


def test_the_closing_lines_tell_what_people_prefer_once_they_were_asked(run):
    compare, sanity = read_json("data/evaluate/compare.json"), read_json("metrics/evaluate-sanity.json")
    lines = closing_lines(compare, sanity | {"preferences": PEOPLE}, "r")
    assert "people      prefer tuned 5, base 1, neither 2: win rate 0.80 (0.38 to 0.96), p = 0.125" in lines


def test_the_decision_and_the_answer_come_before_the_figure_and_the_tables(run):
    text = page().split("<body>")[1]
    order = ["more evaluation", "Is it better?", "At what price?", "<figure>", "Before you believe it", "<table>"]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)


def test_text_of_users_models_and_personas_is_never_markup_in_the_page(run):
    tags = Tags()
    tags.feed(page())
    assert set(tags.found) <= set(
        [
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "main",
            "h1",
            "h2",
            "h3",
            "p",
            "strong",
            "b",
            "figure",
            "img",
            "figcaption",
            "div",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "ul",
            "li",
            "pre",
            "code",
            "dl",
            "dt",
            "dd",
            "nav",
            "a",
            "details",
            "summary",
        ]
    )
    assert all(value.startswith("data:image/png") for name, value in tags.attributes if name == "src")
    assert not [name for name, _ in tags.attributes if name.startswith("on")]
    links, anchors = ({value for name, value in tags.attributes if name == one} for one in ("href", "id"))
    assert links and links <= {f"#{anchor}" for anchor in anchors}  # to sections of this page
    assert page().count("&lt;script&gt;alert(1)&lt;/script&gt;") == 3  # the user once, both replies
    assert "&lt;b&gt;Ann&lt;/b&gt;" in page() and "\u202e" not in page()


def test_text_of_users_and_models_is_never_markup_in_the_markdown(run):
    from markdown_it import MarkdownIt

    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown())
    tags = Tags()
    tags.feed(rendered)
    images = [value for name, value in tags.attributes if name == "src"]
    assert not {"script", "a"} & set(tags.found) and all(src.startswith("figures/") for src in images)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in rendered and "**bold**" in rendered


def test_the_page_needs_nothing_from_outside(run):
    outside = [part for part in ("url(", "@import", "<link", "<script", "<iframe") if part in page()]
    assert not outside and "default-src 'none'" in page()


def test_the_same_inputs_give_the_same_bytes(run):
    def outputs():
        return {path: path.read_bytes() for path in sorted(Path("reports").rglob("*")) if path.is_file()}

    first = outputs()
    stage.main()
    assert outputs() == first
    assert {p.name for p in first} >= {
        "evaluation_report.md",
        "evaluation_report.html",
        "comparison.png",
        "training.png",
    }


def test_a_changed_score_changes_the_page(run):
    inputs, _ = stage.read_inputs()
    changed = inputs.json["compare"] | {"tuned_score": 0.123}
    blocks = stage.blocks(
        replace(inputs, json=inputs.json | {"compare": changed}), {}, stage.Config(examples=0, judge_trust="calibrated")
    )
    told = "0.12 against the base&#x27;s 0.00"
    assert told in to_html(blocks, "t") and told not in page()


def test_the_closing_lines_name_score_p_perplexity_decision_and_report(run):
    lines = dict(re.split(r"\s{2,}|(?<=score) ", line, maxsplit=1) for line in run.strip().splitlines())
    assert lines["evaluated"] == "6 personas, 6 pairs, on 1 of 2 criteria and 0 of 1 safety gates"
    assert lines["tuned score"].startswith("0.83 (95% interval 0.40 to 1.00)")
    assert re.fullmatch(r"\+0\.83 \(\+0\.40 to \+1\.00\), p = 0\.004", lines["change"])
    assert lines["perplexity"] == "31.22 -> 17.90 (-42.7%; log ratio -0.610 to -0.500)"
    assert lines["decision"].startswith("more evaluation: safety was not measured: harmless")
    assert lines["report"] == "reports/evaluation_report.md"


def test_an_unscored_gate_is_shown_as_not_scored_and_not_as_0_failures(run):
    row = next(line for line in markdown().splitlines() if line.startswith("| harmless"))
    assert row == "| harmless | NOT SCORED | - | - | - | - |"


def test_style_shows_what_the_rubric_wants(run):
    row = next(line for line in markdown().splitlines() if line.startswith("| reply words over user words, mean"))
    talks = [made_up("tuned", n)[0] for n in range(6)]
    mean = sum(measure(t.exchanges, Lexicon())["length_ratio_mean"] for t in talks) / 6
    assert f"| {mean:.2f} | at most 1.6 |" in row


def test_pairs_are_on_the_criteria_that_were_answered_on_both_sides(run):
    """A judge failed on `kind` for the base alone: form is equal, so nobody gained or lost."""
    inputs, _ = stage.read_inputs()
    base = made_up("base", 1)[1].model_copy(
        update={"answers": {"harmless": "YES", "kind": None, "short": "YES"}, "score": 1.0}
    )
    tuned = base.model_copy(update={"answers": base.answers | {"kind": "NO"}, "score": 0.5})
    [(one, other)] = replace(inputs, scores={"base": [base], "tuned": [tuned]}).pairs
    assert (one.score, other.score) == (1.0, 1.0)


def test_style_is_that_of_the_same_conversations_on_both_sides():
    talks = [
        transcript("pair-1", assistant="Yes"),
        transcript("pair-2", assistant="Yes, and much more of it than that"),
    ]
    failed = talks[1].model_copy(update={"failure": "simulator review: loop in exchange 1"})
    [table] = [b for b in style([talks[0], failed], talks, Rubric.model_validate(RUBRIC)) if isinstance(b, Table)]
    assert all(base == tuned for _, base, tuned, _ in table.rows)


def test_numbers_of_earlier_stages_are_shown_and_nested_ones_left_out(run):
    assert "| adapter | supervised tokens | 21345 |" in markdown() and "left" not in markdown().split("made from")[1]


def test_examples_run_from_the_largest_gain_over_the_median_to_the_worst_loss():
    def pair(number, change):
        talk, base = made_up("base", number)
        return talk, (base.model_copy(update={"score": 0.5}), base.model_copy(update={"score": 0.5 + change}))

    made = [pair(n, change) for n, change in enumerate([0.1, -0.2, 0.4, 0.0, 0.3])]
    talks = {talk.id: talk for talk, _ in made}
    told = examples([p for _, p in made], talks, talks, {}, 3)
    shown = [b.text for b in told if isinstance(b, Heading)][1:]
    assert [t.split(":")[0] for t in shown] == ["Largest gain", "Median", "Worst loss"]
    assert ["(p2)" in shown[0], "(p0)" in shown[1], "(p1)" in shown[2]] == [True] * 3


def test_one_pair_is_one_example_and_no_pair_says_so():
    talk, score = made_up("base", 1)
    one = examples([(score, score)], {talk.id: talk}, {talk.id: talk}, {}, 3)
    [first] = [b for b in one if isinstance(b, SideBySide)]
    [rest] = [b for b in one if isinstance(b, Fold)]
    assert len(first.turns) == 1 and rest.summary == "1 more exchange"
    assert isinstance(rest.blocks[0], SideBySide) and rest.blocks[0].first == 2
    assert Text("No pair of conversations to show.") in examples([], {}, {}, {}, 3)


def test_versions_stand_beside_the_stage_that_recorded_them_and_hashes_beside_their_files(run):
    text = markdown().split("## What the models are")[1]
    assert "| torch | 2.13.0 |  |" in text and "| gguf |  | 0.19.0 |" in text and "| python | 3.12.3 |  |" in text
    assert "| tuned file, evaluated | hash of tuned | q8\\_0 |" in text and "135 million" in text
    assert "| data/train/export/tuned.json |" in text


def test_limits_say_which_judges_are_trusted_and_which_file_was_evaluated(run):
    limits = markdown().split("## Limits")[1].split("## ")[0]
    assert "Judge smollm2 is trusted on 0 of 1 criteria; not on the others: not calibrated (1)." in limits
    assert "The tuned model was evaluated as a GGUF file in q8\\_0." in limits

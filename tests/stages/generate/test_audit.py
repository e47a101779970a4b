"""The audit on replies whose repetitions are known."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stages.generate import audit as stage
from stages.generate.audit import Config, audit, findings, numbers_of, praise_drift, replies_of, report
from tests.conftest import write_reviews
from tunewright.config import Bounds
from tunewright.errors import RecordError
from tunewright.measures import Lexicon
from tunewright.phrases import Phrase, distinct, longest_phrases, mine_phrases, near_duplicates, telling_phrases
from tunewright.records import Exchange, Transcript, write_jsonl

ROOT = Path(__file__).parents[3]
CONFIG = Config(
    phrase_words=Bounds(min=3, max=6), phrase_share_max=0.25, length_ratio_mean_max=2.0, over_twice_share_max=0.5,
    praise_drift_max=2.0, near_duplicate_similarity=0.8, top=15,
)  # fmt: skip
LEXICON = Lexicon(praise=("great",), stock_openings=("it sounds like",))


def talk(replies, user="one two three four", kind="authored", number=1, failure=None):
    return Transcript(
        id=f"t{number}", domain="d", persona_id="p", user_kind=kind, assistant="a", user="u", failure=failure,
        exchanges=tuple(Exchange(user=user, assistant=reply) for reply in replies),
    )  # fmt: skip


def tokens(*texts):
    return [t.split() for t in texts]


def faults(replies):
    return [what for what, _, _, ok in findings(audit(replies_of([talk(replies)]), LEXICON, CONFIG), CONFIG) if not ok]


def test_phrases_are_counted_once_a_reply_by_hand():
    found = mine_phrases(tokens("a b c a b c", "x a b c", "a b d", "c b a"), 2, 3)
    assert found == [Phrase("a b", 3, 0.75), Phrase("a b c", 2, 0.5), Phrase("b c", 2, 0.5)]


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=9), min_size=1, max_size=6))
def test_mining_level_by_level_counts_what_brute_force_counts(replies):
    brute: dict[str, int] = {}
    for reply in replies:
        for gram in {" ".join(reply[i : i + n]) for n in (2, 3, 4) for i in range(len(reply) - n + 1)}:
            brute[gram] = brute.get(gram, 0) + 1
    assert {p.text: p.count for p in mine_phrases(replies, 2, 4)} == {g: n for g, n in brute.items() if n > 1}


def test_only_the_longest_phrase_is_reported_unless_its_part_is_much_more_frequent():
    replies = tokens(*["what would help you now"] * 4, *["so what would help"] * 6, "nothing")
    assert [(p.text, p.count) for p in longest_phrases(mine_phrases(replies, 3, 6))] == [
        ("what would help", 10),
        ("so what would help", 6),
        ("what would help you now", 4),
    ]


def test_a_passage_longer_than_the_longest_phrase_is_reported_once_and_whole():
    passage = "every good morning starts with water and then a slow walk outside"
    assert [p.text for p in longest_phrases(mine_phrases(tokens(passage, passage, "no"), 3, 6))] == [passage]


def test_joining_passages_ends_where_words_go_round_in_a_circle():
    circle = " ".join(["round and"] * 8)
    found = longest_phrases(mine_phrases(tokens(circle, circle), 3, 4))
    assert found and all(len(p.text.split()) < 20 for p in found)


def test_stop_words_alone_are_only_of_interest_above_the_limit():
    phrases = [Phrase("that it was", 3, 0.3), Phrase("it was the", 2, 0.2), Phrase("the red door", 2, 0.2)]
    assert [p.text for p in telling_phrases(phrases, 0.25)] == ["that it was", "the red door"]


def test_a_phrase_in_over_a_quarter_of_replies_is_a_fault_and_in_a_quarter_is_not():
    filler = ["Ropes hold.", "Bees hum.", "Fog lifts.", "Ink dries.", "Mud sticks.", "Oak burns."]
    lines = [f"{f} Something about the old lamp {n}" for n, f in enumerate(filler[:2])]
    assert faults(lines + filler[:6]) == []  # 2 of 8
    assert faults([*lines, "Keep the old lamp.", *filler[:5]]) == ["largest share of replies with one phrase"]  # 3 of 8


def test_one_opening_for_most_replies_is_a_fault():
    lines = [f"You said {word}." for word in ("rain", "salt", "iron")] + ["Bees hum.", "Fog lifts."]
    assert faults(lines) == ["largest share of replies with one opening (2 words)"]


def test_replies_far_longer_than_the_user_are_two_faults():
    long = [" ".join(f"w{n}x{i}" for i in range(9)) for n in range(3)]  # 9 words on 4: ratio 2.25
    assert faults(long) == ["reply words over user words, mean", "share of replies over twice the user's words"]
    assert faults([" ".join(f"w{n}x{i}" for i in range(8)) for n in range(3)]) == []  # exactly twice is within


def test_praise_drift_compares_the_second_halves_with_the_first():
    calm, warm = "All is noted.", "great great great great"
    assert praise_drift(replies_of([talk([calm, calm, warm, warm, warm])]), LEXICON) == pytest.approx(
        (8.5 / 2) / (4.5 / 3)
    )
    assert praise_drift(replies_of([talk([calm, "great", "great", calm])]), LEXICON) is None  # 2 words tell nothing


def test_what_is_too_little_to_tell_is_no_fault_and_says_so():
    rows = {"authored": audit(replies_of([talk(["Bees hum.", "Fog lifts."])]), LEXICON, CONFIG)}
    assert "| praise per reply, late over early | - | at most 2 | too little to tell |" in report(
        rows | {"all": rows["authored"]}, CONFIG, 0
    )


def test_a_reply_that_repeats_an_earlier_one_is_found_with_its_original():
    first = ["the", "kettle", "sang", "while", "she", "counted", "all", "the", "stairs", "twice"]
    other = ["nobody", "had", "asked", "him", "about", "the", "boat", "for", "nine", "long", "years"]
    assert near_duplicates([first, other, [*first, "slowly"]], 0.8) == [(2, 0, 1.0)]
    assert near_duplicates([first, first[:5] + other[5:]], 0.8) == []
    assert near_duplicates([first[:9], first[:9]], 0.8) == []  # too short to tell


def test_distinct_n_by_hand():
    assert distinct(tokens("a b a", "a b"), 1) == 2 / 5
    assert distinct(tokens("a b a", "a b"), 2) == 2 / 3
    assert distinct(tokens("a"), 2) is None


def test_sources_are_kept_apart_and_faults_are_counted_per_source():
    mine = [f"Line number{n} {w}" for n, w in enumerate(["ends", "sits", "goes", "lies", "runs"])]
    sources = {
        "authored": replies_of([talk(mine)]),
        "simulated": replies_of([talk(["It sounds like a lot."] * 4, kind="simulated")]),
    }
    rows = {name: audit(r, LEXICON, CONFIG) for name, r in (sources | {"all": sum(sources.values(), [])}).items()}
    metrics = numbers_of(rows, CONFIG, 0)
    assert metrics["authored_max_phrase_share"] == 0.0
    assert metrics["by_source"]["simulated"]["max_phrase_share"] == 1.0
    assert metrics["by_source"]["simulated"]["max_phrase"] == "it sounds like a lot"
    assert metrics["by_source"]["simulated"]["stock_opening_share"] == 1.0
    assert metrics["n_faults"] == sum(row["n_faults"] for row in metrics["by_source"].values()) > 0
    assert metrics["max_phrase_share"] == pytest.approx(4 / 9, abs=1e-4)


def test_structure_is_counted_per_reply():
    shapes = audit(replies_of([talk(["One.\n\nTwo\nlines?", "- a list", "Caf\u00e9."])]), LEXICON, CONFIG)["shapes"]
    assert shapes["paragraphs_mean"] == pytest.approx(4 / 3)
    assert (
        shapes["markup_share"] == shapes["non_ascii_share"] == shapes["question_ending_share"] == pytest.approx(1 / 3)
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_reviews()
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    params["domain"]["rubric"] = str(ROOT / params["domain"]["rubric"])
    Path("params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    write_jsonl("data/generate/fixed.jsonl", [])
    return tmp_path


def test_failed_conversations_are_left_out_counted_and_the_files_repeat_byte_for_byte(folder):
    good = talk(["The <b>rope</b> held | fast.", "The <b>rope</b> held | fast.", "Bees hum."])
    write_jsonl(
        "data/generate/transcripts.jsonl", [good, talk(["Same same same same"] * 9, number=2, failure="looped")]
    )
    stage.main()
    names = ("reports/audit.md", "data/generate/audit.json", "plots/generate-audit.json")
    first = [Path(name).read_bytes() for name in names]
    stage.main()
    assert [Path(name).read_bytes() for name in names] == first
    numbers = json.loads(first[1])
    assert (numbers["n_replies"], numbers["n_transcripts_failed"]) == (3, 1)
    assert numbers["max_phrase_share"] == pytest.approx(0.6667)
    headline = json.loads(Path("metrics/generate-audit.json").read_text("utf-8"))
    assert headline["max_phrase_share"] == numbers["max_phrase_share"]
    assert {"source": "authored", "share": 0.6667} in json.loads(first[2])
    assert "1 conversations failed and are left out" in first[0].decode()


def test_a_repaired_conversation_is_audited_as_a_source_of_its_own_and_not_beside_its_original(folder):
    write_jsonl("data/generate/transcripts.jsonl", [talk(["One.", "Two."], kind="simulated"), talk(["x"], number=2)])
    mended = talk(["One.", "2!"], kind="simulated").model_copy(update={"id": "fixed-t1", "source_id": "t1"})
    write_jsonl("data/generate/fixed.jsonl", [mended])
    stage.main()
    by_source = json.loads(Path("data/generate/audit.json").read_text("utf-8"))["by_source"]
    assert {name: row["n_replies"] for name, row in by_source.items()} == {"authored": 1, "fixed": 2}


def test_no_reply_at_all_is_an_error_in_words(folder):
    write_jsonl("data/generate/transcripts.jsonl", [talk(["x"], failure="looped")])
    with pytest.raises(RecordError, match="no reply to audit"):
        stage.main()

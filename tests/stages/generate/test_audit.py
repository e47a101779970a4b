"""The audit on replies whose repetitions are known."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stages.generate import audit as stage
from stages.generate.audit import Audit, Config, all_findings, findings, notes, numbers_of
from tests.conftest import write_reviews
from tunewright.audit_report import report
from tunewright.errors import RecordError
from tunewright.measures import Lexicon
from tunewright.phrase_counts import PhraseCounts
from tunewright.phrases import Phrase, longest_phrases, phrases_of, telling_phrases
from tunewright.records import Transcript, write_jsonl
from tunewright.splits import split_of
from tunewright.word_codes import WordCodes

ROOT = Path(__file__).parents[3]
CONFIG = Config.model_validate(
    {
        "phrase_words": {"min": 3, "max": 6}, "phrase_share_max": 0.25, "phrase_error_share": 0.001,
        "structure_share_max": 0.9, "length_ratio_mean_max": 2.0, "over_twice_share_max": 0.5, "praise_drift_max": 2.0,
        "near_duplicate_similarity": 0.8, "near_duplicate_messages": 1000, "distinct_capacity": 1000,
        "language": "en", "language_sample": 100, "other_language_share_max": 0.02, "public_contacts": [],
        "shares": {"train": 0.6, "valid": 0.1, "holdout": 0.3}, "seed": 7, "top": 15,
    }
)  # fmt: skip
LEXICON = Lexicon(praise=("great",), stock_openings=("it sounds like",))
KETTLE = "the kettle sang while she counted all the stairs twice before the rain came down"


def talk(replies, user="one two three four", kind="authored", number=1, failure=None, persona="p"):
    fields = {
        "id": f"t{number}", "domain": "d", "persona_id": persona, "user_kind": kind, "assistant": "a", "user": "u",
        "failure": failure, "exchanges": [{"user": user, "assistant": reply} for reply in replies],
    }  # fmt: skip
    return Transcript.model_validate(fields)


def audited(*talks, config=CONFIG):
    return Audit(talks, LEXICON, config)


def in_words(found, config=CONFIG):
    return report(found.rows, found.data, all_findings(found, config), found.n_failed, notes(found, config))


def tokens(*texts):
    return [t.split() for t in texts]


def counted(replies, shortest, longest, bucket=1000):
    counts, codes = PhraseCounts(shortest, longest, bucket), WordCodes()
    for at in range(0, len(replies), bucket):
        counts.add_bucket(replies[at : at + bucket], *codes.of(replies[at : at + bucket]))
    return counts


def mine_phrases(replies, shortest, longest, bucket=1000):
    return phrases_of([counted(replies, shortest, longest, bucket)])


def phrase(text, count, share):
    return Phrase(text, count, share, share)


def faults(replies):
    return [f.what for f in findings(audited(talk(replies)).rows["authored"], CONFIG) if not f.ok]


def brute_force(replies, lengths):
    counts: dict[str, int] = {}
    for reply in replies:
        for gram in {" ".join(reply[i : i + n]) for n in lengths for i in range(len(reply) - n + 1)}:
            counts[gram] = counts.get(gram, 0) + 1
    return counts


few_words = st.lists(st.lists(st.sampled_from("abc"), max_size=9), min_size=1, max_size=12)


def test_phrases_are_counted_once_a_reply_by_hand():
    found = mine_phrases(tokens("a b c a b c", "x a b c", "a b d", "c b a"), 2, 3)
    assert found == [phrase("a b", 3, 0.75), phrase("a b c", 2, 0.5), phrase("b c", 2, 0.5)]


@given(few_words)
def test_mining_within_one_bucket_counts_what_brute_force_counts(replies):
    brute = brute_force(replies, (2, 3, 4))
    assert {p.text: p.count for p in mine_phrases(replies, 2, 4)} == {g: n for g, n in brute.items() if n > 1}


@given(few_words, st.integers(1, 4))
def test_over_several_buckets_no_count_is_too_high_and_none_too_low_by_more_than_it_says(replies, bucket):
    brute, found = brute_force(replies, (1, 2, 3)), mine_phrases(replies, 1, 3, bucket)
    for p in found:
        assert p.count <= brute[p.text] <= round(p.share_at_most * len(replies)) <= p.count + len(replies) // bucket
    missing = set(brute) - {p.text for p in found}
    assert all(brute[gram] <= max(1, 2 * (len(replies) // bucket)) for gram in missing)


@given(few_words, few_words)
def test_two_sources_together_are_counted_as_one_would_be(one, other):
    together = phrases_of([counted(one, 2, 3), counted(other, 2, 3)])
    assert together == mine_phrases(one + other, 2, 3)


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
    phrases = [phrase("that it was", 3, 0.3), phrase("it was the", 2, 0.2), phrase("the red door", 2, 0.2)]
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


def drift(replies):
    return audited(talk(replies)).rows["all"]["praise_drift"]


def test_praise_drift_compares_the_second_halves_with_the_first():
    calm, warm = "All is noted.", "great great great great"
    assert drift([calm, calm, warm, warm, warm]) == pytest.approx((8.5 / 2) / (4.5 / 3))
    assert drift([calm, "great", "great", calm]) is None  # 2 words tell nothing


def test_what_is_too_little_to_tell_is_no_fault_and_says_so():
    words = in_words(audited(talk(["Bees hum.", "Fog lifts."])))
    assert "| praise per reply, late over early | - | at most 2 | too little to tell |" in words


def test_one_structure_for_most_replies_is_a_fault():
    words = ["rain", "salt", "iron", "moss", "clay", "wool", "bark", "rust", "silk", "tin"]
    same = [f"{w.title()} holds. {w}s fall. Why {w} {n}?" for n, w in enumerate(words)]
    assert faults(same) == ["largest share of replies with one structure (S says, Q asks, L list)"]
    assert faults([*same[:9], "Ropes hold."]) == []  # 9 of 10 is the limit


def test_distinct_n_by_hand():
    row = audited(talk(["a b a", "a b"])).rows["all"]
    assert (row["distinct_1"], row["distinct_2"]) == (2 / 5, 2 / 3)
    assert audited(talk(["a"])).rows["all"]["distinct_2"] is None


def test_a_reply_that_repeats_one_of_its_source_is_a_near_duplicate_with_its_original():
    found = audited(talk([KETTLE, "Bees hum.", KETTLE + " slowly"]), talk([KETTLE], kind="replay", number=2))
    assert found.rows["authored"]["copies"] == [("t1 exchange 3", "t1 exchange 1", "100%")]
    assert found.rows["authored"]["near_duplicate_share"] == 1 / 3
    assert found.rows["replay"]["near_duplicate_share"] == 0
    assert found.rows["all"]["near_duplicate_share"] == 2 / 4


def person(split):
    return next(p for n in range(100) if split_of(p := f"p{n}", CONFIG.shares, CONFIG.seed) == split)


@pytest.mark.parametrize("order", [1, -1])
def test_a_message_that_repeats_the_evaluation_side_is_a_leak_whoever_says_it(order):
    held = talk(["Bees hum."], user=KETTLE, number=1, persona=person("holdout"))
    learnt = talk(["Fog lifts.", KETTLE], number=2, persona=person("train"))
    found = audited(*[held, learnt][::order])
    assert found.data["leaks"] == [("t2 exchange 2", "t1 exchange 1 (user)", "100%")]
    assert numbers_of(found, CONFIG)["n_leaks"] == 1
    assert "- **data**: messages that nearly repeat the evaluation side: 1 (none)" in in_words(found)


def test_repeats_within_one_side_are_no_leak():
    one, other = (talk(["Bees hum."], user=KETTLE, number=n, persona=person("holdout")) for n in (1, 2))
    assert audited(one, other).data["leaks"] == []
    assert audited(talk([KETTLE] * 2, persona=person("train"))).data["leaks"] == []


def test_a_whole_conversation_that_repeats_another_is_found():
    lines = [KETTLE, KETTLE[::-1], "nobody had asked him about the boat for nine long years or so"]
    found = audited(talk(lines), talk([line + " well" for line in lines], number=2), talk([KETTLE[4:]], number=3))
    assert found.data["conversation_copies"][0] == ("t2", "t1", "100%")


def test_personal_data_is_a_fault_by_kind_and_never_shown_whole():
    text = in_words(audited(talk(["Write to jo.bloggs@mail.net please."])))
    assert "- **data**: personal data: e-mail address: 1 (none)" in text
    assert "| t1 exchange 1 | e-mail address | j...et |" in text
    assert "bloggs" not in text


def test_another_language_is_a_fault_above_its_share():
    french = "Je ne sais pas pourquoi il est parti hier soir sans rien dire"
    found = audited(talk([french, KETTLE]))
    assert (found.data["n_language_told"], found.data["other_language_share"]) == (2, 0.5)
    assert found.data["other_languages"] == [("t1 exchange 1", "fr")]
    assert "share of messages in another language than 'en': 0.50 (at most 0.02)" in in_words(found)


def test_characters_beyond_ascii_are_named_with_the_messages_that_have_them():
    found = audited(talk(["Caf\u00e9 \u00e9t\u00e9.", "Caf\u00e9.", "Plain."]))
    assert found.data["characters"] == [("U+00E9", "latin small letter e with acute", 2)]


def test_sources_are_kept_apart_and_faults_are_counted_per_source():
    mine = [f"Line number{n} {w}" for n, w in enumerate(["ends", "sits", "goes", "lies", "runs"])]
    metrics = numbers_of(audited(talk(mine), talk(["It sounds like a lot."] * 4, kind="simulated")), CONFIG)
    assert metrics["authored_max_phrase_share"] == 0.0
    assert metrics["by_source"]["simulated"]["max_phrase_share"] == 1.0
    assert metrics["by_source"]["simulated"]["max_phrase"] == "it sounds like a lot"
    assert metrics["by_source"]["simulated"]["stock_opening_share"] == 1.0
    assert metrics["n_faults"] == sum(row["n_faults"] for row in metrics["by_source"].values()) > 0  # none on data
    assert metrics["max_phrase_share"] == pytest.approx(4 / 9, abs=1e-4)


def test_structure_is_counted_per_reply():
    shapes = audited(talk(["One.\n\nTwo\nlines?", "- a list", "Caf\u00e9."])).rows["all"]["shapes"]
    assert shapes["paragraphs_mean"] == pytest.approx(4 / 3)
    assert (shapes["list_share"], shapes["heading_share"]) == (pytest.approx(1 / 3), 0)
    assert (
        shapes["markup_share"] == shapes["non_ascii_share"] == shapes["question_ending_share"] == pytest.approx(1 / 3)
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    shutil.copytree(ROOT / "conf/domain/therapy", "conf/domain/therapy")
    Path("params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    write_reviews()
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


def test_no_reply_at_all_is_an_error_in_words(folder):
    write_jsonl("data/generate/transcripts.jsonl", [talk(["x"], failure="looped")])
    with pytest.raises(RecordError, match="no reply to audit"):
        stage.main()


def test_the_audit_holds_out_the_people_whom_the_slices_hold_out():
    generate = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))["generate"]
    assert [generate["audit"][k] for k in ("shares", "seed")] == [generate["slices"][k] for k in ("shares", "seed")]


def test_a_repaired_conversation_is_audited_as_a_source_of_its_own_and_not_beside_its_original(folder):
    write_jsonl("data/generate/transcripts.jsonl", [talk(["One.", "Two."], kind="simulated"), talk(["x"], number=2)])
    mended = talk(["One.", "2!"], kind="simulated").model_copy(update={"id": "fixed-t1", "source_id": "t1"})
    write_jsonl("data/generate/fixed.jsonl", [mended])
    stage.main()
    by_source = json.loads(Path("data/generate/audit.json").read_text("utf-8"))["by_source"]
    assert {name: row["n_replies"] for name, row in by_source.items()} == {"authored": 1, "fixed": 2}

"""Languages of a sample of messages."""

from tunewright.language import LanguageSample, OtherLanguage

GERMAN = "ich weiss nicht warum er gestern Abend gegangen ist ohne etwas zu sagen"
ENGLISH = "i do not know why he left last night without a word to anybody at all"


def sample(size, messages):
    found = LanguageSample(size)
    for place, text in messages:
        found.add(place, text, len(text.split()))
    return found


def test_another_language_is_told_by_place_and_short_messages_are_not_looked_at():
    found = sample(10, [("t2", GERMAN), ("t1", ENGLISH), ("t3", "guten Tag")])
    assert (found.n_seen, len(found)) == (2, 2)
    assert found.others("en") == [OtherLanguage("t2", "de")]
    assert found.others("de") == [OtherLanguage("t1", "en")]


def test_of_too_many_messages_the_same_ones_are_told_in_whatever_order_they_come():
    many = [(f"t{n}", GERMAN) for n in range(200)]
    one, other = sample(20, many), sample(20, many[::-1])
    assert len(one) == 20 and one.n_seen == 200
    assert one.others("en") == other.others("en")
    places = sorted(int(o.place[1:]) for o in one.others("en"))
    assert places[0] < 60 and places[-1] > 140  # from all over

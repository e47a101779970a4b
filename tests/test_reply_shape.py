"""The structure of a reply."""

import pytest

from tunewright.reply_shape import has_heading, has_list, shape


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It rained. It stopped... Why?", "SSQ"),
        ('He asked "why?" No end here', "QS"),
        ("One.\n\nTwo\nlines?", "S Q"),
        ("Try these:\n- one\n- two\n\nWhich one?", "SL Q"),
        ("1. one\n2. two\nThen rest.", "LS"),
        ("## Sleep\n\nGo to bed.", "S"),
        ("**Sleep**\nGo to bed.", "S"),
        ("", ""),
    ],
)
def test_shapes_by_hand(text, expected):
    assert shape(text) == expected


def test_lists_and_headings_are_told_from_prose():
    assert has_list("see\n* this") and not has_list("3.5 litres - cold")
    assert has_heading("# Sleep\nwell") and not has_heading("No #1 **bold** here")

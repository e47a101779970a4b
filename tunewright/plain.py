"""Text that a terminal or a page shows as it is: nothing in it moves the cursor, recolours or turns the direction."""

from __future__ import annotations

import re

UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def plain(text: str) -> str:
    """Text with control, zero-width, direction-changing and unpaired characters as U+FFFD; line ends as newline."""
    return UNSAFE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))

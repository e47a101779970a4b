"""What is said to be measured was: each benchmark has a row, and a row's numbers stand in the benchmark's section."""

from __future__ import annotations

import re

import pytest

from bench.__main__ import RESULTS, SECTIONS, stored
from tests.conftest import ROOT

PAGE = (ROOT / "docs/measured.md").read_text("utf-8")
ROWS = {
    row[0].strip("`"): row[2]
    for line in PAGE.splitlines()
    if len(row := [cell.strip() for cell in line.strip("|").split(" | ")]) == 3 and row[0].strip("` ") in SECTIONS
}
FIGURE = re.compile(r"(?<![\w.,])\d+(?:,\d{3})*(?:\.\d+)?(?:e-\d+)?%?(?!\w)")


def figures(text: str) -> set[str]:
    """All numbers of a text as they are written; the 8 of q8_0 is none."""
    return set(FIGURE.findall(text.replace("q8_0", "")))


def unfounded(found: str, section: str) -> set[str]:
    """The numbers of a row that its section does not have."""
    return figures(found) - figures(section)


def test_every_benchmark_has_a_row_and_every_row_is_one() -> None:
    named = {name.strip("` ") for name in re.findall(r"^\| (`\w+`) \|", PAGE, re.MULTILINE)}
    assert named == set(SECTIONS) == set(ROWS)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_row_s_numbers_stand_in_its_section_of_the_results(name: str) -> None:
    section = stored(ROOT / RESULTS).get(name, "")
    assert unfounded(ROWS[name], section) == set()


def test_a_number_that_no_benchmark_printed_is_found() -> None:
    assert unfounded("0.32 ms of 4.4, 100% of 1,000, 16", "| 0.32 | 4.38 | 100.0% | 1,000 |") == {"4.4", "100%", "16"}

"""Documents as Markdown and as a page: text stays text, numbers stand flush."""

import html

import pytest

from tunewright.document import SideBySide, Table, Turn, md_escape, to_markdown
from tunewright.document_html import to_html


def test_where_the_users_differ_both_are_shown():
    blocks = [SideBySide("base", "tuned", [Turn("mine", "yours", "a", "b")])]
    assert "User of base" in to_html(blocks, "t") and "**User of tuned, 1**" in to_markdown(blocks)


@pytest.mark.parametrize(
    "text", ["# no heading", "1. no list", "- no list", "> no quote", "www.evil.example", "a | b", "&lt;"]
)
def test_markdown_escape_shows_text_literally(text):
    from markdown_it import MarkdownIt

    rendered = MarkdownIt("gfm-like", {"linkify": False}).render(md_escape(text))
    assert rendered.strip() == f"<p>{html.escape(text, quote=False)}</p>"


def test_columns_of_numbers_are_set_flush_right():
    table = Table(("name", "n"), [("a", "+0.27"), ("b", "-"), ("c", "12,345")])
    assert "| --- | ---: |" in to_markdown([table]) and to_html([table], "t").count('class="number"') == 4

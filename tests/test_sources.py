"""Source documents: text and PDF, cut to a budget and said so; one that is of no use is named."""

from pathlib import Path

import pytest

from tests.conftest import ROOT
from tunewright.errors import DraftError, MissingInputError
from tunewright.sources import SourceLimits, read_brief, read_sources, tidy, unanswered

pypdf = pytest.importorskip("pypdf")
LIMITS = SourceLimits(brief_words_min=5, chars_per_document=30, chars_in_all=50)


def pdf(text):
    """A PDF of one page that says `text`, written out by hand."""
    stream = f"BT /F1 12 Tf 20 100 Td ({text}) Tj ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 4 0 R\n"
        "/Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    body, offsets = "%PDF-1.4\n", []
    for number, one in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{one}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    start = len(body)
    body += f"xref\n0 6\n0000000000 65535 f \n{table}trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    return body.encode("latin-1")


def test_documents_come_in_the_order_of_their_names_with_pdf_read(tmp_path):
    (tmp_path / "b.pdf").write_bytes(pdf("Fade the examples."))
    (tmp_path / "a.md").write_text("Ask   first.\n\n\n\nThen show.")
    (tmp_path / ".gitkeep").write_text("")
    found = read_sources(tmp_path, LIMITS)
    assert [(s.name, s.text) for s in found] == [("a.md", "Ask first.\n\nThen show."), ("b.pdf", "Fade the examples.")]
    assert found[0].note == "a.md"


@pytest.mark.parametrize(
    "make", [lambda folder: (folder / "c.docx").write_bytes(b"PK"), lambda folder: (folder / "more.md").mkdir()]
)
def test_what_is_no_document_is_named_and_not_dropped(tmp_path, make):
    make(tmp_path)
    [path] = tmp_path.iterdir()
    with pytest.raises(DraftError, match=r"expected \.md, \.txt or \.pdf; convert it or take it out") as caught:
        read_sources(tmp_path, LIMITS)
    assert str(caught.value).startswith(str(path))


def test_what_does_not_fit_the_budget_is_left_out_and_said(tmp_path):
    for name in ("1.txt", "2.txt", "3.txt"):
        (tmp_path / name).write_text("x" * 40)
    found = read_sources(tmp_path, LIMITS)
    assert [len(s.text) for s in found] == [30, 20, 0]
    assert found[1].note == "2.txt; the last 20 of 40 characters are left out"


def encrypted(path):
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(path)


def without_text(path):
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    writer.write(path)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (encrypted, "is encrypted with a password"),
        (without_text, "1 pages and no text in them"),
        (lambda path: path.write_bytes(b"%PDF-1.4 cut"), "expected a PDF"),
        (lambda path: path.write_bytes(b""), "expected a PDF"),
    ],
)
def test_a_pdf_that_gives_no_text_is_named_with_what_to_do(tmp_path, make, said):
    make(tmp_path / "scan.pdf")
    with pytest.raises(DraftError, match=said) as caught:
        read_sources(tmp_path, LIMITS)
    assert str(caught.value).startswith(str(tmp_path / "scan.pdf"))


def test_text_that_is_not_utf8_or_empty_is_named(tmp_path):
    (tmp_path / "old.txt").write_bytes("caf\u00e9".encode("latin-1"))
    with pytest.raises(DraftError, match="old.txt: not UTF-8"):
        read_sources(tmp_path, LIMITS)
    (tmp_path / "old.txt").write_text(" \n ")
    with pytest.raises(DraftError, match="old.txt: holds no text"):
        read_sources(tmp_path, LIMITS)


def test_a_brief_must_be_there_answered_and_say_something(tmp_path):
    path = tmp_path / "brief.md"
    with pytest.raises(MissingInputError, match="tunewright new-domain"):
        read_brief(str(path), 5)
    path.write_text("# Help")
    with pytest.raises(DraftError, match="found 1 words, expected 5 or more"):
        read_brief(str(path), 5)
    path.write_text("People write to a gardener.")
    assert read_brief(str(path), 5) == "People write to a gardener."


def test_the_template_of_a_brief_is_open_in_every_question():
    template = (ROOT / "prep/templates/brief.md").read_text()
    assert len(unanswered(template)) == template.count("[answer here]") == template.count("\n## ")
    assert tidy(" a \t b \n \n\n c ") == "a b \n\n c"


def test_an_unanswered_brief_names_its_questions(tmp_path):
    path = Path(tmp_path / "brief.md")
    path.write_text("## Who?\n\n[answer here]\n\n## Why?\n\nBecause they ask.\n")
    with pytest.raises(DraftError, match=r"found 1 open questions .*\n  - Who\?"):
        read_brief(str(path), 5)

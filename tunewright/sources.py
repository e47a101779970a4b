"""What a draft rests on beside the model's own knowledge: the brief, and documents that a person has put beside it.

Documents are text, Markdown or PDF. They are cut to a budget of characters, never silently: each says how much of it
was left out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from tunewright.config import Config
from tunewright.errors import DraftError, MissingInputError
from tunewright.measures import words
from tunewright.text_files import read_text

TEXT, PDF = (".md", ".txt"), ".pdf"
UNANSWERED = "[answer here]"  # what `tunewright new-domain` puts under each question of the brief
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


class SourceLimits(Config):
    """How much of the documents a prompt may hold."""

    brief_words_min: int = Field(ge=1)
    chars_per_document: int = Field(ge=1)
    chars_in_all: int = Field(ge=1)


class Source(NamedTuple):
    """One document, as much of it as the budget allows."""

    name: str
    text: str
    n_chars: int  # of the whole document

    @property
    def n_left_out(self) -> int:
        """Characters of the document that are not in `text`."""
        return self.n_chars - len(self.text)

    @property
    def note(self) -> str:
        """What a person and the model are told of it."""
        left_out = f"; the last {self.n_left_out:,} of {self.n_chars:,} characters are left out"
        return f"{self.name}{left_out if self.n_left_out else ''}"


def read_brief(path: str, words_min: int) -> str:
    """The brief; raises DraftError while a question of its template is unanswered or when it says next to nothing."""
    missing = "expected a brief; make one with: tunewright new-domain NAME"
    text = read_text(path, missing, DraftError, MissingInputError)
    if open_questions := unanswered(text):
        questions = "".join(f"\n  - {question}" for question in open_questions)
        raise DraftError(
            f"{path}: found {len(open_questions)} open questions (they say {UNANSWERED}), expected an answer to "
            f"each:{questions}\n"
            "answer them, or delete what does not apply, and run: dvc repro prep/dvc.yaml"
        )
    if (n := len(words(text))) < words_min:
        raise DraftError(
            f"{path}: found {n} words, expected {words_min} or more: who writes, about what, who answers, what good "
            "looks like, what must never happen; then run: dvc repro prep/dvc.yaml"
        )
    return text


def unanswered(text: str) -> list[str]:
    """The headings of a brief under which the placeholder still stands."""
    parts = HEADING.split(text)[1:]  # heading, text, heading, text...
    return [title for title, body in zip(parts[::2], parts[1::2], strict=True) if UNANSWERED in body]


def read_sources(folder: Path, limits: SourceLimits) -> list[Source]:
    """The documents of a folder in the order of their names, cut to the budget; raises DraftError for a useless one.

    Files whose names begin with a dot are no documents.
    """
    found, left = [], limits.chars_in_all
    for path in sorted(p for p in folder.glob("*") if not p.name.startswith(".")):
        if not path.is_file() or path.suffix.lower() not in (*TEXT, PDF):
            raise DraftError(
                f"{path}: found a file of another kind, expected {', '.join(TEXT)} or {PDF}; convert it or take it "
                "out, and run: dvc repro prep/dvc.yaml"
            )
        text = tidy(pdf_text(path) if path.suffix.lower() == PDF else plain_text(path))
        if not text:
            raise DraftError(
                f"{path}: holds no text, expected some; take it out of {folder} and run: dvc repro prep/dvc.yaml"
            )
        kept = text[: min(limits.chars_per_document, left)]
        left -= len(kept)
        found.append(Source(path.name, kept, len(text)))
    return found


def plain_text(path: str | Path) -> str:
    """The text of a brief or a document; raises DraftError."""
    return read_text(path, error=DraftError)


def pdf_text(path: Path) -> str:
    """The text layer of a PDF; raises DraftError for an encrypted or broken one and for one without text."""
    try:
        from pypdf import PdfReader
        from pypdf.errors import DependencyError, PyPdfError
    except ImportError:
        raise DraftError(f"{path}: reading PDF needs pypdf; install it with: pip install -e '.[prep]'") from None
    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise DraftError(
                f"{path}: found a PDF that is encrypted with a password, expected an open one; save it without "
                "one, or take it away"
            )
        text = "\n\n".join(page.extract_text() for page in reader.pages)
    except DependencyError as error:  # an encryption that pypdf needs another package for
        raise DraftError(
            f"{path}: found an encrypted PDF ({error}), expected an open one; save it without a password, or "
            "take it away"
        ) from None
    except (
        PyPdfError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OSError,
        RecursionError,
        MemoryError,
    ) as error:  # what broken files raise
        raise DraftError(
            f"{path}: found what cannot be read ({error}), expected a PDF; convert it to text, or take it away"
        ) from None
    if not text.strip():
        raise DraftError(
            f"{path}: found {len(reader.pages)} pages and no text in them (scanned images?), expected text; run text "
            "recognition on it, or take it away"
        )
    return text


def tidy(text: str) -> str:
    """Spaces and empty lines collapsed: they cost budget and say nothing."""
    return re.sub(r"\n\s*\n+", "\n\n", re.sub(r"[^\S\n]+", " ", text)).strip()

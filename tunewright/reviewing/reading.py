"""Reading transcripts and their verdicts: the queue and one page for each conversation."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()

"""Base against tuned: pairs of conversations of one persona, side by side and unnamed."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()

"""How much memory this process has taken at most."""

from __future__ import annotations

import resource
import sys


def peak_bytes() -> float:
    """Peak resident memory of this process so far. getrusage counts in KiB on Linux and in bytes on macOS."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)

"""Who else on this machine may read what is written here.

Outputs follow the umask of whoever runs the stage, as git and DVC let them. What may hold other people's words and has
no reason to be shared (the store of replies, imported logs) lies in a folder for its owner alone; a folder that is
there already keeps its mode, so that a team can share one on purpose.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

OWNER_ALONE = 0o700
_lock = threading.Lock()


def by_umask(mode: int) -> int:
    """A file's mode as the umask leaves it. The system tells the umask only while it is changed: to the strict side, so
    that a file which another thread makes just then is too private and never too open."""
    with _lock:
        mask = os.umask(0o077)
        os.umask(mask)
    return mode & ~mask


def private_folder(path: Path) -> Path:
    """Make a folder for its owner alone, with the folders above it as the umask has them; one that is there stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(OWNER_ALONE, exist_ok=True)
    return path

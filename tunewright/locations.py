"""Where things lie that are not stage outputs: the cache outside the DAG.

`$TUNEWRIGHT_CACHE`, else `.cache/llm` under the repository that owns the run. An experiment that DVC runs in a
temporary copy (`dvc exp run --temp`, `--queue`) has `DVC_ROOT` set to the owning repository.
"""

from __future__ import annotations

import os
from pathlib import Path

from tunewright.errors import StorageError
from tunewright.private import private_folder


def cache_dir() -> Path:
    """The cache directory, made if needed."""
    named = os.environ.get("TUNEWRIGHT_CACHE")
    owner = Path(os.environ.get("DVC_ROOT") or Path.cwd())
    path = Path(named).expanduser() if named else owner / ".cache" / "llm"
    try:
        return private_folder(path)
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be made as the cache folder ({error.strerror}); mend that, or set TUNEWRIGHT_CACHE to a "
            "folder that can be written"
        ) from None

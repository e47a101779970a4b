"""Output directories that appear whole or not at all.

A model is a directory of several files; a stage that dies between two of them must not leave something that looks
like a model.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tunewright.private import by_umask


@contextmanager
def whole_folder(target: Path | str) -> Iterator[Path]:
    """A fresh directory `<target>.tmp` to write into, renamed to `target` when the block ends without an error."""
    target = Path(target)
    draft = target.with_name(target.name + ".tmp")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    for path in draft.rglob("*"):
        path.chmod(by_umask(0o777 if path.is_dir() else 0o666))  # safetensors writes 0600, whatever the umask
    shutil.rmtree(target, ignore_errors=True)
    os.replace(draft, target)

"""The batches that are with a provider, as files beside the reply cache: what lets a later run wait for a paid batch.

A file is written when the requests are uploaded and before the batch is asked for, again when the provider has given
the batch its id, and removed when all replies are in the cache. A run that is killed at any moment loses nothing: the
next one that needs one of these requests finds the file, and the batch by its id or else by its requests' file.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tunewright.errors import ModelSetupError
from tunewright.records import digest, write_text


class OpenBatch(BaseModel):
    """One batch whose results are not in the cache yet."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
    model: str
    identity: str  # what the replies are stored under
    input_file: str  # the provider's id of the uploaded requests
    batch: str | None  # the provider's id; None: not known to be accepted
    keys: tuple[str, ...]  # of the requests


class OpenBatches:
    """The open batches of one cache folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, model: str, identity: str) -> list[OpenBatch]:
        """Those of one model, in the order of their files' names; raises ModelSetupError for a file it cannot read."""
        found = [self._read(path) for path in sorted(self.folder.glob("*.json"))]
        return [one for one in found if one and (one.model, one.identity) == (model, identity)]

    def write(self, batch: OpenBatch) -> None:
        """Keep a batch; on disk when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self.path(batch), batch.model_dump_json() + "\n")

    def remove(self, batch: OpenBatch) -> None:
        """Forget a batch: its replies are in the cache."""
        self.path(batch).unlink(missing_ok=True)

    def path(self, batch: OpenBatch) -> Path:
        """The file of a batch, the same before and after the provider accepted it."""
        return self.folder / f"{digest([batch.model, batch.input_file])[:16]}.json"

    def _read(self, path: Path) -> OpenBatch | None:
        try:
            return OpenBatch.model_validate_json(path.read_text("utf-8"))
        except FileNotFoundError:  # another run was done with it just now
            return None
        except (ValidationError, ValueError, OSError) as error:
            raise ModelSetupError(
                f"{path}: does not say which batch is with the provider ({' '.join(str(error).split())[:200]}); "
                "delete it to pay for that batch's requests again"
            ) from None

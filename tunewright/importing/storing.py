"""Where an import is kept: data/imported/<domain>/<name>/, five files, each written whole, for their owner alone."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tunewright.authored import load_authored, read_folder
from tunewright.config import Domain
from tunewright.errors import ConfigError
from tunewright.importing.reading import Import
from tunewright.json_text import briefly
from tunewright.private import private_folder
from tunewright.records import write_json, write_jsonl

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def import_folder(domain: Domain, name: str) -> Path:
    """The folder of an import; raises ConfigError for what cannot name one."""
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"--as: found {briefly(name)}, which cannot name an import; expected up to 40 of a-z, 0-9, - and _, a "
            "letter or digit first; give one such as --as chats-2026-01"
        )
    return Path(domain.imported) / name


def known_conversations(domain: Domain, name: str) -> dict[str, str]:
    """Conversations that the domain has beside the import `name`: where they are, by content hash."""
    known = {t.content_hash: f"authored {t.id}" for t in load_authored(domain)[1]}
    for file in sorted(Path(domain.imported).glob("*/transcripts.jsonl")):
        if file.parent.name != name:
            transcripts = read_folder(file.parent, domain.id)[1]
            known |= {t.content_hash: f"{file.parent.name} {t.id}" for t in transcripts}
    return known


def write_import(folder: Path, found: Import) -> None:
    """Write an import over one of the same name; the same file and configuration give the same bytes."""
    private_folder(folder)
    write_jsonl(folder / "personas.jsonl", found.personas)
    write_jsonl(folder / "transcripts.jsonl", found.transcripts)
    write_jsonl(folder / "provenance.jsonl", found.provenance)
    write_jsonl(folder / "rejected.jsonl", found.rejected)
    write_json(folder / "import.json", summary(found))


def summary(found: Import) -> dict[str, Any]:
    """The numbers of an import, and every row that said nothing new."""
    return {
        "name": found.name,
        "source": asdict(found.source),
        "n_rows": found.n_rows,
        "n_conversations": len(found.transcripts),
        "n_people": len(found.personas),
        "n_exchanges": sum(len(t.exchanges) for t in found.transcripts),
        "n_long": sum(p.long for p in found.provenance),
        "n_rejected": len(found.rejected),
        "messages": found.cleaning.model_dump(),
        "skipped": [one.model_dump() for one in found.skipped],
    }

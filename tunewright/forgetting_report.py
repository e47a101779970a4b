"""What forgetting does, and what it cannot reach, as a document. Pure: a plan in, blocks out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunewright.design_changes import counted
from tunewright.difference_report import some
from tunewright.document import Block, Bullets, Code, Heading, Text
from tunewright.forgetting import Plan

SHOWN = 12  # files and ids of a list


def plan_blocks(found: Plan) -> list[Block]:
    """What goes, what must be rebuilt, and what stays for people to do."""
    gone = [f"{path}: {counted(n, 'line')} of records" for path, n in found.lines.items()]
    gone += [f"{counted(len(found.outputs), 'output')}: {some(found.outputs, SHOWN)}"] if found.outputs else []
    gone += [f"{counted(len(found.objects), 'object')} of DVC's cache"] if found.objects else []
    gone += [f"{counted(found.n_replies, 'reply')}".replace("replys", "replies") + " in the cache of model calls"]
    told: list[Block] = [Heading(f"forget {found.asked}", 1), Text(f"With it go {some(sorted(found.ids), SHOWN)}.")]
    told += [Heading("Deleted"), Bullets(gone)]
    if found.stages:
        told += [Heading("To be made again"), Text(", ".join(found.stages)), Code("dvc repro")]
    return told + _out_of_reach(found)


def _out_of_reach(found: Plan) -> list[Block]:
    lines = [f"{path} quotes it ({quote!r}): take that out by hand" for path, quote in found.by_hand.items()]
    if found.models:
        lines.append(f"{', '.join(found.models)} learned from it and must be trained again: dvc repro does that")
    lines.append("logs that were imported, and what was published or copied elsewhere")
    lines += [
        f"DVC remote {name}: after dvc repro and a commit, dvc gc --workspace --cloud --remote {name} deletes every "
        "version but the one that is there"
        for name in found.remotes
    ]
    lines += [
        f"{path} was changed and DVC tracks its folder: dvc add {path.rpartition('/')[0]}" for path in found.added
    ]
    if found.commits:
        named = ", ".join(f"{v.commit} ({v.date})" for v in found.commits[:SHOWN])
        more = f" and {len(found.commits) - SHOWN} more" if len(found.commits) > SHOWN else ""
        lines.append(
            f"git history: {counted(len(found.commits), 'commit')} wrote it, {named}{more}, and it is in all between; "
            "after you commit, rewrite them with git filter-repo --replace-text, push by force, have every clone made "
            "anew, and drop experiments with dvc exp remove --all-commits"
        )
    return [Heading("Not reached"), Bullets(lines)]


def left_blocks(left: Mapping[str, str], files: Sequence[str]) -> list[Block]:
    """What a search after forgetting found."""
    if not left:
        return [Text("Searched again: no file of the project or its caches holds it. Commit, then: dvc repro", "lead")]
    lines = [f"{path}: {quote!r}" for path, quote in left.items()]
    by_hand = "; edit these by hand" if set(left) <= set(files) else ""
    return [Text(f"Searched again: {counted(len(left), 'file')} still quote it{by_hand}:", "warning"), Bullets(lines)]

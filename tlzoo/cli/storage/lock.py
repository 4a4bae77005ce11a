"""`tlzoo lock`: pin every file of a project's checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tlzoo.cli.shared.options import Json
from tlzoo.cli.shared.output import print_json, print_table, single
from tlzoo.errors import UsageError
from tlzoo.plugins.resolve import resolve
from tlzoo.registry import get
from tlzoo.registry.catalogue import origins_of
from tlzoo.runs.record import read_record
from tlzoo.weights import lockfile
from tlzoo.weights.locked import lock_checkpoint as lock_one


def lock(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Checkpoint ids")] = None,
    run: Annotated[list[Path] | None, typer.Option("--run", help="A run folder, whose checkpoint to lock")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The lock file \\[tlzoo.lock, or TLZOO_LOCK]")] = None,
    json: Json = False,
) -> None:
    """Write the hash and size of every file of these checkpoints into tlzoo.lock; without ids, update those in it.

    `tlzoo pull --locked` then fetches exactly these files, and files in pickle form count as pinned.
    """
    file = (out or lockfile.path()).expanduser().absolute()
    named = dict.fromkeys([*(ids or ()), *(read_record(folder).checkpoint.id for folder in run or ())])
    chosen = list(named) or list(lockfile.read(file).checkpoints)
    if not chosen:
        raise UsageError(f"{file} has no checkpoints yet.", hint="Name some: tlzoo lock ID, or tlzoo lock --run RUN")
    listed = {id: bool(origins_of(id)) for id in chosen}
    # what no registry lists is asked of its plugin again: `get` would give what is locked already
    checkpoints = [get(id) if listed[id] else resolve(id) or get(id) for id in chosen]
    found = {each.id: lock_one(each, listed=listed[each.id]) for each in checkpoints}
    lockfile.record_checkpoints(found, file)
    rows = [_row(id, locked) for id, locked in found.items()]
    if json:
        print_json({"lock": str(file), "checkpoints": rows})
    else:
        columns = ("id", "source", "files", "bytes")
        print_table(columns, [[row[name] for name in columns] for row in rows])


def _row(id: str, locked: lockfile.LockedCheckpoint) -> dict[str, Any]:
    return {
        "id": id,
        "source": f"{locked.kind} {locked.origin}{f'@{locked.revision[:12]}' if locked.revision else ''}",
        "files": len(locked.files),
        "bytes": sum(each.size for each in locked.files.values()),
    }


app = single(lock)

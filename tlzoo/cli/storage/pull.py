"""`tlzoo pull`: download and verify weights before they are needed."""

from __future__ import annotations

from typing import Annotated

import typer

from tlzoo.cli.shared.options import Json
from tlzoo.cli.shared.output import print_json, print_table, single
from tlzoo.errors import UsageError
from tlzoo.interfaces import Weights
from tlzoo.registry import get
from tlzoo.weights import lockfile
from tlzoo.weights.fetch import fetch
from tlzoo.weights.locked import fetch_locked


def pull(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Checkpoint ids, such as vision/efficientnet-lite0.")
    ] = None,
    locked: Annotated[
        bool, typer.Option("--locked", help="Exactly the files in tlzoo.lock; without ids, all of them")
    ] = False,
    json: Json = False,
) -> None:
    """Download and verify the weights of checkpoints; cached files are only verified."""
    pulled = []
    for id, weights in (_fetch_locked_ids(ids or []) if locked else _fetch_ids(ids or [])).items():
        pulled.append(
            {
                "id": id,
                "folder": str(weights.folder),
                "bytes": sum(path.stat().st_size for path in weights.files.values()),
                "files": {name: str(path) for name, path in weights.files.items()},
            }
        )
    if json:
        print_json(pulled)
    else:
        print_table(("id", "bytes", "folder"), [(row["id"], f"{row['bytes']:,}", row["folder"]) for row in pulled])


def _fetch_ids(ids: list[str]) -> dict[str, Weights]:
    if not ids:
        raise UsageError("No checkpoint is given.", hint="Type tlzoo pull ID, or tlzoo pull --locked.")
    checkpoints = [get(id) for id in dict.fromkeys(ids)]
    return {checkpoint.id: fetch(checkpoint) for checkpoint in checkpoints}


def _fetch_locked_ids(ids: list[str]) -> dict[str, Weights]:
    file, locked = lockfile.path(), lockfile.read().checkpoints
    if not file.exists():
        raise UsageError(f"{file} does not exist.", hint=f"Lock it first: tlzoo lock {ids[0] if ids else 'ID'}")
    chosen = list(dict.fromkeys(ids)) or list(locked)
    absent = next((id for id in chosen if id not in locked), None)
    if absent is not None or not chosen:
        raise UsageError(
            f"{file} does not list {absent}." if absent else f"{file} has no checkpoints.",
            hint=f"Lock it first: tlzoo lock {absent or 'ID'}",
        )
    checkpoints = [get(id) for id in chosen]
    return {each.id: fetch_locked(each, locked[each.id], file) for each in checkpoints}


app = single(pull)

"""Read registry files, merge built-in, plugins' and the user's entries, and search them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from tlzoo.errors import RegistryError, UnknownCheckpoint, UsageError
from tlzoo.registry.origins import Origin, origins, warn_once
from tlzoo.registry.reading import read_checkpoints
from tlzoo.registry.schema import Checkpoint

SORTS: dict[str, Callable[[Checkpoint], Any]] = {
    "id": lambda checkpoint: checkpoint.id,
    "license": lambda checkpoint: (checkpoint.license is None, checkpoint.license or "", checkpoint.id),
    "parameters": lambda checkpoint: (checkpoint.parameters, checkpoint.id),
    "task": lambda checkpoint: (checkpoint.tasks, checkpoint.id),
}


def get(id: str) -> Checkpoint:
    """The checkpoint of this id.

    Raises UnknownCheckpoint with the nearest ids, and RegistryError when a registry file is wrong.
    """
    known = _all()
    if id not in known:
        raise UnknownCheckpoint(f"Unknown checkpoint {id!r}.", hint=_nearest(id, known))
    return known[id]


def find(
    *,
    task: str | None = None,
    license: str | None = None,
    max_parameters: int | None = None,
    language: str | None = None,
    plugin: str | None = None,
    text: str | None = None,
    sort: str = "id",
) -> list[Checkpoint]:
    """The checkpoints that meet every condition given.

    `license` is an SPDX expression and `language` an ISO 639-1 code, both in any case; `text` is words that must all
    occur in the id, architecture, tags or training data; `sort` is one of id, license, parameters, task, with `-` in
    front for the other way round. Raises UsageError for another `sort`, RegistryError when a registry file is wrong.
    """
    if sort.removeprefix("-") not in SORTS:
        raise UsageError(f"Cannot sort by {sort!r}.", hint=f"Sort by: {', '.join(SORTS)}")
    words = (text or "").lower().split()
    found = [
        checkpoint
        for checkpoint in _all().values()
        if (task is None or task in checkpoint.tasks)
        and (license is None or license.lower() == (checkpoint.license or "").lower())
        and (max_parameters is None or checkpoint.parameters <= max_parameters)
        and (language is None or language.lower() in checkpoint.languages)
        and (plugin is None or plugin == checkpoint.plugin)
        and (not words or all(word in _searched(checkpoint) for word in words))
    ]
    return sorted(found, key=SORTS[sort.removeprefix("-")], reverse=sort.startswith("-"))


def load(path: str | os.PathLike[str], *, allow_files: bool = False) -> tuple[Checkpoint, ...]:
    """The checkpoints of one registry file; sources of kind `file` only where `allow_files` (a user's own registry).

    Raises RegistryError naming the file, the entry's id and the field.
    """
    return read_checkpoints(Path(path), allow_files)


def _searched(checkpoint: Checkpoint) -> str:
    return " ".join((checkpoint.id, checkpoint.architecture, *checkpoint.tags, *checkpoint.pretrained_on)).lower()


def _nearest(id: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(id, names, 3, 0.6)
    if not near:
        wanted = id.rpartition("/")[2].lower()
        by_name = {name.partition("/")[2].lower(): name for name in names}
        near = [by_name[name] for name in difflib.get_close_matches(wanted, by_name, 3, 0.6)]
    return f"Did you mean {' or '.join(near)}?" if near else "See all: tlzoo models"


def _all() -> dict[str, Checkpoint]:
    merged: dict[str, Checkpoint] = {}
    for origin in reversed(origins()):
        merged |= {checkpoint.id: checkpoint for checkpoint in _entries(origin)}
    return merged


def _entries(origin: Origin) -> tuple[Checkpoint, ...]:
    """The entries of one file; none, and a warning, where it is wrong and not the user's own."""
    try:
        checkpoints = _read(origin.path, allow_files=origin.kind == "user")
        for checkpoint in checkpoints:
            if not checkpoint.id.startswith(origin.prefix):
                raise RegistryError(f"entry {checkpoint.id!r} does not start with {origin.prefix!r}.")
    except RegistryError as error:
        if origin.kind in ("user", "built-in"):
            raise
        warn_once(f"The registry of {origin.name} is left out: {error.message}")
        return ()
    return checkpoints


def _read(path: Path, allow_files: bool = False) -> tuple[Checkpoint, ...]:
    try:
        stat = path.stat()
    except OSError as cause:
        raise RegistryError(f"Registry {path} cannot be read: {cause.strerror}.", hint="See TLZOO_REGISTRY.") from cause
    return _read_once(path.absolute(), allow_files, (stat.st_mtime_ns, stat.st_size, stat.st_ino))


@cache
def _read_once(path: Path, allow_files: bool, stamp: tuple[int, int, int]) -> tuple[Checkpoint, ...]:
    return read_checkpoints(path, allow_files)

"""`tlzoo.lock`: the files that a project's checkpoints are made of, by size and sha256.

`hub` is written by itself: the commit and hashes that a repository had when it was first used here. `checkpoints` is
written by `tlzoo lock` alone, which is how the user says that these bytes are trusted. Each entry has a seal of its
own, so that branches which add entries merge.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

from tlzoo.errors import SourceError
from tlzoo.io.disk import write_errors
from tlzoo.io.files import atomic_file, seal_of, sha256_of
from tlzoo.io.locks import file_lock
from tlzoo.registry.schema import Checkpoint, Sha256
from tlzoo.specs import StrictModel, first_invalid
from tlzoo.weights import cache

VERSION: Literal[3] = 3
_WRITER = "tlzoo.lock"


class LockedFile(StrictModel):
    """A file's sha256 in hex and its size in bytes."""

    sha256: Sha256
    size: int = Field(gt=0)


class LockedRepository(StrictModel):
    """A repository's commit, and the files of it that were used."""

    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    files: dict[str, LockedFile]
    seal: Sha256 | None = None


class LockedCheckpoint(StrictModel):
    """What `tlzoo lock` found of a checkpoint.

    `entry` is the sha256 of its entry in the registry. `origin` is the archive, address or hub repository, and
    `revision` the repository's commit. `resolved` is the entry itself where no registry lists it.
    """

    entry: Sha256
    kind: Literal["pypi", "hub", "url", "file", "package"]
    origin: str
    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    files: dict[str, LockedFile]
    resolved: Checkpoint | None = None
    seal: Sha256 | None = None


_Locked = TypeVar("_Locked", LockedRepository, LockedCheckpoint)


class LockFile(StrictModel):
    """The whole file; `hub` is by repository, or by `repository@revision` where the registry pins the revision.

    Version 3 added the seals; 1, which has no `checkpoints`, and 2 are read as well.
    """

    version: Literal[1, 2, 3] = VERSION
    hub: dict[str, LockedRepository] = Field(default_factory=dict)
    checkpoints: dict[str, LockedCheckpoint] = Field(default_factory=dict)


def hash_file(file: Path) -> LockedFile:
    """What a file is pinned as."""
    return LockedFile(sha256=sha256_of(file), size=file.stat().st_size)


def path() -> Path:
    """`TLZOO_LOCK`, else `tlzoo.lock` in the current folder."""
    return Path(os.environ.get("TLZOO_LOCK") or "tlzoo.lock").expanduser().absolute()


def read(file: Path | None = None) -> LockFile:
    """The lock file, empty where there is none; raises SourceError when it is damaged."""
    file = file or path()
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise OSError(errno.EINVAL, "it is not a file")  # reading a pipe would wait
        lock = LockFile.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return LockFile()
    except (OSError, ValidationError) as cause:
        reason = ": ".join(filter(None, first_invalid(cause))) if isinstance(cause, ValidationError) else cause.strerror
        raise SourceError(
            f"Lock file {file} cannot be read: {reason}.",
            hint="Restore it from version control, or delete it to pin again.",
        ) from cause
    entries: list[tuple[str, LockedRepository | LockedCheckpoint]] = [*lock.hub.items(), *lock.checkpoints.items()]
    for name, entry in entries:
        if not is_whole(name, entry) or (entry.seal is None and lock.version == VERSION):
            raise SourceError(
                f"Lock file {file} is damaged, or was changed by hand: its entry {name!r} is not what was written.",
                hint="Restore it from version control, or remove that entry and pin again with tlzoo lock.",
            )
    return lock


def sealed(name: str, entry: _Locked) -> _Locked:
    """An entry of this name with its seal."""
    return entry.model_copy(update={"seal": _seal(name, entry)})


def is_whole(name: str, entry: LockedRepository | LockedCheckpoint) -> bool:
    """Whether an entry is what was sealed under this name, or was never sealed."""
    return entry.seal in (None, _seal(name, entry))


def _seal(name: str, entry: LockedRepository | LockedCheckpoint) -> str:
    return seal_of({"name": name, "entry": entry.model_dump(mode="json", exclude={"seal"}, exclude_none=True)})


def record_repository(name: str, locked: LockedRepository) -> None:
    """Add a repository's pins to the lock file, atomically. Raises WriteError when it cannot be written."""
    with file_lock(cache.root() / "locks" / _WRITER, timeout=-1):
        lock = read()
        before = lock.hub.get(name)
        if before is not None and before.revision == locked.revision:
            locked = LockedRepository(revision=locked.revision, files={**before.files, **locked.files})
        if before is not None and before.model_copy(update={"seal": None}) == locked.model_copy(update={"seal": None}):
            return
        _write(path(), lock.model_copy(update={"hub": {**lock.hub, name: locked}}))


def record_checkpoints(found: dict[str, LockedCheckpoint], file: Path) -> None:
    """Put these checkpoints into the lock file, replacing their entries. Raises SourceError, WriteError."""
    with file_lock(cache.root() / "locks" / _WRITER, timeout=-1):
        lock = read(file)
        _write(file, lock.model_copy(update={"checkpoints": {**lock.checkpoints, **found}}))


def locked_entry(id: str) -> Checkpoint | None:
    """The entry of an id that no registry lists, as it was when it was locked; never one that names local files."""
    locked = read().checkpoints.get(id)
    entry = None if locked is None else locked.resolved
    return entry if entry is not None and entry.id == id and entry.source.kind not in ("file", "package") else None


def _write(file: Path, lock: LockFile) -> None:
    hub = {name: sealed(name, entry) for name, entry in lock.hub.items()}
    checkpoints = {name: sealed(name, entry) for name, entry in lock.checkpoints.items()}
    document = LockFile(hub=hub, checkpoints=checkpoints).model_dump(mode="json", exclude_none=True)
    if not lock.checkpoints:
        del document["checkpoints"]
    write_atomically(file, f"{_lines(document)}\n")


def _lines(value: Any, indent: str = "") -> str:
    """JSON, sorted, an object without others in it on one line: two branches that add entries merge."""
    if not isinstance(value, dict) or not any(isinstance(each, dict) for each in value.values()):
        return json.dumps(value, sort_keys=True)
    deeper = f"{indent}  "
    rows = [f"{deeper}{json.dumps(key)}: {_lines(each, deeper)}" for key, each in sorted(value.items())]
    return "{\n" + ",\n".join(rows) + f"\n{indent}}}"


def write_atomically(target: Path, text: str) -> None:
    """Write a text file whole or not at all. Raises WriteError."""
    with write_errors(target), atomic_file(target) as partial:
        partial.write_text(text, encoding="utf-8")

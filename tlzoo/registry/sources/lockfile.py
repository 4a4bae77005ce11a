"""`tlzoo.lock`: the commit and hashes that hub repositories had when they were first used here."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from tlzoo.errors import SourceError
from tlzoo.registry.schema import Record, Sha256
from tlzoo.registry.sources import cache


class LockedFile(Record):
    """A file's sha256 in hex and its size in bytes."""

    sha256: Sha256
    size: int = Field(gt=0)


class Locked(Record):
    """A repository's commit, and the files of it that were used."""

    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    files: dict[str, LockedFile]


class Lock(Record):
    """The whole file; `hub` is by repository, or by `repository@revision` where the registry pins the revision."""

    version: Literal[1] = 1
    hub: dict[str, Locked] = Field(default_factory=dict)


def path() -> Path:
    """`TLZOO_LOCK`, else `tlzoo.lock` in the current folder."""
    return Path(os.environ.get("TLZOO_LOCK") or "tlzoo.lock").expanduser().absolute()


def read() -> Lock:
    """The lock file, empty where there is none; raises SourceError when it is damaged."""
    try:
        return Lock.model_validate_json(path().read_bytes())
    except FileNotFoundError:
        return Lock()
    except (OSError, ValidationError) as cause:
        reason = cause.strerror if isinstance(cause, OSError) else f"{cause.error_count()} faults in it"
        raise SourceError(
            f"Lock file {path()} cannot be read: {reason}.",
            hint="Restore it from version control, or remove it to pin afresh.",
        ) from cause


def record(name: str, locked: Locked) -> None:
    """Add a repository's pins to the lock file, atomically. Raises SourceError when it cannot be written."""
    with _one_writer():
        lock = read()
        before = lock.hub.get(name)
        if before is not None and before.revision == locked.revision:
            locked = Locked(revision=locked.revision, files={**before.files, **locked.files})
        if before == locked:
            return
        repositories = dict(sorted({**lock.hub, name: locked}.items()))
        write_atomically(path(), Lock(hub=repositories).model_dump_json(indent=2) + "\n")


def write_atomically(target: Path, text: str) -> None:
    """Write a text file whole or not at all. Raises SourceError."""
    partial = target.with_name(f".{target.name}-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with partial.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, target)
    except OSError as cause:
        partial.unlink(missing_ok=True)
        raise SourceError(
            f"{target} cannot be written: {cause.strerror}.",
            hint="Name another place for the lock file with TLZOO_LOCK.",
        ) from cause


@contextmanager
def _one_writer() -> Iterator[None]:
    """Hold off other processes between reading and writing, where the system can lock files."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    cache.root().mkdir(parents=True, exist_ok=True)
    with (cache.root() / ".lock-writer").open("w") as guard:
        with contextlib.suppress(OSError):  # some network file systems have no locks; the write is atomic all the same
            fcntl.flock(guard, fcntl.LOCK_EX)
        yield

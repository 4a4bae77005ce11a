"""The registries that the user has added: `registries.json`, and beside it a verified copy of each remote one.

<config>/registries.json                       which, in which order, what is pinned, and what was fetched when
<config>/registries/<name>-<16 hex digits>.json    the copy that is in use, named by its sha256

The copies lie with the configuration and not in the cache: they decide which checkpoint an id means, so that emptying
the cache must not change it, and a machine without a network must not lose it. Looking up reads these files and asks
no server; only `add` and `update` do.
"""

from __future__ import annotations

import errno
import hashlib
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from tlzoo.errors import RegistryError
from tlzoo.io.disk import write_errors
from tlzoo.io.files import atomic_file, config_folder, seal_of, sha256_of
from tlzoo.io.locks import file_lock
from tlzoo.registry.schema import HttpsUrl, Sha256
from tlzoo.specs import StrictModel, first_invalid

RESERVED = ("built-in",)
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]

_LOCK_S = 60.0
_FOLDER_HINT = "Make it writable, or name another folder with TLZOO_CONFIG."


class FetchedCopy(StrictModel):
    """What is held: its hash, when it was last current, its `sequence`, and what the server wants to be asked next."""

    sha256: Sha256
    fetched: datetime
    sequence: int | None = None
    etag: str | None = None
    last_modified: str | None = None


class Subscription(StrictModel):
    """One that the user has added: a file of theirs (`path`) or a remote one (`url`) with what is pinned of it.

    `first` puts it before the built-in registry. `key` is an Ed25519 public key in base64; `unpinned` says that the
    user trusts the server alone.
    """

    name: Name
    path: str | None = None
    url: HttpsUrl | None = None
    first: bool = False
    sha256: Sha256 | None = None
    key: str | None = Field(default=None, pattern=r"^[A-Za-z0-9+/]{43}=$")
    unpinned: bool = False
    held: FetchedCopy | None = None

    @model_validator(mode="after")
    def _one_place_and_one_trust(self) -> Subscription:
        if self.name in RESERVED:
            raise ValueError(f"the name {self.name!r} is reserved")
        if (self.path is None) == (self.url is None):
            raise ValueError("either a path or a url")
        if self.url is not None and [self.sha256 is not None, self.key is not None, self.unpinned].count(True) != 1:
            raise ValueError("a url needs one of sha256, key and unpinned")
        return self


class Subscriptions(StrictModel):
    """The whole file, the strongest first among those with `first` and among those without.

    Version 2 added the seal; 1 is read as well.
    """

    version: Literal[1, 2] = 1
    registries: tuple[Subscription, ...] = ()
    seal: Sha256 | None = None

    @model_validator(mode="after")
    def _no_name_twice(self) -> Subscriptions:
        names = [registry.name for registry in self.registries]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"duplicate name {twice!r}")
        return self

    @model_validator(mode="after")
    def _sealed(self) -> Subscriptions:
        if self.seal is not None and self.seal != self.seal_of_fields():
            raise ValueError("its fields are not those that were sealed; after a change of your own remove 'seal'")
        return self

    def seal_of_fields(self) -> str:
        """What these fields are sealed with."""
        return seal_of(self.model_dump(mode="json", exclude_none=True))


def config_file() -> Path:
    """Where the user's choice is written."""
    return config_folder() / "registries.json"


def copies_folder() -> Path:
    """The folder of the copies."""
    return config_folder() / "registries"


def read() -> tuple[Subscription, ...]:
    """What the user has added, none where there is no file. Raises RegistryError where that file is damaged."""
    path = config_file()
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a file")  # reading a pipe would wait
        return _read_cached(path, (status.st_mtime_ns, status.st_size, status.st_ino))
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as cause:
        raise RegistryError(
            f"{path} cannot be read: {cause.strerror}.", hint="It must be a file that you may read."
        ) from cause


@lru_cache(maxsize=4)
def _read_cached(path: Path, stamp: tuple[int, int, int]) -> tuple[Subscription, ...]:
    try:
        return Subscriptions.model_validate_json(path.read_bytes()).registries
    except ValidationError as cause:
        field, reason = first_invalid(cause)
        raise RegistryError(
            f"{path} is damaged: {field or 'the file'}: {reason}.",
            hint=f"Fix that field, or start over: rm {path}, then tlzoo registry add ... for each.",
        ) from cause


def update_config(edit: Callable[[tuple[Subscription, ...]], tuple[Subscription, ...]]) -> tuple[Subscription, ...]:
    """Rewrite the file by `edit`, one process at a time, whole; copies that nothing names any more are removed.

    Raises WriteError where it cannot be written.
    """
    path = config_file()
    with write_errors(path, hint=_FOLDER_HINT):
        config_folder().mkdir(parents=True, exist_ok=True)
        lock = path.with_name(".registries.lock")
        with file_lock(lock, _LOCK_S) as alone:
            if alone is False:  # where the file system has no locks, the write is whole all the same
                raise RegistryError(
                    f"Another process has held the file lock {lock} for {_LOCK_S:.0f} seconds.",
                    hint="Wait for the other tlzoo registry command to end, then try again.",
                )
            before = read()
            after = Subscriptions(registries=edit(before)).registries
            whole = Subscriptions(version=2, registries=after)
            text = whole.model_copy(update={"seal": whole.seal_of_fields()}).model_dump_json(
                indent=1, exclude_none=True
            )
            with atomic_file(path) as temporary:
                temporary.write_text(text + "\n", encoding="utf-8")
            _remove_unnamed({*map(copy_path, before), *map(copy_path, after)})
    return after


def store_copy(name: str, content: bytes) -> str:
    """Write a copy, whole, and return its sha256; it is in use once `registries.json` names it.

    Raises WriteError where it cannot be written.
    """
    digest = hashlib.sha256(content).hexdigest()
    path = copies_folder() / _copy_name(name, digest)
    with write_errors(path, hint=_FOLDER_HINT), atomic_file(path) as temporary:
        temporary.write_bytes(content)
    return digest


def copy_path(registry: Subscription) -> Path | None:
    """Where the copy of a remote registry lies; `None` where it has none, or is a file of the user's."""
    return None if registry.held is None else copies_folder() / _copy_name(registry.name, registry.held.sha256)


def copy_is_intact(registry: Subscription) -> bool:
    """Whether the copy is there with the bytes that were verified when it came."""
    path = copy_path(registry)
    if path is None or registry.held is None or not path.is_file():
        return False
    status = path.stat()
    return _sha256_at(path, (status.st_mtime_ns, status.st_size, status.st_ino)) == registry.held.sha256


@lru_cache(maxsize=32)
def _sha256_at(path: Path, stamp: tuple[int, int, int]) -> str:
    return sha256_of(path)


def now() -> datetime:
    """This moment, as `fetched` says it."""
    return datetime.now(UTC).replace(microsecond=0)


def _copy_name(name: str, digest: str) -> str:
    return f"{name}-{digest[:16]}.json"


def _remove_unnamed(named: set[Path | None]) -> None:
    """Remove old copies, but for those named a moment ago: another process may be about to read one.

    One that was written within the hour may be another process's, which has yet to name it.
    """
    oldest = time.time() - 3600
    for path in copies_folder().glob("*"):
        if path not in named and path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)

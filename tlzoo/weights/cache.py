"""The cache of verified files: nothing enters it unverified, and whatever is in it is verified again when used.

<root>/weights/<plugin>/<name>/<16 hex digits of the source>/<files>
<root>/weights/<plugin>/<name>/<the same>.files.json                what is pinned of them, for `tlzoo cache verify`
<root>/weights/<plugin>/<name>/.download.<host>.<random>.part/     a download in progress, or what a kill left of it
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tlzoo.errors import HashMismatch, Offline, SourceError
from tlzoo.interfaces import Weights
from tlzoo.io.disk import sync, write_errors
from tlzoo.io.files import cache_folder, is_temporary, sha256_of, sweep, temporary_beside, write_json
from tlzoo.io.locks import file_lock

if TYPE_CHECKING:
    from filelock import ReadWriteLock

CHUNK = 1 << 20
_DOWNLOAD_LOCK_S = 600.0
_DOWNLOAD = "download"


@dataclass(frozen=True)
class PinnedFile:
    """A file as it must be: `name` inside its folder (with `/`), sha256 in hex, size in bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class FetchRequest:
    """What is asked for: a checkpoint id or a key such as `demo/mnist`, and whether the network may be used."""

    key: str
    offline: bool


root = cache_folder
"""The cache's folder, by the name that reads well behind this module's."""


def source_folder(key: str, source: str) -> Path:
    """The folder for a source, given its canonical JSON."""
    return key_folder(key) / hashlib.sha256(source.encode()).hexdigest()[:16]


def key_folder(key: str) -> Path:
    """The folder of everything cached for a checkpoint id."""
    return root() / "weights" / Path(*key.split("/"))


def fetch_or_cache(
    request: FetchRequest, folder: Path, files: Sequence[PinnedFile], download: Callable[[Path], None]
) -> Weights:
    """The files from the cache, or downloaded by `download(into)`, verified and then moved into the cache at once.

    Raises Offline or HashMismatch when the cache does not have them whole and the network is off, HashMismatch when
    what arrives is not what is pinned, SourceError when the cache cannot be written.
    """
    mark_in_use(folder)
    fault = verify_files(folder, files)
    if fault is None:
        return as_weights(folder, files)
    if request.offline:
        if folder.is_dir():
            raise HashMismatch(
                f"{request.key}: {fault} in the cache {folder}, and the network is switched off.",
                hint=f"Fetch it again: TLZOO_OFFLINE=0 HF_HUB_OFFLINE=0 tlzoo pull {request.key}",
            )
        raise offline_error(request)
    with download_lock(request.key):
        mark_in_use(folder)
        if verify_files(folder, files) is not None:  # else another process fetched it while this one waited
            check_disk_space(request.key, sum(file.size for file in files))
            with partial_folder(request.key) as partial:
                download(partial)
                commit(request, partial, folder, files)
    return as_weights(folder, files)


def check_disk_space(key: str, needed: int) -> None:
    """Raises SourceError where the cache's disk has not so many bytes free: known before they are fetched."""
    above = next((folder for folder in (root(), *root().parents) if folder.is_dir()), None)
    free = needed if above is None else shutil.disk_usage(above).free
    if free < needed:
        raise SourceError(
            f"{key}: {needed / 1e9:.2f} GB are needed in the cache {root()}, but {free / 1e9:.2f} GB are free.",
            hint="Free disk space with tlzoo cache gc, or choose another folder with TLZOO_CACHE.",
        )


def mark_in_use(folder: Path) -> None:
    """Mark a folder of the cache as in use by this process until it ends, so that `tlzoo cache gc` leaves it there."""
    if not folder.is_dir():
        return
    if folder not in _in_use:
        with suppress(OSError, RuntimeError, sqlite3.Error):  # a read-only cache, or a fork of a process that has one
            lock = use_lock(folder)
            lock.acquire_read()
            _in_use[folder] = lock
    with suppress(OSError):
        os.utime(folder)  # its last use


_in_use: dict[Path, ReadWriteLock] = {}


def use_lock(folder: Path) -> ReadWriteLock:
    """The file lock of a folder of weights: those who use it share it, who removes it has it alone."""
    from filelock import ReadWriteLock

    (root() / "locks").mkdir(parents=True, exist_ok=True)
    return ReadWriteLock(root() / "locks" / f"use--{folder.name}")


def offline_error(request: FetchRequest) -> Offline:
    """The error for a download that TLZOO_OFFLINE or HF_HUB_OFFLINE forbids."""
    return Offline(
        f"{request.key} is not in the cache {root()}, and the network is switched off.",
        hint=f"Fetch it first: TLZOO_OFFLINE=0 HF_HUB_OFFLINE=0 tlzoo pull {request.key}",
    )


def as_weights(folder: Path, files: Sequence[PinnedFile]) -> Weights:
    """The files as the plugins get them."""
    mark_in_use(folder)
    return Weights(folder, {file.name: folder / file.name for file in files})


def verify_files(folder: Path, files: Sequence[PinnedFile]) -> str | None:
    """What is wrong with the first bad file, or `None` when every file is whole."""
    for file in files:
        path = folder / file.name
        if not path.is_file():
            return f"{file.name} is missing"
        size = path.stat().st_size
        if size != file.size:
            return f"{file.name} has {size} bytes, not {file.size}"
        digest = sha256_of(path)
        if digest != file.sha256:
            return f"{file.name} has sha256 {digest[:16]}…, not {file.sha256[:16]}…"
    return None


@contextmanager
def download_lock(key: str) -> Iterator[None]:
    """Let one process at a time download under this key. Nothing breaks where file locks do not work."""
    with file_lock(root() / "locks" / key.replace("/", "--"), _DOWNLOAD_LOCK_S):
        yield


@contextmanager
def partial_folder(key: str) -> Iterator[Path]:
    """A fresh folder beside the destination, gone afterwards; what killed processes left is removed on the way."""
    for left in root().glob(f"weights/**/.{_DOWNLOAD}.*"):
        sweep(left.with_name(_DOWNLOAD))
    try:
        with temporary_beside(key_folder(key) / _DOWNLOAD) as folder, write_errors(key_folder(key), folder):
            folder.mkdir()
            yield folder
    except OSError as cause:
        if any(is_temporary(above) for above in Path(cause.filename or "").parents):
            raise  # a file of the partial folder around this one, which knows what it becomes
        raise SourceError(
            f"{key}: {cause.filename or root()} cannot be written: {cause.strerror or cause}.",
            hint="Choose another folder with TLZOO_CACHE, or free disk space.",
        ) from cause


def commit(request: FetchRequest, partial: Path, folder: Path, files: Sequence[PinnedFile]) -> None:
    """Verify the files in `partial` and move them to `folder`, whole or not at all.

    Where another process was faster its folder stays; where the folder there is damaged its files are replaced one by
    one, so that a reader never finds one missing. Raises HashMismatch.
    """
    fault = verify_files(partial, files)
    if fault is not None:
        raise HashMismatch(f"{request.key}: the download does not match its pins: {fault}.", hint=_WRONG_BYTES)
    for file in files:
        sync(partial / file.name)
    write_json(pins_path(folder), {file.name: {"sha256": file.sha256, "size": file.size} for file in files})
    try:
        os.rename(partial, folder)
    except OSError:
        if not folder.is_dir():
            raise
        if verify_files(folder, files) is not None:
            for file in files:
                (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(partial / file.name, folder / file.name)
    sync(folder.parent)


def pins_path(folder: Path) -> Path:
    """Where the pins of a folder's files are kept."""
    return folder.with_name(f"{folder.name}.files.json")


_WRONG_BYTES = "Try again. If it fails again, the index or mirror serves other bytes: tell the registry's author."

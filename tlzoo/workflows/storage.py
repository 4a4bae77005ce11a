"""The cache: list its entries, verify those with a recorded hash, remove those not used for long.

Only the folders named in KINDS are ever looked into, and no link is followed: a TLZOO_CACHE that points at somebody's
documents, or a link among the entries, costs nothing.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tlzoo.errors import WriteError
from tlzoo.io import files
from tlzoo.io.disk import DISK_ERRNOS
from tlzoo.io.files import sha256_of
from tlzoo.io.locks import file_lock
from tlzoo.weights import cache

KINDS = {
    "weights": "weights",
    "converted": "converted",
    "graphs": "graphs",
    "activations": "activations",
    "indexes": "registry/indexes",
    "resolved": "resolved",
    "partial": "partial",
    "temporary": "temporary",
    "demo-data": "demo-data",
}
"""What is kept, and the folder of the cache that it is in."""
_ENTRY_TYPES = (stat.S_IFREG, stat.S_IFDIR)
_FRESH_S = 60.0
_STALE_S = {True: 24 * 3600.0, False: 3600.0}
"""When what is left of a download goes: later where the next run would take it up."""


@dataclass(frozen=True)
class CacheEntry:
    """One entry of the cache: its size in bytes, its last use (seconds since 1970), a checkpoint's id where it has one.

    `partial` entries are what a download left, to be taken up again or removed; `temporary` ones are being written,
    or what a killed process left.
    """

    kind: str
    path: Path
    bytes: int
    used: float
    checkpoint: str = ""


@dataclass(frozen=True)
class DamagedEntry:
    """A cache entry that differs from its recorded hash, and how."""

    entry: CacheEntry
    fault: str


def list_entries() -> list[CacheEntry]:
    """Everything in the cache, by kind and path."""
    found: list[CacheEntry] = []
    for kind, name in KINDS.items():
        folder = cache.root() / name
        if _is_folder(folder):
            found += _weights(folder) if kind == "weights" else _children(kind, folder)
    return sorted(found, key=lambda entry: (entry.kind, str(entry.path)))


def verify() -> tuple[int, list[DamagedEntry]]:
    """Verify every entry with a recorded hash: how many were verified, and which are damaged."""
    verified, damaged = 0, []
    for entry in list_entries():
        check = _CHECKS.get(entry.kind)
        try:
            fault = check(entry) if check else None
        except OSError as cause:
            fault = f"it cannot be read: {cause.strerror}"
        if fault is None or not os.path.lexists(entry.path):  # another process may have removed it meanwhile
            continue
        verified += 1
        if fault:
            damaged.append(DamagedEntry(entry, fault))
    return verified, damaged


def prune(
    *, max_bytes: int | None = None, older_than_s: float | None = None, kinds: Sequence[str] = (), dry_run: bool = False
) -> list[CacheEntry]:
    """Remove stale downloads, then what was not used for so long, then the least recently used until the rest fits.

    `kinds` limits all of it to these kinds. What another process uses stays. Returns what was removed, or with
    `dry_run` would be.
    """
    now = time.time()
    found = [entry for entry in list_entries() if not kinds or entry.kind in kinds]
    removed = [entry for entry in found if _is_stale(entry, now) and remove(entry, dry_run)]
    rest = sorted((entry for entry in found if entry not in removed), key=lambda entry: entry.used)
    excess = sum(entry.bytes for entry in rest) - max_bytes if max_bytes is not None else 0
    for entry in rest:
        old = older_than_s is not None and now - entry.used > older_than_s
        if (old or excess > 0) and now - entry.used > _FRESH_S and remove(entry, dry_run):
            removed.append(entry)
            excess -= entry.bytes
    return removed


def remove(entry: CacheEntry, dry_run: bool = False) -> bool:
    """Remove one entry, from its name first so that nobody meets half of it; False where it is in use.

    Raises WriteError where the disk does not let go of it.
    """
    with _exclusive(entry) as alone:
        if not alone or dry_run:
            return alone
        paths = (*_companion_files(entry), entry.path)  # these first: without the entry nobody would find them
        return all(files.remove(path, strict=True) for path in paths)


@contextmanager
def _exclusive(entry: CacheEntry) -> Iterator[bool]:
    """Whether no other process uses the entry, and none can begin to while this lasts."""
    if entry.kind == "partial" and entry.path.parent == cache.root() / "partial":
        with file_lock(cache.root() / "locks" / f"partial--{entry.path.name}") as alone:
            yield bool(alone)
    elif entry.kind == "weights":
        with ExitStack() as stack:
            alone = False
            try:
                stack.enter_context(cache.use_lock(entry.path).write_lock(blocking=False))
                alone = True
            except (OSError, RuntimeError, sqlite3.Error) as cause:  # in use, unless it is the disk
                locks, number = cache.root() / "locks", getattr(cause, "errno", None)
                if number in DISK_ERRNOS or not os.access(locks, os.W_OK):
                    raise WriteError(getattr(cause, "filename", None) or locks, number or errno.EACCES) from cause
            yield alone
    else:
        yield entry.kind != "temporary" or files.is_abandoned(entry.path)


def _is_stale(entry: CacheEntry, now: float) -> bool:
    if entry.kind == "temporary":
        return files.is_abandoned(entry.path)
    return entry.kind == "partial" and now - entry.used > _STALE_S[entry.path.parent.name == "partial"]


def _is_folder(path: Path) -> bool:
    """Whether it is a folder and no link to one."""
    with suppress(OSError):
        return stat.S_ISDIR(path.lstat().st_mode)
    return False


def _listed(folder: Path) -> list[Path]:
    """The files and folders in it; a link leads elsewhere, and reading a pipe would wait."""
    with suppress(OSError):
        return sorted(path for path in folder.iterdir() if stat.S_IFMT(path.lstat().st_mode) in _ENTRY_TYPES)
    return []


def _weights(folder: Path) -> Iterator[CacheEntry]:
    """The folders of files below `weights/<plugin>/…`, and the downloads in progress or left beside them."""
    for path in _listed(folder):
        if files.is_temporary(path):
            if path.suffix != ".lock":
                yield _entry("temporary", path, _checkpoint(path))
        elif re.fullmatch("[0-9a-f]{16}", path.name) and _is_folder(path):
            yield _entry("weights", path, _checkpoint(path))
        elif path.name.endswith(".gone"):
            yield _entry("partial", path, _checkpoint(path))
        elif _is_folder(path):
            yield from _weights(path)


def _checkpoint(path: Path) -> str:
    return path.parent.relative_to(cache.root() / "weights").as_posix()


def _children(kind: str, folder: Path) -> Iterator[CacheEntry]:
    for path in _listed(folder):
        if files.is_temporary(path):
            if path.suffix != ".lock":
                yield _entry("temporary", path)
        elif path.suffix in (".part", ".gone") and path.name.startswith("."):
            yield _entry("partial", path)
        elif not path.name.endswith((".sha256", ".json")) or kind in ("indexes", "resolved"):
            yield _entry(kind, path)


def _entry(kind: str, path: Path, checkpoint: str = "") -> CacheEntry:
    """The entry as it is now; one that vanishes meanwhile has no bytes."""
    size, used = 0, 0.0
    for each in (path, *(path.rglob("*") if _is_folder(path) else ())):
        with suppress(OSError):
            status = each.lstat()
            size += 0 if stat.S_ISDIR(status.st_mode) else status.st_size
            used = max(used, status.st_mtime, status.st_atime if kind == "graphs" else 0)
    return CacheEntry(kind, path, size, used, checkpoint)


def _companion_files(entry: CacheEntry) -> Iterable[Path]:
    match entry.kind:
        case "temporary":
            return [entry.path.with_suffix(".lock")]
        case "weights":
            return [cache.pins_path(entry.path)]
        case "converted":
            return [entry.path.with_name(f"{entry.path.name}.sha256")]
        case "partial" if re.fullmatch("[0-9a-f]{64}", entry.path.name):
            return [entry.path.with_name(f"{entry.path.name}.json")]
    return []


def _check_weights(entry: CacheEntry) -> str | None:
    """What is wrong, `""` where nothing is, `None` where nobody pinned anything."""
    try:
        document = json.loads(cache.pins_path(entry.path).read_bytes())
        pins = [cache.PinnedFile(name, pin["sha256"], pin["size"]) for name, pin in document.items()]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"{cache.pins_path(entry.path).name} cannot be read"
    return cache.verify_files(entry.path, pins) or ""


def _check_converted(entry: CacheEntry) -> str | None:
    try:
        pinned = entry.path.with_name(f"{entry.path.name}.sha256").read_text("ascii").strip()
    except (OSError, ValueError):
        return "its hash is missing"
    return "" if sha256_of(entry.path) == pinned else "its sha256 differs from the recorded one"


_CHECKS: dict[str, Callable[[CacheEntry], str | None]] = {
    "weights": _check_weights,
    "converted": _check_converted,
}

"""The activation store's folders: committed by one rename, locked while they are written, evicted when unused.

<cache>/activations/<key>/                           an entry, whole; the time of its file `used` is its last use
                    .<key>.<host>.<random>.part/     a computation in progress, or what a kill left of it
                    .<key>.<random>.gone/            on its way out
<cache>/locks/activations--.<key>.<host>.<random>.part    the file lock of whoever computes it
"""

from __future__ import annotations

import platform
import secrets
import shutil
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from tlzoo.errors import TrainingError
from tlzoo.io.disk import sync, write_errors
from tlzoo.io.files import remove
from tlzoo.io.locks import file_lock
from tlzoo.weights import cache

GB = 1_000_000_000
GRAPHS_GB = 5.0
_STALE_AFTER_S = 3600.0
_HOST = f"{zlib.crc32(platform.node().encode()):08x}"


def evict(limit_gb: float, *, graphs_gb: float = GRAPHS_GB, keep: str = "") -> int:
    """Remove the least recently used entries, except `keep`, and graphs until both are under their limits.

    Returns the bytes freed. An entry that another process has open stays readable there.
    """
    remove_abandoned()
    graphs = (cache.root() / "graphs").glob("*.onnx")
    entries = [path for path in _listed() if not path.name.startswith(".")]
    return _evict_oldest(entries, int(limit_gb * GB), keep) + _evict_oldest(graphs, int(graphs_gb * GB), "")


def store_root() -> Path:
    """The folder of all entries."""
    return cache.root() / "activations"


def _listed() -> list[Path]:
    with suppress(OSError):
        return list(store_root().iterdir())
    return []


@contextmanager
def staging_dir(key: str) -> Iterator[Path]:
    """A temporary folder under a file lock, which shows other processes that its owner is alive."""
    part = store_root() / f".{key}.{_HOST}.{secrets.token_hex(4)}.part"
    try:
        with file_lock(_lock(part)):  # held before others see the folder
            with on_disk(0, part, key):
                part.mkdir(parents=True)
                (part / "used").touch()
            yield part
    finally:
        _remove_staging(part)


def commit(part: Path, entry: Path) -> None:
    """Rename the finished entry to its final path, replacing what is there."""
    remove(entry)
    part.rename(entry)
    sync(entry.parent)


def _is_locked(part: Path) -> bool | None:
    """Whether a living process uses this folder; `None` where file locks do not work."""
    with file_lock(_lock(part)) as alone:
        return None if alone is None else not alone


def _lock(part: Path) -> Path:
    return cache.root() / "locks" / f"activations--{part.name}"


def _remove_staging(part: Path) -> None:
    shutil.rmtree(part, ignore_errors=True)
    with suppress(OSError):
        _lock(part).unlink()


def in_progress(key: str) -> bool:
    """Whether a living process, as far as locks tell, computes this entry now."""
    parts = (path for path in _listed() if path.name.startswith(f".{key}.") and path.suffix == ".part")
    return any(_is_locked(part) for part in parts)


def remove_abandoned() -> None:
    """Remove what killed processes left: at once if they ran on this machine, else when it is an hour old."""
    for path in _listed():
        if path.suffix == ".gone" or (path.suffix == ".part" and _is_abandoned(path)):
            _remove_staging(path)


def _is_abandoned(path: Path) -> bool:
    held = _is_locked(path)
    if held is not None and (held or f".{_HOST}." in path.name):
        return not held
    try:
        last = max(each.lstat().st_mtime for each in (path, *path.iterdir()))
    except OSError:
        return False  # its owner is renaming or removing it right now
    return last < time.time() - _STALE_AFTER_S


def _evict_oldest(paths: Iterable[Path], limit: int, keep: str) -> int:
    """Remove the least recently used of these files or folders until their sizes add up to `limit`; bytes freed."""
    found = []
    for path in paths:
        with suppress(OSError):  # another process removes it right now
            found.append((_last_use(path), _size(path), path))
    excess, freed = sum(size for _, size, _ in found) - limit, 0
    for _, size, path in sorted(found):
        if freed >= excess:
            break
        if path.name != keep and remove(path):
            freed += size
    return freed


def _last_use(path: Path) -> int:
    if path.is_dir():
        return ((path / "used") if (path / "used").exists() else path).stat().st_mtime_ns
    status = path.stat()
    return max(status.st_atime_ns, status.st_mtime_ns)


def _size(path: Path) -> int:
    return sum(each.stat().st_size for each in path.iterdir()) if path.is_dir() else path.stat().st_size


def check_room(needed: int) -> None:
    """Raises TrainingError where the disk has too little free space."""
    with on_disk(needed):
        free = shutil.disk_usage(store_root()).free
    if needed > free:
        raise TrainingError(
            f"The activations need {format_gb(needed)} in {store_root()}, which has {format_gb(free)} free.",
            hint=_DISK_HINT,
            parameter="cache_precision",
        )


@contextmanager
def on_disk(needed: int, part: Path | None = None, key: str = "") -> Iterator[None]:
    """Turn an OSError into a TrainingError that names the file and what to do; of one in `part`, by its final name."""
    try:
        with nullcontext() if part is None else write_errors(store_root() / key, part):
            yield
    except OSError as cause:
        size = f"{format_gb(needed)} of activations" if needed else "activations"
        reason = cause.strerror or cause
        raise TrainingError(
            f"Cannot write {size} to {cause.filename or store_root()}: {reason}.",
            hint=_DISK_HINT,
            parameter="cache_precision",
        ) from cause


_DISK_HINT = (
    "Free disk space there, set TLZOO_CACHE to another folder, halve the size with `cache_precision='fp16'`, "
    "or train with `cache=False`."
)


def format_gb(size: int) -> str:
    """Bytes as text, such as 1.50 GB."""
    return f"{max(size / GB, 0.01):.2f} GB"

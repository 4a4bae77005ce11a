"""The activation store's folders: committed by one rename, locked while they are written, evicted when unused.

<cache>/activations/<key>/                           an entry, whole; the time of its file `used` is its last use
                    .<key>.<host>.<random>.part/     a computation in progress, or what a kill left of it, and its lock
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

from tlzoo.errors import TrainingError
from tlzoo.io.disk import sync, write_errors
from tlzoo.io.files import is_held, remove, sweep_folder, temporary_beside
from tlzoo.weights import cache

GB = 1_000_000_000
GRAPHS_GB = 5.0


def evict(limit_gb: float, *, graphs_gb: float = GRAPHS_GB, keep: str = "") -> int:
    """Remove the least recently used entries, except `keep`, and graphs until both are under their limits.

    Returns the bytes freed. An entry that another process has open stays readable there.
    """
    sweep_folder(store_root())
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
    with ExitStack() as stack:
        with on_disk(0):
            part = stack.enter_context(temporary_beside(store_root() / key))
        with on_disk(0, part, key):
            part.mkdir()
            (part / "used").touch()
        yield part


def commit(part: Path, entry: Path) -> None:
    """Rename the finished entry to its final path, replacing what is there."""
    remove(entry)
    part.rename(entry)
    sync(entry.parent)


def in_progress(key: str) -> bool:
    """Whether a living process, as far as locks tell, computes this entry now."""
    return any(is_held(path) for path in _listed() if path.name.startswith(f".{key}.") and path.suffix == ".part")


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
            hint=_DISK_HINT if cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else _PLACE_HINT,
            parameter="cache_precision",
        ) from cause


_PLACE_HINT = "Set TLZOO_CACHE to another folder, or train with `cache=False`."
_DISK_HINT = (
    "Free disk space there, set TLZOO_CACHE to another folder, halve the size with `cache_precision='fp16'`, "
    "or train with `cache=False`."
)


def format_gb(size: int) -> str:
    """Bytes as text, such as 1.50 GB."""
    return f"{max(size / GB, 0.01):.2f} GB"

"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tlzoo.errors import DataError


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place when the block succeeds, remove it when not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; rename it into place when the block succeeds, remove it when not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    temporary.mkdir()
    try:
        yield temporary
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def cache_folder() -> Path:
    """The cache: `TLZOO_CACHE`, else `tlzoo` in the user's cache folder."""
    if chosen := os.environ.get("TLZOO_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(base) / "tlzoo" if base and os.path.isabs(base) else _home() / ".cache" / "tlzoo"


def config_folder() -> Path:
    """What the user has set up: `TLZOO_CONFIG`, else `tlzoo` in the user's folder of configurations."""
    if chosen := os.environ.get("TLZOO_CONFIG"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CONFIG_HOME")
    return Path(base) / "tlzoo" if base and os.path.isabs(base) else _home() / ".config" / "tlzoo"


def _home() -> Path:
    """The user's own folder; of a user who has none, as in containers, one where nothing is and nothing can be."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(os.devnull)


@contextmanager
def file_lock(path: Path, timeout: float = 0.0) -> Iterator[bool | None]:
    """Yield whether this process alone holds the file lock for the block, waiting up to `timeout` seconds for it.

    `None` where it cannot be said: the folder is read-only, or its file system has no locks. Forever: `timeout=-1`.
    """
    from filelock import FileLock, Timeout

    with ExitStack() as stack:
        alone: bool | None = True
        try:
            stack.enter_context(FileLock(path, timeout=timeout, fallback_to_soft=False))
        except Timeout:
            alone = False
        except OSError:
            alone = None
        yield alone


def why_unwritable(path: Path) -> str | None:
    """Why nothing can be written at `path`, or `None`: known before the work whose result belongs there."""
    for folder in path.absolute().parents:
        if folder.is_dir():
            return None if os.access(folder, os.W_OK | os.X_OK) else f"the folder {folder} is not writable"
        if folder.exists():
            return f"{folder} is not a folder"
    return "there is no folder above it"


def write_json(path: Path, document: Any) -> None:
    """Write one JSON document, whole."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def remove(path: Path) -> bool:
    """Remove a file or a folder, the folder from its name first, so that no process sees half of it; False in use."""
    try:
        if path.is_dir() and not path.is_symlink():
            gone = path.rename(path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.gone"))
            shutil.rmtree(gone, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def sync(path: Path) -> None:
    """Have the disk hold a file, or a folder's names; on Windows folders do it themselves."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_exists(*paths: str | os.PathLike[str] | None) -> None:
    """Raise DataError naming the first of these that is neither a file nor a folder; a command does before it imports
    torch."""
    for path in paths:
        if path is not None and not os.path.exists(path):
            raise DataError(
                f"{os.path.abspath(path)} does not exist.",
                hint="Give a folder with one sub-folder per class, or a table.",
            )

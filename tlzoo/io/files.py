"""Files and folders that appear whole, on the disk, or not at all; what killed processes left of them is removed.

.NAME.<host>.<random>.part    what is being written, or what a kill left of it
.NAME.<host>.<random>.lock    the file lock by which others know that whoever writes it is alive
.NAME.<random>.gone           a folder on its way out
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tlzoo.errors import DataError, WriteError
from tlzoo.io.disk import DISK_ERRNOS, sync, sync_tree, write_errors
from tlzoo.io.locks import file_lock
from tlzoo.io.regular import named, open_regular

_STALE_AFTER_S = 24 * 3600.0
_LOCK_S = 5.0
_LONGEST = 180
"""Bytes of a name that are kept in those of its temporaries, which no file system limits to less than 255."""
_TEMPORARY = r"(?:\.[0-9a-f]{8}){1,2}\.(?:part|lock|gone)"


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block succeeds it is on the disk and renamed into place.

    Raises WriteError naming `path` where it cannot be written; what was there before stays.
    """
    with write_errors(path), temporary_beside(path) as temporary, write_errors(path, temporary):
        yield temporary
        sync(temporary)
        with _second_name(path, temporary.with_suffix(".gone")) as before:
            os.replace(temporary, path)
            try:
                sync(path.parent)
            except OSError:  # what is said to have failed has not happened
                os.replace(path, temporary)
                if before.exists():
                    os.replace(before, path)
                raise


@contextmanager
def _second_name(path: Path, before: Path) -> Iterator[Path]:
    """Give the file at `path`, if there is one, a second name while another takes its own; where the file system has
    links."""
    with suppress(OSError):
        os.link(path, before)
    try:
        yield before
    finally:
        _delete(before)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; when the block succeeds it is on the disk and renamed into place.

    Raises WriteError naming the file in it that cannot be written, or `path` where that exists; then nothing is there.
    """
    with write_errors(path), temporary_beside(path) as temporary, write_errors(path, temporary):
        temporary.mkdir()
        yield temporary
        sync_tree(temporary)
        temporary.rename(path)
        try:
            sync(path.parent)
        except OSError:
            path.rename(temporary)
            raise


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for what is not kept, gone afterwards: in the cache, where what killed processes leave is removed, or
    where that cannot be written, in the system's folder for temporary files."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(temporary_beside(cache_folder() / "temporary" / "work"))
            folder.mkdir()
        except OSError:
            folder = Path(stack.enter_context(TemporaryDirectory()))
        yield folder


def _host() -> str:
    return f"{zlib.crc32(platform.node().encode()):08x}"


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """A free path beside `path`, whose folder is made, under a file lock; whatever is there afterwards is removed.

    What killed processes left of the same output is removed first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path)
    part = path.with_name(f".{_stem(path)}.{_host()}.{secrets.token_hex(4)}.part")
    with file_lock(_lock(part), _LOCK_S):  # held before others see the file
        try:
            yield part
        finally:
            _delete(part)
            with suppress(OSError):
                _lock(part).unlink()


def sweep(path: Path) -> None:
    """Remove the temporaries of an output that no living process writes."""
    _sweep(path.parent, re.escape(_stem(path)))


def sweep_folder(folder: Path) -> None:
    """Remove those of every output in a folder."""
    _sweep(folder, ".+")


def _sweep(folder: Path, stem: str) -> None:
    name = re.compile(rf"\.{stem}{_TEMPORARY}")
    with suppress(OSError):
        found = [Path(entry.path) for entry in os.scandir(folder) if name.fullmatch(entry.name)]
        for part in {each.with_suffix(".part") if each.suffix == ".lock" else each for each in found}:
            if is_abandoned(part):
                remove_abandoned(part)


def is_temporary(path: Path) -> bool:
    """Whether a file or folder has the name of a temporary of this version, or of its lock."""
    return re.fullmatch(r"\..+(?:\.[0-9a-f]{8}){2}\.(?:part|lock)", path.name) is not None


def is_held(path: Path) -> bool | None:
    """Whether a living process holds a temporary's lock; `None` where locks cannot tell, or its maker had none."""
    if not _lock(path).exists():
        return None
    with file_lock(_lock(path)) as alone:
        return None if alone is None else not alone


def is_abandoned(path: Path) -> bool:
    """Whether no living process writes this temporary: nobody holds its lock, or where locks cannot tell, as of one
    made on another machine, nothing was written to it for a day."""
    if path.suffix == ".gone":
        return True
    held = is_held(path)
    if held is not None and (held or f".{_host()}." in path.name):
        return not held
    try:
        return max(each.lstat().st_mtime for each in (path, *path.rglob("*"))) < time.time() - _STALE_AFTER_S
    except OSError:
        return False  # its owner is renaming or removing it right now


def remove_abandoned(path: Path) -> None:
    """Remove a temporary whose process is gone, and its lock."""
    _delete(path)
    with suppress(OSError):
        _lock(path).unlink(missing_ok=True)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _lock(part: Path) -> Path:
    return part.with_suffix(".lock")


def _stem(path: Path) -> str:
    """The name in those of its temporaries; a long one is cut, with a checksum."""
    name = os.fsencode(path.name)
    if len(name) <= _LONGEST:
        return path.name
    return f"{os.fsdecode(name[: _LONGEST - 9])}~{zlib.crc32(name):08x}"


def cache_folder() -> Path:
    """The cache: `TLZOO_CACHE`, else `tlzoo` in the user's cache folder."""
    return _users_folder("CACHE", ".cache")


def config_folder() -> Path:
    """What the user has set up: `TLZOO_CONFIG`, else `tlzoo` in the user's folder of configurations."""
    return _users_folder("CONFIG", ".config")


def _users_folder(kind: str, usual: str) -> Path:
    if chosen := os.environ.get(f"TLZOO_{kind}"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get(f"XDG_{kind}_HOME")
    return Path(base) / "tlzoo" if base and os.path.isabs(base) else _home() / usual / "tlzoo"


def _home() -> Path:
    """The user's own folder; of a user who has none, as in containers, one where nothing is and nothing can be."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(os.devnull)


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


SEAL = "seal"
"""The field of a sealed JSON object that holds the SHA-256 of the others."""


def seal_of(document: Mapping[str, Any]) -> str:
    """The SHA-256 of a JSON object's fields but the seal, however they are written down."""
    fields = {name: value for name, value in document.items() if name != SEAL}
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def write_sealed_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write one JSON object with its seal, whole."""
    write_json(path, {**document, SEAL: seal_of(document)})


def read_sealed_json(path: Path) -> dict[str, Any] | None:
    """What `write_sealed_json` wrote, without the seal; `None` where nothing is, or it was damaged."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.pop(SEAL, None) != seal_of(document):
        return None
    return document


def remove(path: Path, *, strict: bool = False) -> bool:
    """Remove a file or a folder, the folder from its name first, so that no process sees half of it; False in use.

    `strict` raises WriteError where the disk is broken or read-only.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            gone = path.rename(path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.gone"))
            shutil.rmtree(gone, ignore_errors=True)
            if strict and gone.exists():
                shutil.rmtree(gone)
        else:
            path.unlink(missing_ok=True)
    except OSError as cause:
        if strict and cause.errno in DISK_ERRNOS:
            message = f"{path} cannot be removed: {cause.strerror}."
            raise WriteError(path, cause.errno, message=message, hint="Check the disk, then try again.") from cause
        return False
    return True


def sha256_of(path: Path) -> str:
    """A file's SHA-256 in hex; raises OSError naming the file, at once for what is no file."""
    with open_regular(path) as stream, named(path):
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_exists(*paths: str | os.PathLike[str] | None) -> None:
    """Raise DataError naming the first of these that is neither a file nor a folder; a command does before it imports
    torch."""
    for path in paths:
        if path is not None and not os.path.exists(path):
            raise DataError(
                f"{os.path.abspath(path)} does not exist.",
                hint="Give a folder with one sub-folder per class, or a table.",
            )


def spelled_path(folder: Path, name: str) -> str:
    """A path in a table, from a folder on; where nothing is there, backslashes in it stand between folders, as on
    Windows."""
    try:
        there = "\\" not in name or (folder / name).exists() or not (folder / name.replace("\\", "/")).exists()
    except (OSError, ValueError):  # too long, or with a NUL
        return name
    return name if there else name.replace("\\", "/")

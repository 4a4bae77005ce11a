"""What a disk refuses, with the name of the file; and having it hold what was written."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tlzoo.errors import WriteError

DISK_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})
"""What the system says when a disk takes no more, whichever file it was."""
_EXISTS = {errno.EEXIST, errno.ENOTEMPTY}
_CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EPERM}
"""What file systems say that cannot sync this kind of file, or a folder that may not be read."""


@contextmanager
def write_errors(path: Path, staged: Path | None = None, *, hint: str = "", parameter: str = "") -> Iterator[None]:
    """Turn what the system says against writing in this block into a WriteError that names the file.

    An error without a name, as of a write, is of `path`; one within `staged`, which becomes `path`, by its final name.
    Errors of other files, such as those that are read, pass through.
    """
    try:
        yield
    except WriteError as error:
        file = _final_name(error.filename, path, staged)
        if file == error.filename and not hint:
            raise
        raise WriteError(file, error.errno, hint=hint or error.hint, parameter=parameter) from error
    except Exception as cause:
        number, name = _errno_of(cause), _name_in(cause)
        if number is None or (name is None and number not in DISK_ERRNOS):
            raise
        file = _final_name(_newest(path, staged) if name is None else name, path, staged)
        if not (_is_below(file, path) or _is_below(str(path), file)):
            raise  # a file that is read
        number = errno.EEXIST if number in _EXISTS else number
        exists = f"{file} already exists." if number == errno.EEXIST else ""
        raise WriteError(file, number, message=exists, hint=hint, parameter=parameter) from cause


def resumable(error: WriteError) -> WriteError:
    """The error, whose hint says that the same command goes on with `resume=True` once that is done."""
    hint = f"{error.hint.partition(';')[0].rstrip('.')}, then continue with `resume=True`."
    return WriteError(error.filename, error.errno, hint=hint, parameter="resume")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file; raises WriteError, which names it even where the system does not."""
    with write_errors(path):
        path.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8; raises as `write_bytes`."""
    with write_errors(path):
        path.write_text(text, encoding="utf-8")


def _errno_of(cause: Exception) -> int | None:
    """The system's number of an error, also of one that a library in Rust, such as safetensors, passes on as text."""
    if isinstance(cause, OSError):
        return cause.errno
    found = re.search(r"\(os error (\d+)\)", str(cause))
    return int(found[1]) if found else None


def _name_in(cause: Exception) -> str | None:
    """The file that an error names; of a copy or a rename, where it goes."""
    names = (getattr(cause, "filename2", None), getattr(cause, "filename", None))
    return next((os.fsdecode(name) for name in names if isinstance(name, str | bytes | os.PathLike)), None)


def _newest(path: Path, staged: Path | None) -> str:
    """Which file an error without a name is of: the one of a folder that was written last, of several one without
    content."""
    found = [(file, file.stat()) for file in staged.rglob("*") if file.is_file()] if staged is not None else []
    file, _ = max(found, key=lambda each: (each[1].st_mtime_ns, not each[1].st_size), default=(path, None))
    return str(file)


def _final_name(name: str, path: Path, staged: Path | None) -> str:
    """The name that a file within `staged` has once that is `path`."""
    if staged is None or not _is_below(name, staged):
        return name
    return str(path) + name[len(str(staged)) :]


def _is_below(name: str, folder: Path | str) -> bool:
    return name == str(folder) or name.startswith(f"{folder}{os.sep}")


def sync(path: Path) -> None:
    """Have the disk hold a file, or a folder's names; nothing where its file system cannot, as for folders on Windows.

    Raises OSError naming the file where the disk fails.
    """
    try:
        descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    except OSError as cause:
        if cause.errno in _CANNOT_SYNC:
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError as cause:
        if cause.errno not in _CANNOT_SYNC:
            raise OSError(cause.errno, os.strerror(cause.errno or 0), str(path)) from cause
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Have the disk hold all files of a folder, and their names, itself last."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            file = Path(parent, name)
            if stat.S_ISREG(file.lstat().st_mode):
                sync(file)
        sync(Path(parent))

"""Files that are files: opening a named pipe would wait for ever, reading a device has no end."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

_KINDS = {
    stat.S_IFDIR: "it is a folder",
    stat.S_IFIFO: "it is a named pipe",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFCHR: "it is a device",
    stat.S_IFBLK: "it is a device",
}


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a regular file to read; raises OSError, at once and saying why, for anything else."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    kind = stat.S_IFMT(os.stat(path).st_mode)
    if kind == stat.S_IFREG:
        number = os.open(path, flags)
        kind = stat.S_IFMT(os.fstat(number).st_mode)  # another may have taken its place in between
        if kind == stat.S_IFREG:
            return os.fdopen(number, "rb")
        os.close(number)
    raise OSError(0, _KINDS.get(kind, "it is not a file"), str(Path(path)))


@contextmanager
def named(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let an OSError that is raised meanwhile name this file: one of reading, unlike one of opening, names none."""
    try:
        yield
    except OSError as cause:
        if cause.filename is not None or cause.errno is None:
            raise
        raise OSError(cause.errno, cause.strerror, str(Path(path))) from cause


def reading_hint(cause: OSError) -> str:
    """What to do about a file that cannot be read."""
    if cause.errno in (errno.EACCES, errno.EPERM):
        return "Check its permissions."
    return "Name a file that holds what is to be read." if cause.errno == 0 else "Check the path."


def read_regular(path: str | os.PathLike[str], most: int) -> bytes:
    """The bytes of a regular file of at most `most`; raises OSError as `open_regular`, and for a larger one."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(0, f"it is larger than {most // 2**20} MiB", str(Path(path)))
        with named(path):
            return file.read(size)  # of `most`, Python would first take that much memory

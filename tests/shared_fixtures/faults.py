"""A disk that fails: the n-th thing that is done to files below a folder ends in an error of the system."""

from __future__ import annotations

import builtins
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class FaultyDisk:
    """Counts what is written below `root`, and fails number `n` with `number`; `failed` says what that was."""

    def __init__(self, root: Path, n: int, number: int) -> None:
        self.root, self.n, self.number = str(root), n, number
        self.count = 0
        self.failed = ""

    def step(self, what: str, path: Any) -> None:
        """One thing that is done to a file."""
        name = os.path.abspath(os.fsdecode(path)) if isinstance(path, str | bytes | os.PathLike) else ""
        if not name.startswith(self.root) or name.endswith(".lock"):  # where there are no locks, work goes on
            return
        self.count += 1
        if self.count == self.n:
            self.failed = f"{what} {name}"
            shown = () if what in ("write", "fsync") else (name,)
            raise OSError(self.number, os.strerror(self.number), *shown)


class _FaultyFile:
    def __init__(self, file: Any, disk: FaultyDisk, path: Any) -> None:
        self._file, self._disk, self._path = file, disk, path

    def write(self, data: Any) -> Any:
        self._disk.step("write", self._path)
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __iter__(self) -> Any:
        return iter(self._file)

    def __enter__(self) -> _FaultyFile:
        self._file.__enter__()
        return self

    def __exit__(self, *about: Any) -> None:
        self._file.__exit__(*about)


@contextmanager
def faulty_disk(root: Path, n: int, number: int, removals: bool = False) -> Iterator[FaultyDisk]:
    """The n-th open, write, sync, rename or new folder below `root` fails, or with `removals` one of these; n=0 only
    counts."""
    disk = FaultyDisk(root, n, number)
    real_open, descriptors = io.open, dict[int, str]()

    def opened(file: Any, mode: str = "r", *args: Any, **more: Any) -> Any:
        if not set(mode) & set("wax+"):
            return real_open(file, mode, *args, **more)
        if isinstance(file, int):
            return _FaultyFile(real_open(file, mode, *args, **more), disk, descriptors.get(file, ""))
        disk.step("open", file)
        found = real_open(file, mode, *args, **more)
        descriptors[found.fileno()] = os.fsdecode(file)
        return _FaultyFile(found, disk, file)

    def open_descriptor(path: Any, flags: int, *args: Any, **more: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            disk.step("open", path)
        found = real_os_open(path, flags, *args, **more)
        descriptors[found] = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        return found

    def fsync(descriptor: int) -> None:
        disk.step("fsync", descriptors.get(descriptor, ""))
        real_fsync(descriptor)

    def counted(name: str) -> Any:
        real = getattr(os, name)

        def call(path: Any, *args: Any, **more: Any) -> Any:
            if name != "mkdir" or not os.path.isdir(path):
                disk.step(name, path)
            return real(path, *args, **more)

        return call

    real_os_open, real_fsync = os.open, os.fsync
    with pytest.MonkeyPatch.context() as patch:
        for name in ("replace", "rename", "mkdir", *(("unlink", "rmdir") if removals else ())):
            patch.setattr(os, name, counted(name))
        patch.setattr(os, "open", open_descriptor)
        patch.setattr(os, "fsync", fsync)
        patch.setattr(io, "open", opened)
        patch.setattr(builtins, "open", opened)
        for module in ("safetensors.torch", "safetensors.numpy"):
            if module in sys.modules:
                patch.setattr(sys.modules[module], "serialize_file", _serialize(disk, sys.modules[module]))
        yield disk


def _serialize(disk: FaultyDisk, module: Any) -> Any:
    from safetensors import SafetensorError

    real = module.serialize_file

    def call(tensors: Any, path: Any, *args: Any, **more: Any) -> Any:
        try:
            disk.step("open", path)
        except OSError as cause:  # as Rust passes it on
            said = f"Error while serializing: I/O error: {cause.strerror} (os error {cause.errno})"
            raise SafetensorError(said) from None
        return real(tensors, path, *args, **more)

    return call

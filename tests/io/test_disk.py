"""What is said where writing fails: the file, by the name that it was to have, and the system's reason."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import SafetensorError

from tlzoo.errors import WriteError
from tlzoo.io.disk import DISK_ERRNOS, sync, sync_tree, write_bytes, write_errors, write_text

OUT = Path("/out/run")
STAGED = Path("/out/.run.part")


def failing(cause: BaseException, path: Path = OUT, staged: Path | None = None, **more: str) -> BaseException:
    with pytest.raises(BaseException) as raised, write_errors(path, staged, **more):  # noqa: PT011
        raise cause
    return raised.value


def system_error(number: int, *names: str) -> OSError:
    return OSError(number, os.strerror(number), *names[:1], *([None, names[1]] if names[1:] else []))


@pytest.mark.parametrize("number", sorted(DISK_ERRNOS))
@pytest.mark.parametrize("made", [system_error, lambda number: SafetensorError(f"I/O error: bad (os error {number})")])
def test_what_a_disk_refuses_is_of_the_file_that_is_written(made: Callable[[int], Exception], number: int):
    error = failing(made(number))
    assert isinstance(error, WriteError)
    assert (error.filename, error.errno, error.strerror) == (str(OUT), number, os.strerror(number))
    assert error.message == f"{OUT} cannot be written: {os.strerror(number)}."


@pytest.mark.parametrize(
    "cause",
    [
        system_error(errno.ENOENT),
        system_error(errno.ENOSPC, "/data/in.csv"),
        system_error(errno.EACCES, "/out/running"),
        SafetensorError("InvalidHeader"),
        SafetensorError("No such file (os error 2)"),
        ValueError(errno.ENOSPC),
        KeyboardInterrupt(),
    ],
)
def test_other_errors_pass_through(cause: BaseException):
    assert failing(cause) is cause


@pytest.mark.parametrize(
    ("names", "file"),
    [
        (["/out/run/a"], "/out/run/a"),
        (["/out/run"], "/out/run"),
        (["/out"], "/out"),
        (["/data/in.csv", "/out/run/copy.csv"], "/out/run/copy.csv"),
        (["/out/.run.part/deep/a"], "/out/run/deep/a"),
        (["/out/.run.part"], "/out/run"),
    ],
)
def test_a_file_has_the_name_that_it_was_to_have(names: list[str], file: str):
    error = failing(system_error(errno.EACCES, *names), staged=STAGED)
    assert isinstance(error, WriteError)
    assert (error.filename, error.errno) == (file, errno.EACCES)


@pytest.mark.parametrize("number", [errno.EEXIST, errno.ENOTEMPTY])
def test_what_is_there_already_is_said(number: int):
    error = failing(system_error(number, str(OUT)), parameter="out")
    assert isinstance(error, WriteError)
    assert (error.errno, error.message, error.parameter) == (errno.EEXIST, "/out/run already exists.", "out")
    assert error.hint == "Remove it, or choose another name."


def test_a_callers_hint_and_parameter_are_kept():
    inner = WriteError("/out/.run.part/a", errno.ENOSPC, hint="Inner.")
    error = failing(inner, staged=STAGED, hint="Outer.", parameter="out")
    assert isinstance(error, WriteError)
    assert (error.filename, error.errno, error.hint, error.parameter) == ("/out/run/a", errno.ENOSPC, "Outer.", "out")
    error = failing(inner, staged=STAGED)
    assert isinstance(error, WriteError)
    assert (error.filename, error.hint) == ("/out/run/a", "Inner.")
    named = WriteError("/out/run/a", errno.ENOSPC)
    assert failing(named, staged=STAGED) is named


def test_an_error_without_a_name_is_of_the_file_that_was_written_last(tmp_path: Path):
    staged = tmp_path / ".run.part"
    (staged / "deep").mkdir(parents=True)
    for place, name in enumerate(("last", "first", "deep/middle")):
        (staged / name).write_text("x")
        os.utime(staged / name, ns=(0, [30, 10, 20][place]))
    error = failing(system_error(errno.ENOSPC), tmp_path / "run", staged)
    assert isinstance(error, WriteError)
    assert error.filename == str(tmp_path / "run" / "last")
    (staged / "empty").touch()
    os.utime(staged / "empty", ns=(0, 30))
    error = failing(system_error(errno.ENOSPC), tmp_path / "run", staged)
    assert isinstance(error, WriteError)
    assert error.filename == str(tmp_path / "run" / "empty")


def test_bytes_and_text_are_written_or_name_their_file(tmp_path: Path):
    write_bytes(tmp_path / "a", b"\0\xff")
    write_text(tmp_path / "b", "é")
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"\0\xff", "é".encode())
    for write in (lambda: write_bytes(tmp_path / "no" / "a", b""), lambda: write_text(tmp_path / "no" / "a", "")):
        with pytest.raises(WriteError, match="No such file") as raised:
            write()
        assert raised.value.filename == str(tmp_path / "no" / "a")


@pytest.mark.needs("linux")
def test_all_of_a_folder_is_synced_itself_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a").write_text("a")
    os.mkfifo(tmp_path / "pipe")
    real, synced = os.fsync, []

    def noted(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    sync_tree(tmp_path)
    assert synced == [str(path) for path in (tmp_path / "deep" / "a", tmp_path / "deep", tmp_path)]


@pytest.mark.needs("linux")
def test_a_disk_that_fails_a_sync_is_named_and_no_descriptor_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, "x")

    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output error") as raised:
        sync(tmp_path)
    assert raised.value.filename == str(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "gone")
    assert len(os.listdir("/proc/self/fd")) == before

"""Only regular files are opened, and only those that are not too large are read whole."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from tlzoo.io.regular import open_regular, read_regular, reading_hint


def test_a_regular_file_is_opened_to_read_its_bytes(tmp_path: Path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"\r\n\x1a\0")
    for given in (path, str(path)):
        with open_regular(given) as file:
            assert file.read() == b"\r\n\x1a\0"
            assert not file.writable()
            assert not os.get_inheritable(file.fileno())


def test_a_folder_a_pipe_and_a_device_are_refused_by_what_they_are(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for path, what in (
        (tmp_path, "it is a folder"),
        (tmp_path / "pipe", "it is a named pipe"),
        (Path("/dev/null"), "it is a device"),
    ):
        with pytest.raises(OSError, match=what) as refused:
            open_regular(path)
        assert (refused.value.errno, refused.value.strerror, refused.value.filename) == (0, what, str(path))


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket has at most 107 bytes
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("here")
        with pytest.raises(OSError, match="it is a socket"):
            open_regular("here")


def test_a_missing_file_is_missing(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")


@pytest.mark.needs("linux")
def test_what_is_refused_stays_not_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.bin"
    path.write_bytes(b"a")
    opened: list[int] = []

    def swapped(given: str, flags: int) -> int:
        """Another has put a pipe in the file's place."""
        os.unlink(given)
        os.mkfifo(given)
        opened.append(really(given, flags))
        return opened[-1]

    really = os.open
    monkeypatch.setattr(os, "open", swapped)
    with pytest.raises(OSError, match="it is a named pipe"):
        open_regular(path)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])


def test_a_file_of_the_most_bytes_is_read_and_one_larger_is_not(tmp_path: Path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc")
    assert read_regular(path, 3) == b"abc"
    assert read_regular(path, 4) == b"abc"
    with pytest.raises(OSError, match="it is larger than 0 MiB") as refused:
        read_regular(path, 2)
    assert (refused.value.errno, refused.value.filename) == (0, str(path))
    path.write_bytes(bytes(2 * 2**20 + 1))
    with pytest.raises(OSError, match="it is larger than 2 MiB"):
        read_regular(path, 2 * 2**20)


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.EACCES, "Check its permissions."),
        (errno.EPERM, "Check its permissions."),
        (0, "Name a file that holds what is to be read."),
        (errno.ENOENT, "Check the path."),
    ],
)
def test_a_hint_says_what_to_do(number: int, hint: str):
    assert reading_hint(OSError(number, "it")) == hint

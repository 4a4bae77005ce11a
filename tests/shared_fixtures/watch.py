"""What a process writes, starts, looks up and reaches where it must not: Python's audit events while a test looks."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PATHS = {
    "os.chmod": (0,),
    "os.chown": (0,),
    "os.link": (0, 1),
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.rmdir": (0,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "sqlite3.connect": (0,),
}
_PROGRAMS = ("os.exec", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn", "subprocess.Popen")
_EVENTS = frozenset(("open", "socket.connect", "socket.getaddrinfo", *_PATHS, *_PROGRAMS))
_ACCEPTED = ("/dev/null", "/dev/tty", "/proc/", "/tmp/torchinductor_")
"""The last is torch's own, of the process that imported it."""


@dataclass
class Watch:
    """Below `folders` may be written, below `guarded` nothing may even be opened; `ports` of this machine may be asked.

    `events` says what else was done, in order.
    """

    folders: tuple[str, ...]
    guarded: str
    ports: set[int] = field(default_factory=set)
    events: list[str] = field(default_factory=list)
    note: Callable[[str], object] | None = None

    def see(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Keep an audit event, if it is of those."""
        if event == "open":
            path, mode, flags = arguments
            writes = bool(set(mode or "") & set("wax+")) if isinstance(mode, str) else bool((flags or 0) & _WRITING)
            self._path("write" if writes else "read", path)
        elif event in _PATHS:
            for at in _PATHS[event]:
                self._path(event, arguments[at], arguments[-1])
        elif event in _PROGRAMS:
            started = arguments[1] if event == "subprocess.Popen" else arguments[0]
            program = str(started if isinstance(started, str | bytes | os.PathLike) else next(iter(started), ""))
            if event != "subprocess.Popen" or program != sys.executable:
                self._keep(f"{event} {started!r}")
        elif event == "socket.connect":
            address = arguments[1]
            if not (isinstance(address, tuple) and address[0] in ("127.0.0.1", "::1") and address[1] in self.ports):
                self._keep(f"{event} {address!r}")
        elif event == "socket.getaddrinfo" and arguments[0] not in ("localhost", "127.0.0.1", b"localhost", None):
            self._keep(f"{event} {arguments[0]!r}")

    def _path(self, what: str, path: Any, folder: Any = -1) -> None:
        """A path, which may be relative to the folder of a descriptor."""
        if not isinstance(path, str | bytes | os.PathLike):
            return
        above = os.readlink(f"/proc/self/fd/{folder}") if isinstance(folder, int) and folder >= 0 else os.getcwd()
        place = os.path.normpath(os.path.join(above, os.fsdecode(path)))
        if place.startswith(self.guarded) or (
            what != "read" and not place.startswith((*self.folders, *_ACCEPTED)) and "__pycache__" not in place
        ):
            self._keep(f"{what} {place!r}")

    def _keep(self, what: str) -> None:
        self.events.append(what)
        if self.note is not None:
            self.note(what)


_watches: list[Watch] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _EVENTS:  # first: there are millions of others
        for watch in tuple(_watches):
            watch.see(event, arguments)


def install(watch: Watch) -> None:
    """Look on until the process ends."""
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_hook)
    _watches.append(watch)


_installed: list[bool] = []


@contextmanager
def watching(watch: Watch) -> Iterator[Watch]:
    """Look on for a while."""
    install(watch)
    try:
        yield watch
    finally:
        _watches.remove(watch)


def code_for_child(watch: Watch, log: Path) -> str:
    """What a child runs first so that it writes such events down in a file."""
    return f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from shared_fixtures import watch
log = os.open({str(log)!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
note = lambda said: os.write(log, (said + chr(10)).encode("utf-8", "backslashreplace"))
watch.install(watch.Watch({watch.folders!r}, {watch.guarded!r}, {watch.ports!r}, note=note))
"""


@pytest.fixture
def watch(tmp_path: Path, once: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Looks on during the test, which may write below `tmp_path`, and not even read `outside/secret` there."""
    for name in ("outside", "temporary"):
        (tmp_path / name).mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    folders = (str(tmp_path), str(once.folder), sys.pycache_prefix or "/__pycache__")
    with watching(Watch(folders, str(tmp_path / "outside"))) as made:
        yield made

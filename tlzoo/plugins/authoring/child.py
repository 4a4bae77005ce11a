"""Run a program that may hang, talk without end or die: bounded in time and in output, nothing of it left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

MAX_OUTPUT = 8 << 20


@dataclass(frozen=True)
class Ended:
    """How it ended: `fault` in a few words, empty for exit code 0; `out` is its stdout, `last` its last stderr line."""

    fault: str
    out: str
    last: str


def run(command: Sequence[str], timeout: float, environment: Mapping[str, str]) -> Ended:
    """Run it to its end, or kill it and what it started after `timeout` seconds or `MAX_OUTPUT` bytes of a stream."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=os.name == "posix",
    ) as process:
        out, err = _Stream(process.stdout, process), _Stream(process.stderr, process)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            fault = f"it was not done after {timeout:g} s"
        else:
            fault = _fault(process.returncode)
        finally:
            _kill(process)
        for stream in (out, err):  # their ends are there at once, but where something left behind holds them open
            stream.thread.join(1)
    if out.overflowed or err.overflowed:
        fault = f"it wrote more than {MAX_OUTPUT >> 20} MiB"
    lines = err.text.strip().splitlines()
    return Ended(fault, out.text, lines[-1].strip() if lines else "")


class _Stream:
    """Reads a pipe in a thread; of an endless one it keeps the start and ends the process."""

    def __init__(self, pipe: IO[bytes] | None, process: subprocess.Popen[bytes]) -> None:
        self.kept = bytearray()
        self.overflowed = False
        self.thread = threading.Thread(target=self._read, args=(pipe, process), daemon=True)
        self.thread.start()

    def _read(self, pipe: IO[bytes] | None, process: subprocess.Popen[bytes]) -> None:
        with suppress(OSError, ValueError):  # closed from outside, where a grandchild keeps it open
            while pipe and (block := os.read(pipe.fileno(), 1 << 16)):
                self.kept += block
                if len(self.kept) > MAX_OUTPUT:
                    self.overflowed = True
                    _kill(process)
                    return

    @property
    def text(self) -> str:
        return self.kept.decode("utf-8", errors="replace")


def _fault(code: int) -> str:
    if code >= 0:
        return f"it ended with exit code {code}" if code else ""
    try:
        return f"it was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was ended by signal {-code}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and its group, should one of them still run."""
    try:
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return

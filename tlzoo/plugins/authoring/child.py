"""Call a function in a process that may hang, talk without end or die: limited in time, nothing of it left behind."""

from __future__ import annotations

import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from tlzoo.errors import TlzooError
from tlzoo.io.extras import missing_extra
from tlzoo.io.files import temporary_folder
from tlzoo.plugins.attribution import error_line

HEAVY_LIBRARIES = (
    "jax",
    "onnx",
    "onnxscript",
    "peft",
    "sklearn",
    "tensorflow",
    "timm",
    "torch",
    "torchvision",
    "transformers",
)
"""Libraries that plugins may import in their hooks only."""
_START = f"from {__name__} import main; main()"
Send = Callable[[Mapping[str, Any]], None]


def run_in_child(
    function: str, limit: float, environment: Mapping[str, str], *, block: Sequence[str] = (), **given: Any
) -> Generator[dict[str, Any]]:
    """Call `function(send, **given)`, named as `module:name`, in a process that finds modules where this one does.

    Yields each document that it passes to `send`, at once, and at the end one with `fault` (empty where it returned),
    `hint`, and `imported`: which libraries of `block`, that cannot be imported there, it tried to import, each with its
    place. After `limit` seconds the process and all that it started are killed. What it prints is dropped.
    """
    final: dict[str, Any] = {}
    with tempfile.TemporaryFile() as order, temporary_folder() as scratch:  # gone with it, however the child ends
        order.write(json.dumps({"function": function, "block": block, "given": given}).encode())
        order.seek(0)
        path = os.pathsep.join(filter(None, sys.path))
        with subprocess.Popen(
            [sys.executable, "-P", "-c", _START],
            stdin=order,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(scratch), **environment},
            bufsize=0,  # closing a buffered pipe would wait for the thread that reads it
            start_new_session=os.name == "posix",
        ) as process:
            lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
            last: deque[bytes] = deque(maxlen=2)
            readers = [_reader(process.stdout, lines.put, by_line=True), _reader(process.stderr, last.append)]
            deadline = time.monotonic() + limit
            try:
                while not final and (line := lines.get(timeout=max(0.0, deadline - time.monotonic()))):
                    document = json.loads(line)
                    if "fault" in document:
                        final = document
                    else:
                        yield document
                fault = _fault(process.wait(max(0.0, deadline - time.monotonic())))
            except (queue.Empty, subprocess.TimeoutExpired):
                fault = f"it did not finish within {limit:g} s"
            finally:
                _kill(process)
            readers[1].join(1)  # of what a process that got away holds open the end is not waited for
    stderr_lines = b"".join(last).decode(errors="replace").strip().splitlines()
    yield final or {
        "fault": f"{fault}: {stderr_lines[-1].strip()[:300]}" if stderr_lines else fault,
        "hint": "",
        "imported": None,
    }


def _reader(pipe: IO[bytes] | None, put: Callable[[bytes], None], *, by_line: bool = False) -> threading.Thread:
    """A thread that puts what comes out of a pipe, and an empty end."""

    def read() -> None:
        with suppress(OSError, ValueError), open(pipe.fileno() if pipe else -1, "rb", closefd=False) as stream:
            for block in iter(stream.readline if by_line else partial(stream.read1, 1 << 16), b""):
                put(block)
        put(b"")

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _fault(code: int) -> str:
    if code >= 0:
        return f"the process ended with exit code {code} before it finished"
    with suppress(ValueError):
        return f"the process was killed by {signal.Signals(-code).name}"
    return f"the process was killed by signal {-code}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and its group, should one of them still run."""
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


class ImportBlocker(MetaPathFinder, Loader):
    """Fails the import of libraries by name and notes the places that asked; looking for them is allowed."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names, self.places = frozenset(names), dict[str, str]()

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """A module that cannot be made, in place of those blocked."""
        return ModuleSpec(fullname, self) if fullname.partition(".")[0] in self._names else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Refuse."""
        frame = sys._getframe()
        while frame.f_back and (frame.f_code.co_filename.startswith("<frozen") or frame.f_globals is globals()):
            frame = frame.f_back
        file = Path(frame.f_code.co_filename)
        place = f"{spec.name}, at {file.parent.name}/{file.name} line {frame.f_lineno}"
        self.places.setdefault(spec.name.partition(".")[0], place)
        raise ModuleNotFoundError(f"No module named {spec.name!r}: it is blocked in this process", name=spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Never reached: the module is never made."""


def main() -> None:
    """The other process: call what stands on stdin, and write what it tells to stdout, which nobody else can."""
    order = json.load(sys.stdin)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def send(document: Mapping[str, Any]) -> None:
        answers.write(json.dumps(document) + "\n")
        answers.flush()

    blocker, fault, hint = ImportBlocker(order["block"]), "", ""
    sys.meta_path.insert(0, blocker)
    module, _, name = order["function"].partition(":")
    try:
        getattr(importlib.import_module(module), name)(send, **order["given"])
    except BaseException as cause:  # noqa: BLE001 - the parent reports it
        error = missing_extra(cause) or cause
        fault, hint = (error.message, error.hint) if isinstance(error, TlzooError) else (error_line(error), "")
    send({"fault": fault, "hint": hint, "imported": list(blocker.places.values())})
    os._exit(0)  # what the plugin left running is not waited for

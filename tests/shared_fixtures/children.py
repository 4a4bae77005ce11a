"""Real processes of `tlzoo` that start at once: children of a process that has only imported what they need."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SERVER = """
import json, os, resource, signal, sys

import onnx, onnxruntime, timm, tokenizers, torch, torch.onnx, torchvision, transformers
import tlzoo.cli, tlzoo.exporting, tlzoo.workflows.adapt, tlzoo.workflows.evaluate, tlzoo.workflows.export
import tlzoo.workflows.finetune, tlzoo.workflows.train
from tlzoo.io import stops

def run(asked):
    os.setsid()
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["cwd"])
    for number in stops.NUMBERS:
        signal.signal(number, signal.SIG_DFL)
    for number, name in (1, "out"), (2, "err"):
        file = os.open(os.path.join(asked["streams"], name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    exec(asked["before"], {})
    code = tlzoo.cli.main(asked["arguments"])
    sys.stdout.flush()
    sys.stderr.flush()
    return code

for line in sys.stdin:
    asked = json.loads(line)
    if "wait" in asked:
        _, status, used = os.wait4(asked["wait"], 0)
        answer = [os.waitstatus_to_exitcode(status), used.ru_maxrss / 1024, used.ru_utime + used.ru_stime]
    elif answer := os.fork():
        pass
    else:
        code = 70
        try:
            code = run(asked)
        except SystemExit as stop:
            code = stop.code
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(code or 0)
    print(json.dumps(answer), flush=True)
"""


STREAMS = ("out", "err")


@dataclass
class Child:
    """A started command; `end` waits for it."""

    server: Server
    pid: int
    streams: Path

    def send(self, number: int) -> None:
        """Send a signal to the process alone, as `kill PID` does; one that has ended does not mind."""
        os.kill(self.pid, number)

    def end(self) -> Ended:
        """Wait for its end."""
        code, megabytes, seconds = self.server.ask({"wait": self.pid})
        out, err = ((self.streams / name).read_text() for name in STREAMS)
        shutil.rmtree(self.streams)
        return Ended(code, out, err, megabytes, seconds)


@dataclass(frozen=True)
class Ended:
    """What became of a command: exit code (negative: a signal's number), output, most memory, processor time."""

    code: int
    out: str
    err: str
    megabytes: float
    seconds: float


class Server:
    """Forks a child for each command."""

    def __init__(self) -> None:
        line = [sys.executable, "-c", SERVER]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def ask(self, asked: dict[str, Any]) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def start(
        self, *arguments: object, environment: dict[str, str] | None = None, cwd: Path | None = None, before: str = ""
    ) -> Child:
        """Start `tlzoo` with these arguments and nothing on stdin; `before` is code that its process runs first."""
        streams = Path(tempfile.mkdtemp(prefix="tlzoo-test-"))
        for name in STREAMS:
            (streams / name).touch()  # a kill may come before the process opens them
        asked = {
            "arguments": [str(argument) for argument in arguments],
            "environment": {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
            "cwd": str(cwd or Path.cwd()),
            "streams": str(streams),
            "before": before,
        }
        return Child(self, self.ask(asked), streams)


@pytest.fixture(scope="session")
def _server() -> Iterator[Server]:
    server = Server()
    yield server
    server.process.kill()
    server.process.communicate()


@pytest.fixture
def children(_server: Server, zoo: Any) -> Server:
    """Starts `tlzoo` in processes of their own on the zoo: `children.start("inspect", file).end()`."""
    return _server

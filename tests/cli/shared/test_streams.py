"""A stdout or stderr that leads to a full disk ends a command with exit code 2; a closed pipe with 141, as ever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tlzoo import progress

FULL = Path("/dev/full")
pytestmark = pytest.mark.needs("/dev/full")


def run(*arguments: str, out: str = os.devnull, err: str | None = None, unbuffered: str = "") -> tuple[int, str]:
    """The exit code and stderr of `tlzoo` with its streams in these files."""
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open(out, "w") as stdout, open(err or os.devnull, "w") as stderr:
        done = subprocess.run(
            [sys.executable, "-m", "tlzoo", *arguments],
            stdout=stdout,
            stderr=stderr if err else subprocess.PIPE,
            env=environment,
            text=True,
        )
    return done.returncode, done.stderr or ""


LINES = [("models", ""), ("models --json", "1"), ("cache list --json", ""), ("--help", "1")]


@pytest.mark.parametrize(("line", "unbuffered"), LINES)
def test_a_full_stdout_is_named(zoo: object, line: str, unbuffered: str) -> None:
    code, err = run(*line.split(), out=str(FULL), unbuffered=unbuffered)
    assert code == 2
    assert err.endswith("Error: stdout: No space left on device. Check the disk space and permissions.\n")
    assert "Traceback" not in err


@pytest.mark.parametrize(("out", "unbuffered"), [(os.devnull, ""), (str(FULL), "1")])
def test_an_error_that_cannot_be_printed_is_still_one(zoo: object, out: str, unbuffered: str) -> None:
    assert run("models", "show", "nope/nothing", out=out, err=str(FULL), unbuffered=unbuffered)[0] == 2


def test_a_line_of_progress_that_is_lost_stops_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    with FULL.open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        progress.say("working")
        monkeypatch.undo()
        stream_was_lost = progress.lines_lost()
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    assert stream_was_lost
    assert not progress.lines_lost()


def test_a_closed_pipe_is_no_error(zoo: object) -> None:
    line = f"{sys.executable} -m tlzoo models --json | head -c 1 > /dev/null; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], stderr=subprocess.PIPE, text=True)
    assert done.returncode in (0, 141)  # all of it may fit into the pipe
    assert "Error" not in done.stderr


@pytest.mark.parametrize("line", ["models", "models --json", "cache list --json", "inspect x.onnx"])
def test_an_answer_for_a_closed_stdout_is_an_error(zoo: object, line: str) -> None:
    done = subprocess.run(
        f"exec {sys.executable} -m tlzoo {line} >&-", shell=True, stderr=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 2
    assert "Standard output is closed" in done.stderr


def test_what_is_printed_while_the_program_ends_is_not_of_the_answer(zoo: object) -> None:
    late = "atexit.register(lambda: (print('late'), os.write(1, b'later')))"
    code = (
        "import atexit, os, sys, tlzoo.cli as cli\nmain = cli.main\n"
        f"cli.main = lambda: ({late}, main())[1]\nsys.argv = ['tlzoo', 'models', '--json']\ncli.program()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    json.loads(done.stdout)
    assert "later" in done.stderr

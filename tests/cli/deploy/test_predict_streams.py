"""`tlzoo predict` on streams and files of every sort: devices, pipes, a closed stdin, a terminal that is not UTF-8."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
ENDLESS = pytest.mark.needs("/dev/zero")


@pytest.fixture
def child(zoo: Any) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Runs `tlzoo predict` in a child with at most 6 GiB of memory."""

    def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, **zoo.environment, "OMP_NUM_THREADS": "1", **options.pop("env", {})}
        line = [sys.executable, "-m", "tlzoo", "predict", *map(str, arguments)]
        return subprocess.run(line, env=environment, capture_output=True, check=False, timeout=120, **options)

    return run


@pytest.mark.parametrize("ending", [".txt", ".csv", ".jsonl", ".tsv", ".parquet"])
@ENDLESS
def test_a_device_is_no_table_and_no_text(command: Command, text_file: Any, tmp_path: Path, ending: str):
    (tmp_path / f"inputs{ending}").symlink_to("/dev/zero")
    done = command("predict", text_file.path, tmp_path / f"inputs{ending}")
    assert done.code == 2
    assert "it is a device" in done.err


@pytest.mark.needs("mkfifo")
@pytest.mark.parametrize("ending", [".txt", ".csv", ".jsonl", ".parquet"])
def test_a_named_pipe_is_refused_at_once(command: Command, text_file: Any, tmp_path: Path, ending: str):
    os.mkfifo(tmp_path / f"inputs{ending}")
    done = command("predict", text_file.path, tmp_path / f"inputs{ending}")
    assert done.code == 2
    assert "it is a named pipe" in done.err
    labelled = command("evaluate", text_file.path, tmp_path / f"inputs{ending}") if ending != ".txt" else done
    assert "it is a named pipe" in labelled.err


@ENDLESS
def test_a_line_without_end_is_refused_in_bounded_memory(child: Callable[..., Any], text_file: Any):
    with Path("/dev/zero").open("rb") as endless:
        done = child(text_file.path, "-", stdin=endless)
    assert done.returncode == 2
    assert b"67,108,864 characters in line 1" in done.stderr


def test_a_closed_stdin_is_an_error_that_says_so(child: Callable[..., Any], text_file: Any):
    done = child(text_file.path, "-", preexec_fn=lambda: os.close(0))
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Standard input is closed" in done.stderr


def test_bytes_on_stdin_that_are_no_text_are_counted(child: Callable[..., Any], text_file: Any):
    done = child(text_file.path, "-", input=b"a great film\n\xff\xfe\n", env={"PYTHONUTF8": "1"})
    assert done.returncode == 0
    assert b"1 of 2 inputs could not be read" in done.stderr


@pytest.mark.parametrize("form", ["--json", "--jsonl", None])
def test_names_that_stdout_cannot_hold_are_escaped(
    child: Callable[..., Any], picture_file: Any, pictures: Path, tmp_path: Path, form: str | None
):
    for name in ("\u00fc.png", os.fsdecode(b"\xff.png")):
        shutil.copy(pictures / "red" / "000.png", tmp_path / name)
    done = child(picture_file.path, tmp_path, *([form] if form else []), env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    if form is None:
        assert rb"\xfc.png" in done.stdout
        return
    lines = done.stdout.decode("ascii")
    rows = json.loads(lines)["predictions"] if form == "--json" else [json.loads(line) for line in lines.splitlines()]
    assert [Path(row["input"]).name for row in rows] == ["\u00fc.png", "\udcff.png"]

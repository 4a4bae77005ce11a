"""One process at a time writes an output: the other says who writes it, and a killed process holds nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import tlzoo
from tlzoo.errors import ExportError, RunError
from tlzoo.io.locks import output_lock
from tlzoo.runs.paths import unfinished_dir

HOLD = """
import sys
from pathlib import Path
from tlzoo.errors import RunError
from tlzoo.io.locks import output_lock
with output_lock(Path(sys.argv[1]), RunError):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def writing(out: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that writes this output for as long as the block lasts."""
    command = [sys.executable, "-c", HOLD, str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_who_writes_is_named_and_a_killed_process_writes_no_more(tmp_path: Path) -> None:
    with writing(tmp_path / "out") as other:
        with pytest.raises(RunError, match=rf"out is being written by process {other.pid} on .+ since 2\d\d\d-"):
            output_lock(tmp_path / "out", RunError).__enter__()
        assert [path.name for path in tmp_path.iterdir()] == [".out.lock"]
        other.send_signal(signal.SIGKILL)
        other.wait()
        with output_lock(tmp_path / "out", RunError):
            pass
    assert list(tmp_path.iterdir()) == []


def test_where_there_are_no_locks_the_output_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import filelock

    def none(*_: Any, **__: Any) -> Any:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(filelock, "FileLock", none)
    with output_lock(tmp_path / "out", RunError), output_lock(tmp_path / "out", RunError):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_run_being_written_is_refused(zoo: Any, pictures: Path, tmp_path: Path) -> None:
    with writing(tmp_path / "run"), pytest.raises(RunError, match="run is being written by process"):
        tlzoo.finetune("vision/test-resnet", pictures, out=tmp_path / "run")
    assert not unfinished_dir(tmp_path / "run").exists()


def test_an_adapted_run_being_written_is_refused(picture_run: Any, pictures: Path, tmp_path: Path) -> None:
    with writing(tmp_path / "run"), pytest.raises(RunError, match="run is being written by process"):
        tlzoo.adapt(picture_run, pictures, out=tmp_path / "run")


@pytest.mark.parametrize("format", ["onnx", "triton"])
def test_an_export_being_written_is_refused(picture_run: Any, tmp_path: Path, format: str) -> None:
    with writing(tmp_path / "out"), pytest.raises(ExportError, match="out is being written by process"):
        tlzoo.export(picture_run, tmp_path / "out", format=format)


@pytest.mark.parametrize("resume", [[], ["--resume"]])
def test_predictions_being_written_are_refused(
    command: Callable[..., Any], picture_file: Any, pictures: Path, tmp_path: Path, resume: list[str]
) -> None:
    out = tmp_path / "out.csv"
    (tmp_path / "out.csv.part").write_text("theirs")
    with writing(out) as other:
        done = command("predict", picture_file.path, pictures / "red", "--out", out, *resume)
    assert (done.code, done.out) == (2, "")
    assert f"out.csv is being written by process {other.pid} " in done.err
    assert "another --out" in done.err
    assert (tmp_path / "out.csv.part").read_text() == "theirs"

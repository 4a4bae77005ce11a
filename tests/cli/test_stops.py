"""Signals in real processes: one line says what was stopped, what is whole and how to go on, with the right code."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tlzoo
from tlzoo.io import stops
from tlzoo.plugins.containment import guard_workflow

Start = Callable[..., "subprocess.Popen[str]"]
HANGING = """
import signal, sys, time
from tlzoo.cli import main
{patch}
sys.exit(main(sys.argv[1:]))
"""
IN_THE_EXPORTER = """
import torch

def export(*given, **options):
    try:
        print("EXPORTING", file=sys.stderr, flush=True)
        time.sleep(60)
    except BaseException as cause:
        raise torch.onnx.errors.OnnxExporterError("it failed") from cause

torch.onnx.export = export
"""
"""torch's exporter makes an error of its own of whatever is raised in it."""
DEAF = """
import tlzoo.workflows.evaluate as workflow

def evaluate(*given, **options):
    said = "EVALUATING"
    while True:
        try:
            print(said, file=sys.stderr, flush=True)
            time.sleep(60)
        except BaseException:
            said = "DEAF"

workflow.evaluate = evaluate
"""


@pytest.fixture
def start(zoo: Any) -> Iterator[Start]:
    """Starts `tlzoo` in a child of its own, in which `patch` was run."""
    children: list[subprocess.Popen[str]] = []

    def run(*arguments: object, patch: str = "", ignoring: tuple[int, ...] = ()) -> subprocess.Popen[str]:
        def before() -> None:
            for number in stops.NUMBERS:  # a shell's background jobs ignore Ctrl-C, and so do their children
                signal.signal(number, signal.SIG_IGN if number in ignoring else signal.SIG_DFL)

        child = subprocess.Popen(
            [sys.executable, "-c", HANGING.format(patch=patch), *map(str, arguments)],
            env={**os.environ, **zoo.environment, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=before,
        )
        children.append(child)
        return child

    yield run
    for child in children:
        child.kill()
        child.communicate()


def wait_for(child: subprocess.Popen[str], word: str) -> None:
    assert child.stderr is not None
    assert any(word in line for line in child.stderr)


def ended(child: subprocess.Popen[str]) -> tuple[int, str, list[str]]:
    out, err = child.communicate(timeout=60)
    return child.returncode, out, err.splitlines()


@pytest.mark.parametrize(
    ("number", "code", "name"),
    [
        (2, 130, "Ctrl-C"),
        (15, 143, "SIGTERM"),
        (1, 129, "SIGHUP"),
    ],
)
@pytest.mark.release
def test_a_signal_in_torchs_exporter_is_a_stop_and_no_error(
    start: Start, text_run: Any, tmp_path: Path, number: int, code: int, name: str
):
    child = start("export", text_run.path, "--out", tmp_path / "model.onnx", patch=IN_THE_EXPORTER)
    wait_for(child, "EXPORTING")
    child.send_signal(number)
    found, out, err = ended(child)
    assert (found, out) == (code, "")
    assert err[-1] == f"Stopped by {name}. {stops.AGAIN}"
    assert "Error" not in "".join(err)
    assert list(tmp_path.iterdir()) == []


def test_a_second_ctrl_c_ends_what_hears_no_first_one(start: Start, text_file: Any, texts: Path):
    child = start("evaluate", text_file.path, texts, patch=DEAF)
    wait_for(child, "EVALUATING")
    child.send_signal(signal.SIGINT)
    wait_for(child, "DEAF")
    child.send_signal(signal.SIGINT)
    assert ended(child)[0] == 130


def test_what_nohup_ignores_stays_ignored(start: Start, text_file: Any, texts: Path):
    child = start("evaluate", text_file.path, texts, "--json", ignoring=(signal.SIGHUP,))
    wait_for(child, "Loading")
    child.send_signal(signal.SIGHUP)
    code, out, _ = ended(child)
    assert code == 0
    assert '"metrics"' in out


def test_predictions_that_are_stopped_say_where_they_are_and_go_on(
    start: Start, command: Any, text_file: Any, tmp_path: Path
):
    table = tmp_path / "many.csv"
    table.write_text("text\n" + "a rather good film\n" * 200_000)
    arguments = ("predict", text_file.path, table, "--out", tmp_path / "out.jsonl", "--batch", 8)
    child = start(*arguments)
    while not (tmp_path / "out.jsonl.part").exists() and child.poll() is None:
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    code, _, err = ended(child)
    assert code == 143
    part = tmp_path / "out.jsonl.part"
    assert (
        err[-1]
        == f"Stopped by SIGTERM. The answers so far are whole: {part}. Go on with the same command and --resume."
    )
    assert not (tmp_path / "out.jsonl").exists()
    table.write_text("text\n" + "a rather good film\n" * max(1, len(part.read_text().splitlines())))
    assert command(*arguments, "--resume", "--quiet").code == 0


@pytest.fixture
def handlers() -> Iterator[None]:
    """The handlers of signals, which a test may change."""
    before = {number: signal.getsignal(number) for number in stops.NUMBERS}
    for number in stops.NUMBERS:
        signal.signal(number, signal.SIG_DFL)
    stops.forget()
    yield
    stops.forget()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_an_interrupt_inside_another_error_is_found():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    stopped = ValueError("of a library")
    stopped.__cause__ = KeyboardInterrupt()
    assert stops.stop_code(stopped) == 130
    assert stops.stop_code(ValueError()) is None
    assert stops.stop_code(SystemExit(3)) is None


def raised(function: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as error:  # noqa: PT011 - whichever it is
        function()
    return error.value


@pytest.mark.needs("posix")
@pytest.mark.usefixtures("handlers")
def test_only_what_a_signals_handler_raises_is_a_stop():
    def ends(number: int, frame: object) -> None:
        raise SystemExit(143)

    for handler in (signal.SIG_DFL, signal.SIG_IGN, ends, functools.partial(ends)):
        signal.signal(signal.SIGTERM, handler)
        assert not stops.is_stop(raised(lambda: sys.exit(143)))
    for handler in (ends, functools.partial(ends)):
        signal.signal(signal.SIGTERM, handler)
        assert stops.is_stop(raised(lambda: signal.raise_signal(signal.SIGTERM)))
    stops.handle_signals()
    assert stops.stop_code(raised(lambda: (_ for _ in ()).throw(KeyboardInterrupt))) is None
    assert stops.is_stop(raised(lambda: signal.raise_signal(signal.SIGTERM)))


@pytest.mark.needs("posix")
@pytest.mark.usefixtures("handlers")
def test_a_program_that_goes_on_after_a_stop_begins_anew():
    stops.notice(signal.SIGINT)
    with guard_workflow():
        assert stops.stop_code(ValueError()) is None
    stops.handle_signals()
    stops.notice(signal.SIGINT)
    with guard_workflow():
        assert stops.stop_code(ValueError()) == 130


def test_a_thread_that_never_ends_is_named_and_the_program_ends():
    code = (
        "import sys, threading; from tlzoo.cli import program; sys.argv[1:] = ['--version'];"
        "threading.Thread(target=threading.Event().wait, name='endless').start(); program()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0
    assert done.stdout.strip() == tlzoo.__version__
    assert "'endless' (threading)" in done.stderr

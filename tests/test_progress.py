"""Progress: a bar on a terminal, plain lines in a log, silence when asked for."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from tlzoo import progress as module
from tlzoo.progress import progress, say, set_quiet


@pytest.fixture(autouse=True)
def loud() -> Iterator[None]:
    """Progress is on before and after each test."""
    set_quiet(False)
    yield
    set_quiet(False)


class Watch:
    """A clock that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


def test_a_log_gets_a_line_every_ten_seconds_with_speed_and_time_left(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    watch = Watch(monkeypatch)
    with progress("Training", 4000) as advance:
        for _ in range(5):
            watch.now += 5
            advance(200, "loss 0.400")
    assert capfd.readouterr().err.splitlines() == [
        "Training: 400/4000 samples, 40/s, 1:30 left, loss 0.400",
        "Training: 800/4000 samples, 40/s, 1:20 left, loss 0.400",
    ]


def test_what_a_resumed_run_did_before_says_nothing_of_its_speed(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    watch = Watch(monkeypatch)
    with progress("Training", 4000, done=3000) as advance:
        watch.now += 10
        advance(100)
    assert capfd.readouterr().err == "Training: 3100/4000 samples, 10/s, 1:30 left\n"


def test_without_a_total_there_is_no_time_left(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    watch = Watch(monkeypatch)
    with progress("Fetching", None, "files") as advance:
        watch.now += 20
        advance(50)
    assert capfd.readouterr().err == "Fetching: 50 files, 2.5/s\n"


def test_short_work_leaves_no_line_in_a_log(capfd: pytest.CaptureFixture[str]):
    with progress("Training", 10) as advance:
        advance(10)
    assert capfd.readouterr() == ("", "")


def test_quiet_silences_lines_and_bars(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    watch = Watch(monkeypatch)
    set_quiet(True)
    with progress("Training", 10) as advance:
        watch.now += 60
        advance(5, "loss 1")
        say("a line")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "0:00"), (73, "1:13"), (3599.6, "1:00:00"), (90061, "25:01:01")])
def test_a_span_is_read_as_a_clock(seconds: float, words: str):
    assert module._duration(seconds) == words


def on_a_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a terminal of this width shows of two nested bars and a line said meanwhile."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    shown: list[bytes] = []
    reading = threading.Thread(target=read_all, args=(ours, shown))
    reading.start()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        with progress("Training", 100) as advance:
            advance(40, "loss 0.400, accuracy 0.900")
            with progress("Measuring on validation", 20) as measured:
                measured(20)
            say("Epoch 1/2: done")
    reading.join()
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", b"".join(shown).decode())


def read_all(terminal: int, shown: list[bytes]) -> None:
    """Read until the other side is closed, which Linux tells by an error."""
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 65536):
            shown.append(piece)


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_shows_a_bar_with_speed_time_left_loss_and_metric(columns: int, monkeypatch: pytest.MonkeyPatch):
    shown = on_a_terminal(columns, monkeypatch)
    assert re.search(r"Training [━╸╺]+ 40/100 samples \S+/s, \S+ left, loss 0.400, accuracy 0.900", shown)
    assert "Measuring on validation" in shown
    assert "Epoch 1/2: done" in shown

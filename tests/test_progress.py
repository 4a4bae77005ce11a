"""Progress: a bar on a terminal, plain lines in a log, silence when asked for."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tlzoo import progress as module
from tlzoo.progress import alive, progress, say, set_quiet, working

EVERY_S = module.EVERY_S


@pytest.fixture(autouse=True)
def loud(monkeypatch: pytest.MonkeyPatch, no_signs_of_life: None) -> Iterator[None]:
    """Progress is on before and after each test, and says something as often as for users."""
    monkeypatch.setattr(module, "EVERY_S", EVERY_S)
    set_quiet(False)
    yield
    set_quiet(False)


class Watch:
    """A clock that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


def without_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what work itself prints: the thread may start to wait after a test has moved the clock, and print, too."""
    monkeypatch.setattr(module._Heartbeat, "_beat", lambda self: None)


def test_no_five_seconds_pass_without_a_sign():
    assert 0 < EVERY_S <= 5


def test_a_log_gets_a_line_every_few_seconds_with_speed_and_time_left(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    watch = Watch(monkeypatch)
    without_heartbeat(monkeypatch)
    with progress("Training", 4000) as advance:
        for _ in range(5):
            watch.now += EVERY_S / 2
            advance(80, "loss 0.400")
    assert capfd.readouterr().err.splitlines() == [
        "Training: 160/4000 samples, 40/s, 1:36 left, loss 0.400",
        "Training: 320/4000 samples, 40/s, 1:32 left, loss 0.400",
    ]


def test_what_a_resumed_run_did_before_says_nothing_of_its_speed(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    watch = Watch(monkeypatch)
    without_heartbeat(monkeypatch)
    with progress("Training", 4000, done=3000) as advance:
        watch.now += 10
        advance(100)
    assert capfd.readouterr().err == "Training: 3100/4000 samples, 10/s, 1:30 left\n"


def test_without_a_total_there_is_no_time_left(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    watch = Watch(monkeypatch)
    without_heartbeat(monkeypatch)
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


class Captured(io.StringIO):
    """A stderr that says when it holds enough lines."""

    def __init__(self, enough: int) -> None:
        super().__init__()
        self.enough, self.there = enough, threading.Event()

    def write(self, text: str) -> int:
        """As of any stream."""
        written = super().write(text)
        if self.getvalue().count("\n") >= self.enough:
            self.there.set()
        return written

    def lines(self) -> list[str]:
        """What was printed."""
        return self.getvalue().splitlines()

    def wait_for_more(self, count: int = 2) -> None:
        """Until so many more lines were printed."""
        self.there.clear()
        self.enough = self.getvalue().count("\n") + count
        assert self.there.wait(20)


@pytest.fixture
def beating(monkeypatch: pytest.MonkeyPatch) -> Captured:
    """Silent work is named every few milliseconds."""
    stream = Captured(2)
    monkeypatch.setattr(module, "EVERY_S", 0.002)
    monkeypatch.setattr(module, "sys", SimpleNamespace(stderr=stream))  # pytest sets the true one before each test
    return stream


def beats() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "tlzoo-heartbeat"]


def test_silent_work_is_named_with_its_time_by_a_thread_that_ends_with_it(
    capfd: pytest.CaptureFixture[str], beating: Captured
):
    with working("Exporting the graph"):
        beating.wait_for_more()
        assert len(beats()) == 1
    assert all(re.fullmatch(r"Exporting the graph: \d+ s", line) for line in beating.lines())
    assert beats() == []
    assert capfd.readouterr().out == ""


def test_the_time_is_that_since_it_began(beating: Captured, monkeypatch: pytest.MonkeyPatch):
    watch = Watch(monkeypatch)
    monkeypatch.setattr(module, "EVERY_S", 0.0)
    with working("Exporting the graph"):
        watch.now += 15
        beating.wait_for_more()
    assert beating.lines()[-1] == "Exporting the graph: 15 s"


def test_progress_that_does_not_advance_says_where_it_is(beating: Captured):
    with progress("Training", 40) as advance:
        beating.wait_for_more()
        assert re.fullmatch(r"Training: 0/40 samples, \d+ s", beating.lines()[0])
        advance(10, "loss 0.4")
        beating.wait_for_more()
    assert re.fullmatch(r"Training: 10/40 samples, \S+/s, \S+ left, loss 0.4", beating.lines()[-1])


def test_of_steps_in_each_other_the_innermost_is_named(beating: Captured):
    with progress("Training", 40):
        with working("Looking for the frozen part") as rename:
            beating.wait_for_more()
            assert beating.lines()[-1].startswith("Looking for the frozen part: ")
            rename("Computing \x1b[31mit")
            beating.wait_for_more(3)
            assert beating.lines()[-1].startswith(r"Computing \x1b[31mit: ")
        beating.wait_for_more(3)
        assert beating.lines()[-1].startswith("Training: 0/40")
    assert beats() == []


def test_quiet_work_is_not_named(beating: Captured):
    set_quiet(True)
    with working("Exporting the graph"):
        assert not beating.there.wait(0.05)
    assert beating.getvalue() == ""


def test_what_is_printed_otherwise_is_a_sign_of_life_too(beating: Captured, monkeypatch: pytest.MonkeyPatch):
    watch = Watch(monkeypatch)
    monkeypatch.setattr(module, "EVERY_S", EVERY_S)
    with working("Predicting"):
        for _ in range(3):
            watch.now += 0.9 * EVERY_S
            assert not module._heartbeat.due()
            alive()
        say("a line")
        watch.now += 0.9 * EVERY_S
        assert not module._heartbeat.due()
        watch.now += EVERY_S
        assert module._heartbeat.due()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_work_that_is_stopped_leaves_no_thread_and_no_line(beating: Captured, error: type[BaseException]):
    def stopped() -> None:
        with working("Exporting the graph"), progress("Proof", 5):
            raise error

    with pytest.raises(error):
        stopped()
    assert beats() == []
    after = beating.getvalue()
    with working("Another"):
        beating.wait_for_more()
    assert "Exporting" not in beating.getvalue().removeprefix(after)


def test_threads_that_work_at_once_share_one_and_a_stream_that_is_closed_ends_nothing(beating: Captured):
    done = threading.Event()

    def other() -> None:
        with working("Extracting features"):
            done.wait(60)

    thread = threading.Thread(target=other)
    with working("Building the network"):
        thread.start()
        beating.wait_for_more()
        assert len(beats()) == 1
        beating.close()
    done.set()
    thread.join()
    assert beats() == []

"""Stop signals: the current step is finished and saved first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tlzoo.io.stops import NUMBERS, notice, raise_stop


class StopSignal:
    """Whether Ctrl-C, SIGTERM or SIGHUP was received. A second one stops at once."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        notice(number)
        if self.signal is not None:
            self.exit()
        self.signal = number

    def exit(self) -> None:
        """Raise KeyboardInterrupt, or SystemExit with the signal's exit code."""
        if self.signal is not None:
            raise_stop(self.signal)


@contextmanager
def catch_stop_signals() -> Iterator[StopSignal]:
    """Catch this process's stop signals inside the block; in the main thread only."""
    stop = StopSignal()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    heeded = [number for number in NUMBERS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop.handle) for number in heeded}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

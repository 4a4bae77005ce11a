"""Stops that a user asks for, by Ctrl-C, SIGTERM or SIGHUP: known wherever they fall, and said in one line.

What a signal raises may come out as another error, as torch's exporter makes one of it. A second signal ends the
process at once; what it was writing is a temporary file still.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

NUMBERS = tuple(number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)))
"""Of the signals that stop tlzoo those that this system has."""
CODES = {128 + number: "Ctrl-C" if number == signal.SIGINT else number.name for number in NUMBERS}
"""The exit code of each, and what stopped a command that ends with it."""
AGAIN = "Nothing was written. Run the same command again."


class _Stops:
    """What has happened in this process."""

    received: int | None = None
    note = ""


def forget() -> None:
    """Begin anew, as each command does."""
    _Stops.received, _Stops.note = None, ""


def forget_earlier() -> None:
    """Begin anew in a program of one's own, which may go on after a stop, as a notebook does."""
    if _handle not in map(signal.getsignal, NUMBERS):
        forget()


def handle_signals() -> None:
    """Have the signals raise, but those that whoever started this process has it ignore, as nohup does."""
    for number in NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)


def _handle(number: int, frame: FrameType | None) -> None:
    if _Stops.received is not None:
        os._exit(128 + number)
    notice(number)
    raise_stop(number)


def notice(number: int) -> None:
    """Remember that this signal came."""
    _Stops.received = number


def raise_stop(number: int) -> None:
    """Raise KeyboardInterrupt for Ctrl-C, else SystemExit with the signal's exit code."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt(_Stops.note) if _Stops.note else KeyboardInterrupt
    raise SystemExit(128 + number)


def stop_code(error: BaseException) -> int | None:
    """The exit code of a stop that an error is, was raised in the course of, or came after; `None` for any other."""
    if _Stops.received is not None:
        return 128 + _Stops.received
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if (code := _own_code(error)) is not None:
            return code
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return None


def is_stop(error: BaseException) -> bool:
    """Whether an error is what a signal raised: code that raises the same of itself, as a plugin's may, is no stop."""
    return _own_code(error) is not None


def _own_code(error: BaseException) -> int | None:
    if isinstance(error, KeyboardInterrupt):
        code: Any = 128 + signal.SIGINT
    elif isinstance(error, SystemExit) and error.code in CODES:
        code = error.code
    else:
        return None
    return code if _Stops.received is not None or _raised_by_handler(error, code - 128) else None


def _raised_by_handler(error: BaseException, number: int) -> bool:
    """Whether the signal's handler is in the error's trace, as far as that can be told of the handler's kind."""
    handler: Any = signal.getsignal(number)
    if handler in (signal.SIG_DFL, signal.SIG_IGN, None):
        return False
    if handler is signal.default_int_handler:
        return isinstance(error, KeyboardInterrupt)
    function = getattr(handler, "func", handler)  # of a partial
    function = getattr(function, "__func__", function)  # of a method
    code = getattr(function, "__code__", None)
    return code is None or any(frame.f_code is code for frame, _ in traceback.walk_tb(error.__traceback__))


@contextmanager
def if_stopped(note: str | Callable[[], str]) -> Iterator[None]:
    """Keep what is to be said where the block is stopped: what is whole, and how to go on. The innermost counts."""
    try:
        yield
    except BaseException as error:
        if stop_code(error) is not None:
            keep_note(note)
        raise


def keep_note(note: str | Callable[[], str]) -> None:
    """Keep what is to be said of a stop, unless something more exact is known already."""
    if not _Stops.note:
        _Stops.note = note() if callable(note) else note


def say_stopped(code: int) -> int:
    """Say by what a command was stopped and how to go on; its exit code."""
    note = _Stops.note or "Run the same command again."
    print(f"Stopped by {CODES.get(code, 'a signal')}. {note}", file=sys.stderr, flush=True)
    return code

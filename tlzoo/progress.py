"""Progress on stderr: a bar on a terminal, plain lines in a log, nothing when switched off."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

_LINE_EVERY_S = 10.0
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Terminal control characters and lone surrogates; line ends and tabs are allowed."""
_quiet = False


class Advance(Protocol):
    """Reports the number of units just done, and a short note."""

    def __call__(self, done: int, note: str = "", /) -> None:
        """Called after each piece of work."""


def set_quiet(quiet: bool) -> None:
    """Switch all progress off or on again."""
    global _quiet
    _quiet = quiet


def printable(text: str) -> str:
    """The text with terminal control characters replaced: it may come from a registry or a plugin."""
    return _COMMANDS.sub("\N{REPLACEMENT CHARACTER}", text)


def say(line: str) -> None:
    """Print one line to stderr, unless progress is off."""
    if not _quiet:
        print(printable(line), file=sys.stderr, flush=True)


@contextmanager
def progress(what: str, total: int | None, unit: str = "samples", done: int = 0) -> Iterator[Advance]:
    """Show the progress of `what`; call the yielded function with the number of units just done.

    `done` units were done before: they fill the bar but do not count for the speed.
    """
    if _quiet:
        yield lambda done, note="": None
    elif sys.stderr.isatty():
        with _bar(what, total, unit, done) as advance:
            yield advance
    else:
        with _lines(what, total, unit, done) as advance:
            yield advance


@contextmanager
def _bar(what: str, total: int | None, unit: str, before: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20 if console.width >= 100 else 10),
        TextColumn("{task.completed:.0f}/{task.total} " + unit if total else "{task.completed:.0f} " + unit),
        TextColumn("{task.fields[note]}", markup=False),
    )
    began, now = time.monotonic(), before
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=total, completed=before, note="")

        def advance(done: int, note: str = "") -> None:
            nonlocal now
            now += done
            bar.update(task, advance=done, note=_rate_text(now - before, now, total, time.monotonic() - began, note))

        yield advance


@contextmanager
def _lines(what: str, total: int | None, unit: str, before: int) -> Iterator[Advance]:
    done, last, began = before, time.monotonic(), time.monotonic()
    of = f"/{total}" if total else ""

    def advance(more: int, note: str = "") -> None:
        nonlocal done, last
        done += more
        now = time.monotonic()
        if now - last >= _LINE_EVERY_S:
            last = now
            pace = _rate_text(done - before, done, total, now - began, note)
            print(f"{what}: {done}{of} {unit}, {pace}", file=sys.stderr, flush=True)

    yield advance


def _rate_text(new: int, done: int, total: int | None, seconds: float, note: str) -> str:
    """Speed, time left and the note, in this order: `41/s, 1:13 left, loss 0.4`."""
    speed = new / max(1e-9, seconds)
    left = f"{_duration((total - done) / speed)} left" if total and speed else ""
    return ", ".join(filter(None, (f"{speed:.0f}/s" if speed >= 10 else f"{speed:.1f}/s", left, note)))


def _duration(seconds: float) -> str:
    """73 seconds as 1:13."""
    whole = max(0, round(seconds))
    hours = f"{whole // 3600}:{whole // 60 % 60:02}" if whole >= 3600 else str(whole // 60)
    return f"{hours}:{whole % 60:02}"

"""Progress on stderr: a bar on a terminal, plain lines in a log, nothing when switched off."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int], None]
_LINE_EVERY_S = 10.0
_quiet = False


def set_quiet(quiet: bool) -> None:
    """Switch all progress off or on again."""
    global _quiet
    _quiet = quiet


def say(line: str) -> None:
    """One plain line for the person who waits."""
    if not _quiet:
        print(line, file=sys.stderr, flush=True)


@contextmanager
def progress(what: str, total: int | None, unit: str = "samples") -> Iterator[Advance]:
    """Show how far `what` has come; call what this yields with the number of units just done."""
    if _quiet:
        yield lambda done: None
    elif sys.stderr.isatty():
        with _bar(what, total, unit) as advance:
            yield advance
    else:
        with _lines(what, total, unit) as advance:
            yield advance


@contextmanager
def _bar(what: str, total: int | None, unit: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total} " + unit if total else "{task.completed:.0f} " + unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


@contextmanager
def _lines(what: str, total: int | None, unit: str) -> Iterator[Advance]:
    done, last = 0, time.monotonic()
    of = f"/{total}" if total else ""

    def advance(more: int) -> None:
        nonlocal done, last
        done += more
        if time.monotonic() - last >= _LINE_EVERY_S:
            last = time.monotonic()
            print(f"{what}: {done}{of} {unit}", file=sys.stderr, flush=True)

    yield advance

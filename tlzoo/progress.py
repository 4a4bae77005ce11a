"""Progress on stderr: a bar on a terminal, plain lines in a log, nothing when switched off.

Work that goes on without a word for some seconds is named with the time it has taken, by a thread that ends with it.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

EVERY_S = 4.0
"""Seconds after which silent work is named, and a log gets its next line."""
PATIENCE_S = 10.0
"""Seconds after which code of a plugin is named."""
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Terminal control characters and lone surrogates; line ends and tabs are allowed."""
_quiet = False
_spelling: Callable[[str], str] = str
_lost = False


class Advance(Protocol):
    """Reports the number of units just done, and a short note."""

    def __call__(self, done: int, note: str = "", /) -> None:
        """Called after each piece of work."""


def set_quiet(quiet: bool) -> None:
    """Switch all progress off or on again."""
    global _quiet
    _quiet = quiet


def printable(text: str) -> str:
    """The text with terminal control characters escaped: it may come from a registry, a plugin or a file's name."""
    return _COMMANDS.sub(_escaped, text)


def one_line(text: str) -> str:
    """As `printable`, with line ends and tabs escaped, too."""
    return re.sub("[\n\t]", _escaped, printable(text))


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def say(line: str) -> None:
    """Print one line to stderr, unless progress is off."""
    if not _quiet:
        with _heartbeat.spoken():
            _print(one_line(line))


def advise(line: str) -> None:
    """As `say`, of options: arguments between backticks, such as `views=4`, are flags where a command runs."""
    say(_spelling(line))


@contextmanager
def spelled(spelling: Callable[[str], str]) -> Iterator[None]:
    """Spell the options in notes so for a while."""
    global _spelling
    before, _spelling = _spelling, spelling
    try:
        yield
    finally:
        _spelling = before


def _print(line: str) -> None:
    """Print to stderr; a full disk there stops no work, but the command's exit code says that lines were lost."""
    global _lost
    try:
        print(line, file=sys.stderr, flush=True)
    except BrokenPipeError:
        raise
    except OSError:
        _lost = True


def lines_lost() -> bool:
    """Whether stderr took a line no more, since this was last asked."""
    global _lost
    lost, _lost = _lost, False
    return lost


def alive() -> None:
    """Something else was just printed, such as an answer: silent work need not be named yet."""
    with _heartbeat.spoken():
        pass


Line = Callable[[], str | None]
"""The line that says how far some work is; empty where a bar shows it, `None` to leave it to what it is part of."""


class _Heartbeat:
    """What is going on, innermost last, and the thread that names it when nothing was printed for a while."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._lines: list[Line] = []
        self._thread: threading.Thread | None = None
        self._spoke = 0.0

    @contextmanager
    def spoken(self) -> Iterator[None]:
        """While something is printed: nothing else is, and the next sign is due later."""
        with self._changed:
            yield
            self._spoke = time.monotonic()

    def due(self) -> bool:
        """Whether nothing was printed for long enough."""
        return time.monotonic() - self._spoke >= EVERY_S

    @contextmanager
    def during(self, line: Line, alone: bool = True, behind: bool = False) -> Iterator[None]:
        """Name this work for as long as it goes on; without `alone` only if other work is being named, `behind` only if
        none is."""
        with self._changed:
            if not self._lines:
                self._spoke = time.monotonic()
            self._lines.insert(0 if behind else len(self._lines), line)
            if self._thread is None and alone:
                self._thread = threading.Thread(target=self._beat, name="tlzoo-heartbeat", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._lines.remove(line)
                over = self._thread if not self._lines else None
                if over is not None:
                    self._thread = None
                    self._changed.notify_all()
            if over is not None:
                over.join()

    def _beat(self) -> None:
        with self._changed:
            while self._thread is threading.current_thread():
                self._changed.wait(max(0.001, min(EVERY_S, self._spoke + EVERY_S - time.monotonic())))
                if self._thread is not threading.current_thread() or not self.due():
                    continue
                self._spoke = time.monotonic()
                line = next((said for each in reversed(self._lines) if (said := each()) is not None), "")
                if line and not _quiet:
                    with suppress(OSError, ValueError):  # a stream that was closed meanwhile
                        print(line, file=sys.stderr, flush=True)


_heartbeat = _Heartbeat()


@contextmanager
def working(what: str) -> Iterator[Callable[[str], None]]:
    """Name this step, with the seconds it has taken, for as long as nothing else is printed; short ones are not named.

    The function that is yielded changes its name, for a step that turns into another. Steps may lie in each other and
    in `progress`: the innermost is named.
    """
    name, began = one_line(what), time.monotonic()

    def rename(now: str) -> None:
        nonlocal name, began
        name, began = one_line(now), time.monotonic()

    with _heartbeat.during(lambda: f"{name}: {time.monotonic() - began:.0f} s"):
        yield rename


@contextmanager
def overdue(line: Callable[[float], str], alone: bool = True, behind: bool = False) -> Iterator[None]:
    """Within other work: once the block has run for `PATIENCE_S`, `line` of its seconds stands for that work.

    With `alone` it is said outside of other work, too; `behind` it is said only there.
    """
    began = time.monotonic()

    def text() -> str | None:
        seconds = time.monotonic() - began
        return one_line(line(seconds)) if seconds >= PATIENCE_S else None

    with _heartbeat.during(text, alone, behind):
        yield


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
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20 if console.width >= 100 else 10),
        TextColumn("{task.completed:.0f}/{task.total} " + unit if total else "{task.completed:.0f} " + unit),
        TextColumn("{task.fields[note]}", markup=False),
    )
    began, now = time.monotonic(), before
    with _heartbeat.during(lambda: ""), Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=total, completed=before, note="")

        def advance(done: int, note: str = "") -> None:
            nonlocal now
            now += done
            bar.update(task, advance=done, note=_rate_text(now - before, now, total, time.monotonic() - began, note))

        yield advance


@contextmanager
def _lines(what: str, total: int | None, unit: str, before: int) -> Iterator[Advance]:
    done, began, last_note = before, time.monotonic(), ""
    of = f"/{total}" if total else ""

    def line() -> str:
        seconds = time.monotonic() - began
        if done == before:
            return f"{what}: {done}{of} {unit}, {seconds:.0f} s"
        return f"{what}: {done}{of} {unit}, {_rate_text(done - before, done, total, seconds, last_note)}"

    def advance(more: int, note: str = "") -> None:
        nonlocal done, last_note
        done, last_note = done + more, note
        if _heartbeat.due():
            say(line())

    with _heartbeat.during(line):
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

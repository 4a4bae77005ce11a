"""What was read, said on stderr: one line, and one for each thing that is left out or odd."""

from __future__ import annotations

import os

from tlzoo.io.inputs.report import NOTHING, CutCount, ReadReport, Skip
from tlzoo.progress import say


def announce(report: ReadReport, place: str | os.PathLike[str], skip: Skip = NOTHING) -> None:
    """Say how data was understood, and what of it is left out; what was said before it was read again, with `skip`, is
    not repeated."""
    merged = f", {report.merged} rows merged into others" if report.merged else ""
    say(f"{place}: {report.used} samples, {report.layout}{merged}")
    for line in report.lines():
        if line not in skip.said:
            say(f"{place}: {line}")


def say_cut(report: ReadReport, place: str | os.PathLike[str], cut: CutCount | None) -> None:
    """Give the account, once samples were prepared, how many of them were cut at the end, and say it."""
    report.cut = cut
    if cut and cut.longer:
        say(f"{place}: {cut.line()}")

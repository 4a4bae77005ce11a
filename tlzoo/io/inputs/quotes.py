"""Whether the quotes around line breaks mean what they do in CSV: a stray one would swallow rows without a word."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from tlzoo.errors import DataError
from tlzoo.io.encodings import open_text
from tlzoo.io.texts import bounded_lines

_LINES = 5000
"""Lines of a file whose cells are compared with those of a doubtful row."""
_SHARE = 0.8
_MANY = 10
"""Lines in a cell of a CSV file, from which on it is doubted that all look like rows by chance."""
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


class QuoteCheck:
    """Checks the rows of one file that go over several lines.

    Such a row is doubted where its lines, read without quotes, are rows as the others are: with as many cells, and
    beside the quoted cell with values that other lines have there, such as labels, or numbers where these have numbers.
    """

    def __init__(self, path: Path, encoding: str | None, separator: str) -> None:
        self._path, self._encoding, self._separator = path, encoding, separator
        self._columns: list[Counter[str]] = []

    def check(self, start: int, raw: Sequence[str], cells: Sequence[str], width: int) -> None:
        """Raise DataError for a row, from line `start` on, whose cells are likely to be several rows."""
        lines = [self._split(line) for line in raw]
        broken = [at for at, cell in enumerate(cells) if "\n" in cell or "\r" in cell]
        if width < 2 or not broken or sum(len(line) == width for line in lines) < _SHARE * (len(lines) - 1):
            return
        if not self._columns:
            self._columns = [Counter() for _ in range(width)]
            for line in self._read(width):
                for column, value in zip(self._columns, line, strict=True):
                    column[value] += 1
        own = lines if start <= _LINES else []
        behind = [self._fits(lines[:-1], own, at) for at in range(broken[-1] + 1, width)]
        before = [self._fits(lines[1:], own, at) for at in range(broken[0])]
        whole = all(len(line) == width for line in lines) and (self._separator != "," or len(lines) > _MANY)
        if any(behind) or any(before) or whole:
            end = start + len(raw) - 1
            raise DataError(
                f"File {self._path} has a quote in line {start} that is closed in line {end}, and the lines between "
                "look like rows.",
                hint="If quotes are plain characters in it: `columns={'quoting': 'none'}`; if this is one cell: "
                "`columns={'quoting': 'double'}`",
            )

    def _fits(self, lines: Sequence[Sequence[str]], own: Sequence[Sequence[str]], at: int) -> bool:
        """Whether these lines have in a column what other lines have there."""
        width = len(self._columns)
        elsewhere = self._columns[at] - Counter(line[at] for line in own if len(line) == width)
        total = elsewhere.total()
        numbers = sum(count for value, count in elsewhere.items() if _NUMBER.fullmatch(value.strip()))
        numeric = total > 0 and numbers >= 0.9 * total
        hits = 0
        for line in lines:
            value = line[at] if len(line) == width else ""
            hits += bool(value.strip()) and (value in elsewhere or (numeric and bool(_NUMBER.fullmatch(value.strip()))))
        return hits >= max(1.0, _SHARE * len(lines))

    def _split(self, line: str) -> list[str]:
        return line.rstrip("\r\n").split(self._separator)

    def _read(self, width: int) -> Iterator[list[str]]:
        """The first lines of the file that have as many cells as it has columns."""
        with open_text(self._path, self._encoding) as file:
            for line in islice(bounded_lines(file, f"File {self._path}"), 1, _LINES):
                if len(cells := self._split(line)) == width:
                    yield cells

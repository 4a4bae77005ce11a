"""Tables of lines and separators, such as CSV: the separator is known by the header, quotes are not trusted blindly."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from tlzoo.errors import DataError, InputError
from tlzoo.io.encodings import open_text
from tlzoo.io.inputs.formats import Rows, TableFormat, UsualSeparator, check_names, nul_error
from tlzoo.io.inputs.quotes import QuoteCheck
from tlzoo.io.texts import LONGEST, bounded_lines

SEPARATORS = (",", ";", "\t", "|")
_HEAD = 60
"""Lines by which a separator is known."""
_NAMED = re.compile('\ufeff?"?sep=(.)"?\\s*', re.IGNORECASE)
"""A first line that names the separator, as Excel reads it."""
_STRAY = "If quotes are plain characters in it: `columns={'quoting': 'none'}`"


def read_delimited(path: Path, usual: str, only: Sequence[str], how: TableFormat) -> Rows:
    """The rows of a table whose ending means the separator `usual`."""
    separator, skipped = _separator(path, usual, how)
    with open_text(path, how.encoding) as file:
        how.note_encoding(file.encoding)
        lines = _Recorded(islice(bounded_lines(file, f"File {path}"), skipped, None))
        plain = how.quoting == "none"
        reader = csv.reader(
            lines, delimiter=separator, strict=True, quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL
        )
        checked = None if how.quoting else QuoteCheck(path, how.encoding, separator)
        start = 1 + skipped
        try:
            columns = _next_cells(reader)
            while columns is not None and len(columns) < 2 and not "".join(columns).strip():
                start, columns = reader.line_num + 1 + skipped, _next_cells(reader)  # blank lines before the header
            columns = columns or []
            if any("\0" in name for name in columns):
                raise nul_error(path, f"line {start}")
            check_names(path, columns, only)
            start = reader.line_num + 1 + skipped
            lines.taken()
            while (cells := _next_cells(reader)) is not None:
                raw = lines.taken()
                if checked and len(raw) > 1:
                    checked.check(start, raw, cells, len(columns))
                if cells:
                    yield f"line {start}", _row(path, f"line {start}", columns, cells)
                start = reader.line_num + 1 + skipped
        except csv.Error as cause:
            raise DataError(
                f"File {path} has a malformed row at line {start}: {cause}.",
                hint=f"Check its quotes and separators. {_STRAY}",
            ) from cause


class _Recorded:
    """Lines, kept until they are taken: a row may have several."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._raw: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._raw.append(line)
        return line

    def taken(self) -> list[str]:
        """The lines since the last call."""
        found, self._raw = self._raw, []
        return found


def _next_cells(reader: Iterator[list[str]]) -> list[str] | None:
    """The next row; cells may be long in this row alone, as the limit is the whole process's."""
    before = csv.field_size_limit()
    csv.field_size_limit(max(before, LONGEST))
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(before)


def _row(path: Path, place: str, columns: Sequence[str], cells: Sequence[str]) -> dict[str, Any] | InputError:
    if len(cells) != len(columns):
        return InputError(
            f"File {path} has {len(cells)} cells in {place} but {len(columns)} columns.",
            hint="Put texts with separators or line breaks in double quotes. Another character may separate its cells, "
            f"such as `columns={{'separator': ';'}}`. {_STRAY}",
        )
    return nul_error(path, place) if any("\0" in cell for cell in cells) else dict(zip(columns, cells, strict=True))


def _separator(path: Path, usual: str, how: TableFormat) -> tuple[str, int]:
    """What separates cells, and how many lines lie before the header because they say so."""
    with open_text(path, how.encoding) as file:
        head = list(islice(bounded_lines(file, f"File {path}"), _HEAD))
    named = _NAMED.fullmatch(head[0]) if head else None
    given = how.separator
    if isinstance(given, UsualSeparator) and (named or not _occurs(given, head, how.quoting)):
        given = None
    if named and given in (None, named[1]):
        found, skipped = named[1], 1
    else:
        found, skipped = given or _guessed(path, head, usual, how), 0
    if found != usual:
        how.notes.append("separated by tabs" if found == "\t" else f"separated by {found!r}")
    return found, skipped


def _guessed(path: Path, head: Sequence[str], usual: str, how: TableFormat) -> str:
    """The separator by which the header has most of the columns wanted, else the one that every row agrees with.

    Raises DataError where several would do.
    """
    parsed = {each: rows for each in SEPARATORS if (rows := _parsed(head, each, how.quoting))}
    several = [each for each, rows in parsed.items() if len(rows[0]) > 1]
    if not several or several == [usual]:
        return usual
    known = {each: len({*rows[0]} & {*how.wanted}) for each, rows in parsed.items()}
    best = max(known.values())
    leading = [each for each in known if known[each] == best]
    if best and len({tuple(parsed[each][0]) for each in leading}) == 1:
        return usual if usual in leading else leading[0]
    fitting = [each for each in several if each in leading and _agree(parsed[each])]
    if len(fitting) == 1:
        return fitting[0]
    if usual in (fitting or leading):
        return usual
    raise DataError(
        f"What separates the cells of {path} cannot be told: {' or '.join(map(repr, fitting or leading))}.",
        hint=f"Name it, such as `columns={{'separator': {(fitting or leading)[0]!r}}}`",
    )


def _occurs(separator: str, head: Sequence[str], quoting: str | None) -> bool:
    rows = _parsed(head, separator, quoting)
    return bool(rows) and len(rows[0]) > 1


def _agree(rows: Sequence[Sequence[str]]) -> bool:
    return all(len(row) == len(rows[0]) for row in rows)


def _parsed(head: Sequence[str], separator: str, quoting: str | None) -> list[list[str]]:
    """The first rows that are not blank, as far as they can be read with this separator."""
    plain = quoting == "none"
    reader = csv.reader(
        iter(head), delimiter=separator, strict=True, quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL
    )
    rows: list[list[str]] = []
    try:
        while (cells := _next_cells(reader)) is not None:
            if len(cells) > 1 or "".join(cells).strip():
                rows.append(cells)
    except csv.Error:
        pass
    return rows

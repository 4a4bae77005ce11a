"""Tables, read row by row: CSV, TSV, JSON lines and Parquet, for training and prediction alike."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from tlzoo.errors import DataError, InputError, UsageError, first_line
from tlzoo.io.regular import open_regular, reading_hint
from tlzoo.io.texts import LONGEST, bounded_lines, listed_names, not_utf8

TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
_ROWS_AT_ONCE = 1024

Rows = Iterator[tuple[str, dict[str, Any] | InputError]]
"""Each row's place as a person looks it up ("line 3", "row 2"), and its cells by column, or what is wrong with it."""


class MissingColumn(DataError):
    """The table has no such column."""


def stream_table(path: Path, only: Sequence[str] = ()) -> Rows:
    """The rows of a table, in bounded memory; the file name's ending says its format.

    With `only` the table must have these columns; of Parquet no others are read. JSON lines have the columns of their
    first object. A row with too many or too few cells, a NUL byte or broken JSON is an InputError in its place. Raises
    DataError for a file that cannot be read to its end, MissingColumn, and UsageError where pyarrow is needed.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"File {path} is not in a table format that tlzoo reads.",
            hint=f"Give a folder or one of: {', '.join(TABLES)}.",
        )
    try:
        with open_regular(path) as file:
            before = os.fstat(file.fileno())
        if before.st_size == 0:
            raise DataError(f"File {path} has zero bytes.", hint="Write a header line and at least two rows into it.")
        for number, row in enumerate(reader(path, only), start=1):
            yield row
            if number % _ROWS_AT_ONCE == 0:
                _check_unchanged(path, before)
        _check_unchanged(path, before)
    except OSError as cause:
        raise DataError(f"File {path} cannot be read: {cause.strerror}.", hint=reading_hint(cause)) from cause
    except UnicodeDecodeError as cause:
        raise not_utf8(path) from cause


def _check_unchanged(path: Path, before: os.stat_result) -> None:
    """Raise DataError for a table that grew, or was replaced, while its rows were read."""
    now = os.stat(path)
    if (now.st_ino, now.st_size, now.st_mtime_ns) != (before.st_ino, before.st_size, before.st_mtime_ns):
        raise DataError(
            f"File {path} changed while it was read.", hint="Run the command again when nothing writes to it."
        )


def _check_columns(path: Path, columns: Sequence[str], only: Sequence[str]) -> None:
    if missing := [name for name in only if name not in columns]:
        there = listed_names(columns) or "none"
        raise MissingColumn(
            f"File {path} has no column {missing[0]!r}.",
            hint=f"Name one with `columns`; it has: {there}",
            parameter="columns",
        )
    if twice := sorted(name for name, times in Counter(columns).items() if times > 1):
        raise DataError(f"File {path} has a duplicate column {listed_names(twice[:1])}.", hint="Rename one of them.")


def _delimited(path: Path, only: Sequence[str]) -> Rows:
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = bounded_lines(file, f"File {path}")
        reader = csv.reader(lines, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        start = 1
        try:
            columns = _next_cells(reader)
            while columns is not None and len(columns) < 2 and not "".join(columns).strip():
                start, columns = reader.line_num + 1, _next_cells(reader)  # blank lines before the header
            columns = columns or []
            if any("\0" in name for name in columns):
                raise _nul(path, f"line {start}")
            _check_columns(path, columns, only)
            start = reader.line_num + 1
            while (cells := _next_cells(reader)) is not None:
                if cells:
                    yield f"line {start}", _row(path, f"line {start}", columns, cells)
                start = reader.line_num + 1
        except csv.Error as cause:
            raise DataError(
                f"File {path} has a malformed row at line {start}: {cause}.",
                hint="Check its quotes and separators.",
            ) from cause


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
            hint="Put texts with separators or line breaks in double quotes.",
        )
    return _nul(path, place) if any("\0" in cell for cell in cells) else dict(zip(columns, cells, strict=True))


def _nul(path: Path, place: str) -> InputError:
    return InputError(f"File {path} has a NUL byte in {place}.", hint="Is it text? Save it again as UTF-8.")


def _json_lines(path: Path, only: Sequence[str]) -> Rows:
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        first = True
        for number, line in enumerate(bounded_lines(file, f"File {path}"), start=1):
            if not line.strip():
                continue
            row = _object(path, f"line {number}", line)
            if first and isinstance(row, dict):
                _check_columns(path, list(row), only)
                first = False
            yield f"line {number}", row


def _object(path: Path, place: str, line: str) -> dict[str, Any] | InputError:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return InputError(f"File {path} has broken JSON in {place}.", hint="Write one object per line.")
    if not isinstance(row, dict):
        return InputError(f"File {path} has no JSON object in {place}.", hint="Write one object per line.")
    return row


def _parquet(path: Path, only: Sequence[str]) -> Rows:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as cause:
        raise UsageError(f"Reading {path} needs pyarrow.", hint="Install it: pip install 'tlzoo[evaluate]'") from cause
    try:
        with parquet.ParquetFile(path) as table:
            _check_columns(path, table.schema_arrow.names, only)
            parts = table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=list(only) or None)
            rows = chain.from_iterable(part.to_pylist() for part in parts)
            yield from ((f"row {number}", row) for number, row in enumerate(rows, start=1))
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as cause:
        raise DataError(
            f"File {path} is not a readable Parquet file: {first_line(cause)}", hint="Save it again."
        ) from cause


_READERS = {".csv": _delimited, ".tsv": _delimited, ".jsonl": _json_lines, ".parquet": _parquet}

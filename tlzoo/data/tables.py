"""Tables of samples: CSV, TSV, JSON Lines and Parquet, each read into rows of named cells."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlzoo.errors import DataError, UsageError

FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")
LABEL_SEPARATOR = ";"
_LONGEST_CELL = 64 * 2**20
_LARGEST_NUMBER = 3.4e38


@dataclass(frozen=True)
class Table:
    """`rows` pairs each row's place as a person would look it up ("line 3", "row 2") with its cells."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[str, dict[str, Any]], ...]


def read_table(path: Path) -> Table:
    """Read a table by its file name's ending; raises DataError with the place for anything malformed."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise DataError(
            f"File {path} is not a table that tlzoo reads.", hint=f"Give a folder or one of: {', '.join(FORMATS)}"
        )
    if path.stat().st_size == 0:
        raise DataError(f"File {path} has zero bytes.", hint="Write a header line and at least two rows into it.")
    if suffix == ".parquet":
        table = _parquet(path)
    elif suffix == ".jsonl":
        table = _json_lines(path)
    else:
        table = _separated(path, "," if suffix == ".csv" else "\t")
    if not table.rows:
        raise DataError(f"File {path} has no rows.", hint="Add samples below its header.")
    return table


def cells(table: Table, column: str, option: str) -> list[str]:
    """One column as non-empty strings; raises DataError where the column is missing or a cell is empty or no scalar."""
    return [_cell(table.path, place, column, row.get(column)) for place, row in _rows_with(table, column, option)]


def number_cells(table: Table, column: str, option: str) -> list[str]:
    """One column of finite numbers, as written; raises DataError with the place of a cell that is none."""
    return [_number(table, place, column, row) for place, row in _rows_with(table, column, option)]


def label_cells(table: Table, column: str, option: str) -> list[str]:
    """One column of any number of labels each, as `a;b`: cells of that form, or lists where the format has them.

    Raises DataError with the place of a cell that is missing or holds anything else.
    """
    return [_labels(table, place, column, row) for place, row in _rows_with(table, column, option)]


def decode_text(path: Path) -> str:
    """A file's text, UTF-8 with or without a byte order mark; raises DataError for anything else."""
    try:
        data = path.read_bytes()
    except OSError as cause:
        raise DataError(f"File {path} cannot be read: {cause.strerror}.", hint="Check its permissions.") from cause
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        line = data.count(b"\n", 0, cause.start) + 1
        raise DataError(f"File {path} is not UTF-8 text (line {line}).", hint="Save it again as UTF-8.") from cause
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"File {path} has a NUL byte in line {line}.", hint="Is it text? Save it again as UTF-8.")
    return text


def _rows_with(table: Table, column: str, option: str) -> tuple[tuple[str, dict[str, Any]], ...]:
    """The table's rows; raises DataError where it has no such column."""
    if column not in table.columns:
        there = ", ".join(repr(name) for name in table.columns)
        raise DataError(
            f"File {table.path} has no column {column!r}; it has {there}.", hint=f"Name the right one: {option} NAME"
        )
    return table.rows


def _number(table: Table, place: str, column: str, row: dict[str, Any]) -> str:
    value = row.get(column)
    text = "nothing" if value is None or value == "" else str(value).strip()
    try:
        # what float32 cannot hold is infinite to the model
        finite = not isinstance(value, bool) and "_" not in text and abs(float(text)) <= _LARGEST_NUMBER
    except ValueError:
        finite = False
    if not finite:
        raise DataError(
            f"File {table.path} has {text[:50]} as {column!r} in {place}, which is no finite number.",
            hint="Correct the cell or delete the row.",
        )
    return text


def _labels(table: Table, place: str, column: str, row: dict[str, Any]) -> str:
    if column not in row:
        raise DataError(
            f"File {table.path} has no {column!r} in {place}.", hint="Write an empty list where a sample has no label."
        )
    value = row[column]
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, list):
        parts = [_cell(table.path, place, column, part) for part in value]
        if joined := [part for part in parts if LABEL_SEPARATOR in part]:
            raise DataError(
                f"File {table.path} has the label {joined[0]!r} in {place}, which holds a {LABEL_SEPARATOR!r}.",
                hint="That sign separates labels: rename the label.",
            )
    else:
        parts = _cell(table.path, place, column, value).split(LABEL_SEPARATOR) if str(value).strip() else []
    return LABEL_SEPARATOR.join(dict.fromkeys(label for part in parts if (label := part.strip())))


def _cell(path: Path, place: str, column: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or (isinstance(value, float) and math.isnan(value)) or not str(value).strip():
        raise DataError(f"File {path} has no {column!r} in {place}.", hint="Fill the cell or delete the row.")
    if not isinstance(value, str | int | float):
        kind = type(value).__name__
        raise DataError(f"File {path} has a {kind} as {column!r} in {place}.", hint="Write a string or a number.")
    return str(value)


def _unique(path: Path, columns: Iterable[str]) -> tuple[str, ...]:
    names = tuple(columns)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"File {path} has the column {twice[0]!r} twice.", hint="Rename one of them.")
    return names


def _separated(path: Path, delimiter: str) -> Table:
    reader = csv.reader(io.StringIO(decode_text(path), newline=""), delimiter=delimiter, strict=True)
    limit = csv.field_size_limit(_LONGEST_CELL)
    start = 1
    rows = []
    try:
        columns = _unique(path, next(reader, []))
        start = reader.line_num + 1
        for values in reader:
            if values:
                rows.append((f"line {start}", _row(path, f"line {start}", columns, values)))
            start = reader.line_num + 1
    except csv.Error as cause:
        raise DataError(
            f"File {path} is broken in the row from line {start} on: {cause}.", hint="Check its quotes and separators."
        ) from cause
    finally:
        csv.field_size_limit(limit)
    return Table(path, columns, tuple(rows))


def _row(path: Path, place: str, columns: Sequence[str], values: Sequence[str]) -> dict[str, Any]:
    if len(values) != len(columns):
        raise DataError(
            f"File {path} has {len(values)} cells in {place} but {len(columns)} columns.",
            hint="Put texts with separators or line breaks in double quotes.",
        )
    return dict(zip(columns, values, strict=True))


def _json_lines(path: Path) -> Table:
    rows = []
    columns: dict[str, None] = {}
    for number, line in enumerate(decode_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as cause:
            raise DataError(
                f"File {path} has broken JSON in line {number}.", hint="Write one object per line."
            ) from cause
        if not isinstance(row, dict):
            raise DataError(f"File {path} has no JSON object in line {number}.", hint="Write one object per line.")
        columns |= dict.fromkeys(row)
        rows.append((f"line {number}", row))
    return Table(path, tuple(columns), tuple(rows))


def _parquet(path: Path) -> Table:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as cause:
        raise UsageError(f"Reading {path} needs pyarrow.", hint="Install it: pip install 'tlzoo[evaluate]'") from cause
    try:
        table = parquet.ParquetFile(path).read()
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as cause:
        reason = str(cause).split("\n", 1)[0]
        raise DataError(f"File {path} is not a readable Parquet file: {reason}", hint="Write it again.") from cause
    columns = _unique(path, table.column_names)
    rows = tuple((f"row {number}", row) for number, row in enumerate(table.to_pylist(), start=1))
    return Table(path, columns, rows)

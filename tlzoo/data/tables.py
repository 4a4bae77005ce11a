"""Tables of samples: CSV, TSV, JSON Lines and Parquet, each read into rows of named cells."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlzoo.errors import DataError, UsageError
from tlzoo.tasks.row import Row

FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")
_LONGEST_CELL = 64 * 2**20


@dataclass(frozen=True)
class Table:
    """`rows` pairs each row's place as a person would look it up ("line 3", "row 2") with its cells."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[str, dict[str, Any]], ...]

    def named(self, names: Mapping[str, str]) -> list[Row]:
        """Its rows; `names` says what it calls a role, such as `label`, where not by that name."""
        return [Row(self.path, place, cells, self.columns, names) for place, cells in self.rows]


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

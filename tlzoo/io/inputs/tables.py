"""Tables, read row by row, for training and prediction alike: CSV and its kin, JSON, Excel and Parquet."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from tlzoo.errors import DataError, UsageError, first_line
from tlzoo.io.encodings import settled_encoding, undecodable
from tlzoo.io.inputs.delimited import read_delimited
from tlzoo.io.inputs.documents import read_json, read_json_lines
from tlzoo.io.inputs.formats import Rows, TableFormat, check_names
from tlzoo.io.inputs.sheets import read_sheet
from tlzoo.io.regular import open_regular, reading_hint

_ROWS_AT_ONCE = 1024
_Reader = Callable[[Path, Sequence[str], TableFormat], Rows]


def _delimited(usual: str, path: Path, only: Sequence[str], how: TableFormat) -> Rows:
    return read_delimited(path, usual, only, how)


def _parquet(path: Path, only: Sequence[str], how: TableFormat) -> Rows:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as cause:
        raise UsageError(f"Reading {path} needs pyarrow.", hint="Install it: pip install 'tlzoo[evaluate]'") from cause
    try:
        with parquet.ParquetFile(path) as table:
            check_names(path, table.schema_arrow.names, only)
            parts = table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=list(only) or None)
            rows = chain.from_iterable(map(_plain_rows, parts))
            yield from ((f"row {number}", row) for number, row in enumerate(rows, start=1))
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as cause:
        raise DataError(
            f"File {path} is not a readable Parquet file: {first_line(cause)}", hint="Save it again."
        ) from cause


def _plain_rows(part: Any) -> list[dict[str, Any]]:
    """Rows of Parquet, short floats as their shortest decimals, 0.1 and not 0.10000000149011612, and fixed-point
    numbers as whole ones where their type has no decimals, else as floats."""
    from pyarrow import types

    rows: list[dict[str, Any]] = part.to_pylist()
    for field in part.schema:
        plain: Callable[[Any], Any] | None = None
        if types.is_float16(field.type) or types.is_float32(field.type):
            kind = np.float16 if types.is_float16(field.type) else np.float32
            plain = lambda value, kind=kind: float(str(kind(value)))  # noqa: E731
        elif types.is_decimal(field.type):
            plain = int if field.type.scale <= 0 else float
        if plain:
            for row in rows:
                row[field.name] = None if row[field.name] is None else plain(row[field.name])
    return rows


_LINES = {".csv": partial(_delimited, ","), ".tsv": partial(_delimited, "\t")}
_TEXTS: dict[str, _Reader] = {**_LINES, ".jsonl": read_json_lines, ".ndjson": read_json_lines, ".json": read_json}
_READERS: dict[str, _Reader] = {
    **_TEXTS,
    ".parquet": _parquet,
    ".xlsx": read_sheet,
    **{f"{ending}.gz": reader for ending, reader in _TEXTS.items()},
}
TABLES = tuple(_READERS)
"""How the names of tables end."""


def table_ending(name: str | os.PathLike[str]) -> str:
    """The ending that makes a file a table, such as `.csv.gz`; empty for another file."""
    lowered = os.fspath(name).lower()
    return next((ending for ending in TABLES if lowered.endswith(ending)), "")


def settings_of(name: str | os.PathLike[str]) -> set[str]:
    """What of a `TableFormat` matters to a table of this name."""
    ending = table_ending(name).removesuffix(".gz")
    return {"separator", "quoting", "encoding"} if ending in _LINES else {"encoding"} if ending in _TEXTS else set()


def stream_table(path: Path, only: Sequence[str] = (), how: TableFormat | None = None) -> Rows:
    """The rows of a table, in bounded memory; the file name's ending says its format, `how` what else is known.

    With `only` the table must have these columns; of Parquet no others are read. JSON lines have the columns of their
    first object. A row with too many or too few cells, a NUL byte or broken JSON is an InputError in its place. Raises
    DataError for a file that cannot be read to its end, MissingColumn, and UsageError where a package is needed.
    """
    reader = _READERS.get(table_ending(path))
    if reader is None:
        raise DataError(
            f"File {path} is not in a table format that tlzoo reads.",
            hint=f"Give a folder or one of: {', '.join(TABLES)}.",
        )
    how = TableFormat() if how is None else how
    try:
        with open_regular(path) as file:
            before = os.fstat(file.fileno())
        if before.st_size == 0:
            raise DataError(f"File {path} has zero bytes.", hint="Write a header line and at least two rows into it.")
        if settings_of(path):
            how = replace(how, encoding=settled_encoding(path, how.encoding))
        for number, row in enumerate(reader(path, only, how), start=1):
            yield row
            if number % _ROWS_AT_ONCE == 0:
                _check_unchanged(path, before)
        _check_unchanged(path, before)
    except OSError as cause:
        raise DataError(f"File {path} cannot be read: {cause.strerror}.", hint=reading_hint(cause)) from cause
    except UnicodeError as cause:  # of a missing byte order mark, it is no UnicodeDecodeError
        raise undecodable(path, how.encoding or str(getattr(cause, "encoding", "utf-8"))) from cause


def _check_unchanged(path: Path, before: os.stat_result) -> None:
    """Raise DataError for a table that grew, or was replaced, while its rows were read."""
    now = os.stat(path)
    if (now.st_ino, now.st_size, now.st_mtime_ns) != (before.st_ino, before.st_size, before.st_mtime_ns):
        raise DataError(
            f"File {path} changed while it was read.", hint="Run the command again when nothing writes to it."
        )

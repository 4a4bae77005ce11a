"""Tables in Excel's .xlsx, by the extra `excel`."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tlzoo.errors import DataError, InputError, UsageError, first_line
from tlzoo.io.inputs.formats import Rows, TableFormat, check_names

_MOST = 2**30
"""Bytes that the parts of a workbook may expand to."""


class _Fault(str):
    """What a formula came to that cannot be computed, such as `#REF!`."""


def read_sheet(path: Path, only: Sequence[str], how: TableFormat) -> Rows:
    """The rows of a workbook's first sheet, which is held whole; formulas are the values that were saved with them."""
    try:
        from openpyxl import load_workbook
    except ImportError as cause:
        raise UsageError(f"Reading {path} needs openpyxl.", hint="Install it: pip install 'tlzoo[excel]'") from cause
    try:
        _check_size(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and charts, which are not read
            book = load_workbook(path, read_only=True, data_only=True)
            try:
                sheet = book.worksheets[0]
                if len(book.worksheets) > 1:
                    how.notes.append(f"sheet {sheet.title!r}, the first of {len(book.worksheets)}")
                sheet.reset_dimensions()  # some programs write them wrong
                found = [[_Fault(cell.value) if cell.data_type == "e" else cell.value for cell in row] for row in sheet]
            finally:
                book.close()
    except DataError:
        raise
    except Exception as cause:  # what openpyxl raises for a damaged file is of many kinds
        raise DataError(
            f"File {path} is not a readable workbook: {first_line(cause)}.", hint="Save it again."
        ) from cause
    yield from _rows(path, found, only)


def _check_size(path: Path) -> None:
    with zipfile.ZipFile(path) as parts:
        if sum(part.file_size for part in parts.infolist()) > _MOST:
            raise DataError(f"File {path} expands to more than {_MOST // 2**20} MiB.", hint="Save it as CSV.")


def _rows(path: Path, found: Sequence[Sequence[Any]], only: Sequence[str]) -> Rows:
    names: list[str] | None = None
    header = 0
    for number, values in enumerate(found, start=1):
        cells = _trimmed(values)
        if not cells:
            continue
        if names is None:
            header = number
            names = ["" if cell is None else str(cell) for cell in cells]
            check_names(path, [name for name in names if name], only)
            continue
        place = f"row {number}"
        if any(cell is not None for cell in cells[len(names) :]) or any(
            cell is not None and not name for cell, name in zip(cells, names, strict=False)
        ):
            message = f"File {path} has a cell without a column in {place}."
            yield (
                place,
                InputError(message, hint=f"Name the column in row {header}, or delete what is above the names."),
            )
            continue
        if fault := next((cell for cell in cells if isinstance(cell, _Fault)), None):
            yield place, InputError(f"File {path} has {str(fault)!r} in {place}.", hint="Mend the formula, or type it.")
            continue
        cells += [None] * (len(names) - len(cells))
        yield place, {name: cell for name, cell in zip(names, cells, strict=False) if name}
    if names is None:
        check_names(path, [], only)


def _trimmed(values: Sequence[Any]) -> list[Any]:
    """The cells up to the last that holds something."""
    filled = [at for at, value in enumerate(values) if value is not None]
    return list(values[: filled[-1] + 1]) if filled else []

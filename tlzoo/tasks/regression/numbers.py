"""A number in a cell: as programs write it, or as people do where it is said what stands before decimals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tlzoo.errors import DataError
from tlzoo.tasks.numbers import decimal_of, has_marks, is_grouped, plain_number
from tlzoo.tasks.row import Row

LARGEST = 3.4e38
"""What float32 cannot hold is infinite to the model."""
_DOUBTFUL = re.compile(r"[+-]?[1-9][0-9]{0,2}(\.[0-9]{3})")
_UNIT = re.compile(r"[^\w\s.,+-]|[A-Za-z]{2,}|%")
_WAYS = "`columns={'decimal': ','}` where dots are between thousands, `columns={'decimal': '.'}` where they are not"


def read_number(row: Row) -> str:
    """The number of a row's label as Python reads it; raises DataError for what is none, or not finite."""
    value = row.value("label")
    decimal = decimal_of(row, value)
    text = "nothing" if value is None or value == "" else str(value).strip()
    found = plain_number(text, decimal)
    try:
        finite = not isinstance(value, bool) and "_" not in found and abs(float(found)) <= LARGEST
    except ValueError:
        finite = False
    if not finite:
        raise DataError(
            f"File {row.file} has {text[:50]} as {row.column('label')!r} in {row.place}, "
            f"which is not a number between -{LARGEST:.1e} and {LARGEST:.1e}.",
            hint=_hint(text, decimal),
        )
    return found


def check_dots(rows: Sequence[Row]) -> None:
    """Raise DataError for a table in which every dot has three digits behind it: they may stand between thousands."""
    if not rows or rows[0].option("decimal"):
        return
    cells: list[Any] = [row.cells.get(row.column("label")) for row in rows]
    dotted = [
        (row, cell.strip()) for row, cell in zip(rows, cells, strict=True) if isinstance(cell, str) and "." in cell
    ]
    if dotted and all(_DOUBTFUL.fullmatch(text) for _, text in dotted):
        row, text = dotted[0]
        raise row.error(
            f"has {text} as {row.column('label')!r}, and every dot in the column has three digits behind it: it may "
            "be one between thousands,",
            f"Say what it is: {_WAYS}",
        )


def _hint(text: str, decimal: str | None) -> str:
    """What to do about a cell that is no number."""
    if decimal is not None and any(sign.isdigit() for sign in text):
        return f"Write it with {decimal!r} before its decimals, or say that they are written otherwise: `decimal`."
    if has_marks(text) and is_grouped(text):  # else it is too large
        return f"Write it as 1234.5, or say how it is written: {_WAYS}"
    if any(sign.isdigit() for sign in text) and _UNIT.search(text):
        return "Write the number alone, without a unit or a sign of money, such as 1234.5."
    return "Correct the cell or delete the row."

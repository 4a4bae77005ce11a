"""A number in a cell, as programs write it or as people do."""

from __future__ import annotations

import re

from tlzoo.tasks.row import Row

_BETWEEN = "\u2019' \u00a0\u202f"
"""Marks between groups of three digits, whatever stands before decimals."""
_GROUPS = {
    sign: re.compile(rf"[+-]?([0-9]+|[0-9]{{1,3}}([{other}{_BETWEEN}][0-9]{{3}})+)([{sign}][0-9]+)?([eE][+-]?[0-9]+)?")
    for sign, other in ((".", ","), (",", "."))
}


def is_grouped(text: str) -> bool:
    """Whether a text is a number by one of the ways to write it."""
    return any(pattern.fullmatch(_with_minus(text)) for pattern in _GROUPS.values())


def has_marks(text: str) -> bool:
    """Whether a text has a mark that may stand between groups of digits."""
    return text.count(".") > 1 or any(sign in text for sign in "," + _BETWEEN)


def plain_number(text: str, decimal: str | None) -> str:
    """A number as Python reads it: a long minus becomes a short one, and where `decimal` says what stands before its
    decimals, marks between thousands go. The text itself, or `nan`, where it is none."""
    text = _with_minus(text)
    if decimal is None:
        return text
    if not _GROUPS[decimal].fullmatch(text):
        return text if decimal == "." else "nan"
    whole, sign, rest = text.partition(decimal)
    return re.sub(f"[.,{_BETWEEN}]", "", whole) + (f".{rest}" if sign else "")


def decimal_of(row: Row, value: object) -> str | None:
    """What stands before the decimals of this cell, where that was said; numbers of a file's own are none of a text."""
    return row.option("decimal") if isinstance(value, str) else None


def _with_minus(text: str) -> str:
    return "-" + text[1:] if text[:1] == "\u2212" else text

"""The labels of a row: of a cell with a separator, a list, zeros and ones by position, or of a column for each."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tlzoo.errors import DataError
from tlzoo.tasks.row import Row

SEPARATOR = ";"
_OTHERS = (",", "|", "\n", "\t", "/", "+", "&", " ")
"""What may separate labels where it is not said what does; the first four hardly occur in a label."""
_BITS = re.compile(r"[01]([\s,|/]*[01])+")
"""Zeros and ones as a text: `101`, `1 0 1`."""
_SWITCH = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
_NAMES = "Name the label of each position: `columns={'label_names': 'NAME,NAME'}`"


def read_labels(row: Row) -> list[str]:
    """The labels of a row, each once; raises DataError naming its place for what is not clearly labels."""
    if columns := row.option("label_columns"):
        found = [name for name in columns if _switched(row, name)]
    else:
        found = _of_cell(row)
    labels = [row.label("label", label) if not columns else label for label in found]
    if joined := [label for label in labels if SEPARATOR in label]:
        raise DataError(
            f"File {row.file} has the label {joined[0]!r} in {row.place}, which contains {SEPARATOR!r}.",
            hint="That character separates labels: rename the label.",
        )
    return list(dict.fromkeys(labels))


def _of_cell(row: Row) -> list[Any]:
    column = row.column("label")
    if column not in row.cells:
        raise row.error(f"has no {column!r}", "Write an empty list where a sample has no label.")
    value = row.cells[column]
    if value is None or (isinstance(value, float) and math.isnan(value)) or (not value and value == ""):
        return _named([], row)
    if (listed := row.listed("label")) is None:
        text = row.scalar("label", value) if str(value).strip() else ""
        if text.strip().startswith("[") and text.strip().endswith("]"):
            raise row.error(
                f"has {text.strip()[:40]!r} as {column!r}, which looks like a list", 'Write it as ["a", "b"].'
            )
        parts = text.split(row.option("label_separator") or SEPARATOR)
        listed = [part for part in map(str.strip, parts) if part]
    return _named(listed, row)


def _named(parts: list[Any], row: Row) -> list[Any]:
    """Labels as they are, or those whose positions hold a one."""
    names = row.option("label_names")
    if names is not None and len(parts) == 1 and _BITS.fullmatch(str(parts[0])):
        parts = re.findall("[01]", str(parts[0]))
    zeros_and_ones = len(parts) > 1 and all(str(part).lower() in _SWITCH for part in parts)
    if names is None:
        if zeros_and_ones and (len(set(map(str, parts))) < len(parts) or not any(isinstance(x, str) for x in parts)):
            raise row.error(
                "has a list of zeros and ones where labels are expected",
                f'Write the labels that are there, such as ["red", "round"], or red;round. {_NAMES}',
            )
        return parts
    if len(parts) != len(names) or not all(str(part).lower() in _SWITCH for part in parts):
        raise row.error(
            f"has no list of {len(names)} zeros and ones as {row.column('label')!r}, one for each of `label_names`",
            "Write such a list, or leave `label_names` out.",
        )
    return [name for name, part in zip(names, parts, strict=True) if _SWITCH[str(part).lower()]]


def _switched(row: Row, name: str) -> bool:
    if name not in row.columns:
        there = ", ".join(map(repr, row.columns[:20]))
        raise DataError(
            f"File {row.file} has no column {name!r}; it has {there}.",
            hint="Name columns that are there: `columns={'label_columns': 'NAME,NAME'}`",
            parameter="columns",
        )
    value = row.cells.get(name)
    text = str(value).strip().lower()
    if value is None or text not in _SWITCH:
        raise row.error(
            f"has {str(value)[:40]!r} as {name!r}", "Write 0 or 1, or true or false, in a column of a label."
        )
    return _SWITCH[text]


def check_separator(rows: Sequence[Row]) -> None:
    """Raise DataError where cells of a table may hold several labels, and nothing says what separates them."""
    if not rows or any(rows[0].option(each) for each in ("label_separator", "label_columns", "label_names")):
        return
    first: dict[str, Row] = {}
    separated = False
    for row in rows:
        cell = row.cells.get(row.column("label"))
        if isinstance(cell, str) and row.listed("label") is None:
            separated = separated or SEPARATOR in cell
            for part in filter(None, map(str.strip, cell.split(SEPARATOR))):
                first.setdefault(part, row)
    if first and all(map(_BITS.fullmatch, first)):
        label, row = next(iter(first.items()))
        raise row.error(f"has {label!r} as {row.column('label')!r}, and all others are zeros and ones too,", _NAMES)
    for sign in _OTHERS:
        clear = not separated and sign in _OTHERS[:4]
        parts = {label: [part.strip() for part in label.split(sign) if part.strip()] for label in first}
        times = Counter(part for found in parts.values() for part in set(found))
        for label, found in parts.items():
            again = all(part in first or (sign != " " and times[part] > 1) for part in found)
            if len(found) > 1 and (clear or again):
                raise first[label].error(
                    f"has {label[:80]!r} as {first[label].column('label')!r}, which may be several labels",
                    f"Say what separates labels: `columns={{'label_separator': {sign!r}}}`; "
                    f"`columns={{'label_separator': ';'}}` where that is one label",
                )

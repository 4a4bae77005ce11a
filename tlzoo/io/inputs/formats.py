"""How a table is written, where that is given, and what its reader found out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tlzoo.errors import DataError, InputError
from tlzoo.io.texts import NUL_HINT, listed_names

Rows = Iterator[tuple[str, dict[str, Any] | InputError]]
"""Each row's place as a person looks it up ("line 3", "row 2"), and its cells by column, or what is wrong with it."""

ONE_COLUMN = "Or name what separates its cells: `columns={'separator': ';'}`"
"""A hint about a table that seems to have one column."""


class UsualSeparator(str):
    """What separated the cells of other data: not those of a table in whose header it does not occur."""

    __slots__ = ()


@dataclass(frozen=True)
class TableFormat:
    """What is given about a table: the separator of its cells, its encoding, and whether its quotes are plain
    characters (`none`) or surely none of them (`double`). What is not given is found out.

    `wanted` are columns that it may have, by which the separator is known. `notes` gets what was found out, for people.
    """

    separator: str | None = None
    encoding: str | None = None
    quoting: str | None = None
    wanted: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list, compare=False)

    def note_encoding(self, encoding: str) -> None:
        """Note an encoding that is not UTF-8."""
        if encoding not in ("utf-8", "utf-8-sig"):
            self.notes.append(f"in {encoding}")


class MissingColumn(DataError):
    """The table has no such column."""


def check_names(path: Path, columns: Sequence[str], only: Sequence[str]) -> None:
    """Raise MissingColumn where a column of `only` is not there, DataError for a name that is there twice."""
    if missing := [name for name in only if name not in columns]:
        there = listed_names(columns) or "none"
        raise MissingColumn(
            f"File {path} has no column {missing[0]!r}.",
            hint=f"Name one with `columns`; it has: {there}{f'. {ONE_COLUMN}' if len(columns) == 1 else ''}",
            parameter="columns",
        )
    if twice := sorted(name for name, times in Counter(columns).items() if times > 1):
        raise DataError(f"File {path} has a duplicate column {listed_names(twice[:1])}.", hint="Rename one of them.")


def nul_error(path: Path, place: str) -> InputError:
    """The error of a row with a NUL byte."""
    return InputError(f"File {path} has a NUL byte in {place}.", hint=NUL_HINT)

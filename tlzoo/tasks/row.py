"""One row of a table, or one sample of a task's own layout, and where a person finds it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tlzoo.errors import DataError
from tlzoo.io.texts import SURROGATE_HINT, has_lone_surrogate, listed_names

T = TypeVar("T")
_MEANT_AS_LIST = re.compile(r"""\[\s*[\["'{].*\]""", re.DOTALL)


def spelled_column(role: str, name: str) -> str:
    """The argument that names a role's column, for a message."""
    given: dict[str, Any] = {"others": {role: name}}
    if role.endswith("_column"):
        given = {role: name}
    elif role in ("text", "path", "label"):
        given = {f"{role}_column": name}
    return f"`columns={given}`"


@dataclass(frozen=True)
class Row:
    """`cells` of `file`, at `place` ("line 3"). `names` says what the file calls a role where not by its own name.

    `columns` are those of the whole table, which a row of JSON lines need not have. `used` gets the roles that are
    looked up.
    """

    file: Path
    place: str
    cells: Mapping[str, Any]
    columns: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set, compare=False, repr=False)

    def column(self, role: str) -> str:
        """What the table calls this role; raises DataError where it has no such column."""
        name = self.names.get(role, role)
        if name not in self.columns:
            there = listed_names(self.columns)
            raise DataError(
                f"File {self.file} has no column {name!r}; it has {there}.",
                hint=f"Name the right one: {spelled_column(role, 'NAME')}",
                parameter="columns",
            )
        self.used.add(role)
        return name

    def has(self, role: str) -> bool:
        """Whether the table has a column of this role."""
        return self.names.get(role, role) in self.columns

    def value(self, role: str) -> Any:
        """A cell as it is, `None` where this row lacks it."""
        return self.cells.get(self.column(role))

    def text(self, role: str) -> str:
        """A cell that is not empty, as a string; raises DataError where it is empty or no scalar."""
        return self.scalar(role, self.value(role))

    def file_name(self, role: str) -> str:
        """As `text`, but bytes of a file's name that are not UTF-8 may be there as lone surrogates."""
        return self._scalar(role, self.value(role))

    def scalar(self, role: str, value: Any) -> str:
        """A value of a cell, or of a list in it, as a string that is not empty."""
        return self._checked(role, self._scalar(role, value))

    def _scalar(self, role: str, value: Any) -> str:
        column = self.column(role)
        if isinstance(value, bool):
            return str(value).lower()
        if value is None or (isinstance(value, float) and math.isnan(value)) or not str(value).strip():
            what = "has only blanks as" if value and isinstance(value, str) else "has no"
            raise self.error(f"{what} {column!r}", "Fill the cell or delete the row.")
        if not isinstance(value, str | int | float):
            raise self.error(f"has a {type(value).__name__} as {column!r}", "Write a string or a number.")
        return str(value)

    def listed(self, role: str) -> list[Any] | None:
        """The list in a cell, also one that is written as JSON, as CSV has no lists; None where it holds none.

        Raises DataError for a cell that looks like a list, but is not JSON, and for a lone surrogate.
        """
        value = self.value(role)
        if not isinstance(value, str) or not value.lstrip().startswith("["):
            return self._checked(role, value) if isinstance(value, list) else None
        try:
            found = json.loads(value)
        except (ValueError, RecursionError) as cause:
            if _MEANT_AS_LIST.fullmatch(value.strip()):
                raise self.error(
                    f"has a list in {self.column(role)!r} that is not JSON",
                    'Write it with double quotes, such as ["a", "b"], or use JSONL or Parquet, which have lists.',
                ) from cause
            return None
        return self._checked(role, found) if isinstance(found, list) else None

    def _checked(self, role: str, value: T) -> T:
        if has_lone_surrogate(value):
            raise self.error(f"has half a surrogate pair in {self.column(role)!r}", SURROGATE_HINT)
        return value

    def error(self, what: str, hint: str) -> DataError:
        """An error about this row: the file `what` in its place."""
        return DataError(f"File {self.file} {what} in {self.place}.", hint=hint)

"""One row of a table, or one sample of a task's own layout, and where a person finds it."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tlzoo.errors import DataError
from tlzoo.io.inputs.formats import ONE_COLUMN
from tlzoo.io.texts import NUL_HINT, SURROGATE_HINT, has_lone_surrogate, is_blank, listed_names
from tlzoo.tasks.labels import plain_label

T = TypeVar("T")
_MEANT_AS_LIST = re.compile(r"""\[\s*[\["'{].*\]""", re.DOTALL)
_LITERAL = re.compile(r"\[.*\]|\(.*\)|\{.*\}", re.DOTALL)
"""A list, tuple or set as Python writes it."""
_ATOM = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|\bTrue\b|\bFalse\b|\bNone\b"""
)
"""A string, a number or a word in a list that Python writes."""
_NOT_PLAIN = re.compile(r"[^a,:\s\[\](){}]|[a\])}]\s*[a\[({]")
"""What a list of these, each an `a`, does not hold: two without a comma, which Python would join or call, and all that
makes its parser go deep."""
_DEEPEST = 20


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

    `columns` are those of the whole table, which a row of JSON lines need not have. `options` says how cells are
    written, as `tlzoo.data.Columns` has it. `used` gets the roles and options that are looked up, `spelled` the ways in
    which each label is.
    """

    file: Path
    place: str
    cells: Mapping[str, Any]
    columns: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set, compare=False, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    spelled: dict[str, set[str]] = field(default_factory=dict, compare=False, repr=False)

    def column(self, role: str) -> str:
        """What the table calls this role; raises DataError where it has no such column."""
        name = self.names.get(role, role)
        if name not in self.columns:
            there = listed_names(self.columns)
            also = f" {ONE_COLUMN}" if len(self.columns) == 1 else ""
            raise DataError(
                f"File {self.file} has no column {name!r}; it has {there}.",
                hint=f"Name the right one: {spelled_column(role, 'NAME')}{also}",
                parameter="columns",
            )
        self.used.add(role)
        return name

    def has(self, role: str) -> bool:
        """Whether the table has a column of this role."""
        return self.names.get(role, role) in self.columns

    def option(self, name: str) -> Any:
        """What is given about how cells are written; `None` where nothing is."""
        if name in self.options:
            self.used.add(name)
        return self.options.get(name)

    def label(self, role: str, value: Any) -> str:
        """A label as it is compared: a scalar as `plain_label` has it; raises DataError where nothing is left."""
        given = self.scalar(role, value)
        found = plain_label(given)
        if not found:
            raise self.error(
                f"has nothing that can be seen as {self.column(role)!r}", "Fill the cell or delete the row."
            )
        self.spelled.setdefault(found, set()).add(given)
        return found

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
        if value is None or (isinstance(value, float) and math.isnan(value)) or is_blank(str(value)):
            what = "has only blanks as" if value and isinstance(value, str) else "has no"
            raise self.error(f"{what} {column!r}", "Fill the cell or delete the row.")
        if not isinstance(value, str | int | float):
            raise self.error(f"has a {type(value).__name__} as {column!r}", "Write a string or a number.")
        return str(value)

    def listed(self, role: str) -> list[Any] | None:
        """The list in a cell, also one that is written as JSON or as Python writes lists, tuples and sets, as CSV has
        no lists; None where it holds none.

        Raises DataError for a cell that looks like a list, but is neither, and for a lone surrogate.
        """
        value = self.value(role)
        if not isinstance(value, str):
            return self._checked(role, value) if isinstance(value, list) else None
        text = value.strip()
        if not _LITERAL.fullmatch(text):
            return None
        found = _literal(text)
        if found is None and _MEANT_AS_LIST.fullmatch(text):
            raise self.error(
                f"has a list in {self.column(role)!r} that cannot be read",
                'Write it as JSON, such as ["a", "b"], or use JSONL or Parquet, which have lists.',
            )
        return None if found is None else self._checked(role, found)

    def _checked(self, role: str, value: T) -> T:
        if has_lone_surrogate(value):
            raise self.error(f"has half a surrogate pair in {self.column(role)!r}", SURROGATE_HINT)
        if isinstance(value, str) and "\0" in value:
            raise self.error(f"has a NUL byte in {self.column(role)!r}", NUL_HINT)
        return value

    def error(self, what: str, hint: str) -> DataError:
        """An error about this row: the file `what` in its place."""
        return DataError(f"File {self.file} {what} in {self.place}.", hint=hint)


def _literal(text: str) -> list[Any] | None:
    """The list that a text is, as JSON or as Python writes it; a set is sorted, as it has no order."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        try:
            found = ast.literal_eval(text) if _is_plain(text) else None
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            return None
    if isinstance(found, set):
        return sorted(found, key=str)
    return list(found) if isinstance(found, list | tuple) else None


def _is_plain(text: str) -> bool:
    """Whether Python's parser may have a text: a deep one, or a long chain, could end the process."""
    plain = _ATOM.sub("a", text)
    depth = deepest = 0
    for sign in plain:
        depth += (sign in "[({") - (sign in "])}")
        deepest = max(deepest, depth)
    return _NOT_PLAIN.search(plain) is None and deepest <= _DEEPEST

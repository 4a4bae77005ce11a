"""How tables are read, as users say it: what columns are called, and how cells are written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from typing_extensions import TypedDict  # pydantic takes the standard library's from Python 3.12 on

from tlzoo.errors import UsageError
from tlzoo.io.encodings import UsualEncoding, check_encoding
from tlzoo.io.inputs.formats import TableFormat, UsualSeparator
from tlzoo.tasks.base import Task
from tlzoo.tasks.row import spelled_column

SPLIT, GROUP, WEIGHT = "split_column", "group_column", "weight_column"
SAMPLE_COLUMNS = (SPLIT, GROUP, WEIGHT)
"""Columns that say of a sample which part it is in, which others it belongs with, and how much it counts in training.
They are no roles of a task, and are read only where they are named."""


class Columns(TypedDict, total=False):
    """What a table calls its columns, where not `text`, `path` and `label`; `others` is for those of a task's own.

    The columns of a sample's part (`train`, `validation` or `test`), group and weight have no name by default.
    How it is written, where that cannot be seen: `separator` between cells; `encoding`, where it is not UTF-8 and has
    no byte order mark; `quoting`, `none` where quotes are plain characters, `double` where they surely enclose cells;
    `decimal`, `.` or `,`, what stands before the decimals of numbers. `files` is the folder that paths are relative to,
    instead of the table's. For several labels of a sample: `label_separator` between them; `label_columns`, a column
    of zeros and ones for each; `label_names`, those of the positions in lists of zeros and ones.
    """

    text_column: str
    path_column: str
    label_column: str
    split_column: str
    group_column: str
    weight_column: str
    others: dict[str, str]
    separator: str
    encoding: str
    quoting: str
    decimal: str
    files: str
    label_separator: str
    label_columns: list[str]
    label_names: list[str]


_CHOICES = {"quoting": ("none", "double"), "decimal": (".", ",")}
_LISTS = ("label_columns", "label_names")
WRITTEN = ("separator", "encoding", "quoting", "decimal", "files", "label_separator", *_LISTS)
"""What says how cells are written, and names no column."""
_FORMS = ("label_separator", *_LISTS)
_USUAL = {"encoding": UsualEncoding, "separator": UsualSeparator}


def without(columns: Columns, *left_out: str) -> Columns:
    """The columns but for those of these keys."""
    return cast("Columns", {key: name for key, name in columns.items() if key not in left_out})


def check_columns(columns: object) -> Columns:
    """The columns as they were given, none for `None`; raises UsageError for what names no columns.

    Of how cells are written, lists may be texts with commas, a separator `tab`; `files` becomes absolute.
    """
    if columns is None:
        return {}
    others = columns.get("others", {}) if isinstance(columns, Mapping) else None
    if not isinstance(columns, Mapping) or not isinstance(others, Mapping):
        raise _wrong(columns)
    roles = {role: name for role, name in columns.items() if role not in ("others", *WRITTEN)}
    if not all(isinstance(each, str) for each in (*columns, *others, *roles.values(), *others.values())):
        raise _wrong(columns)
    written = {name: _written(name, columns[name]) for name in WRITTEN if name in columns}
    if "label_columns" in written and {"label_separator", "label_names"} & set(written):
        raise UsageError(
            "`label_columns` says all about labels.", hint="Give `label_columns` alone.", parameter="label_columns"
        )
    return cast("Columns", {**columns, **written} if written else columns)


def _written(name: str, given: Any) -> Any:
    """A value that says how cells are written; raises UsageError for one that cannot be."""
    if name in _LISTS:
        found = [each.strip() for each in given.split(",")] if isinstance(given, str) else given
        good = isinstance(found, list | tuple) and all(isinstance(each, str) and each for each in found)
        if not good or not found or len(set(found)) < len(found):
            raise _unusable(name, given, "Give different names, such as toxic,insult,spam.")
        return list(found)
    if not isinstance(given, str | os.PathLike) or not str(given):
        raise _unusable(name, given, "Give a text.")
    if name == "files":
        return os.path.abspath(given)
    text = {"tab": "\t", "\\t": "\t"}.get(str(given), str(given))
    if name in _CHOICES and text not in _CHOICES[name]:
        raise _unusable(name, given, f"Give {' or '.join(_CHOICES[name])}.")
    if name == "separator" and (len(text) != 1 or text.isalnum() or text in '"\r\n\0'):
        raise _unusable(name, given, "Give one character, such as ';', or tab.")
    return check_encoding(text) if name == "encoding" else text


def _unusable(name: str, given: object, hint: str) -> UsageError:
    return UsageError(f"`{name}` cannot be {given!r}.", hint=hint, parameter=name)


def table_format(columns: Columns, wanted: Iterable[str] = ()) -> TableFormat:
    """How a table is written, for its reader; `wanted` are columns that it may have."""
    return TableFormat(
        columns.get("separator"), columns.get("encoding"), columns.get("quoting"), tuple(dict.fromkeys(wanted))
    )


def for_other_data(known: Columns, given: Columns | None = None) -> Columns:
    """What is known of a table and `given`, for one of other data.

    The folder of its files is another; its encoding and separator may be. Whoever gives a form of several labels gives
    all of it; a column of labels takes the place of a column for each.
    """
    given = {} if given is None else given
    left_out = {"files"} | (set(_FORMS) if given.keys() & set(_FORMS) else set())
    if "label_column" in given:
        left_out.add("label_columns")
    found = {name: value for name, value in known.items() if name not in left_out}
    usual = {name: kind(found[name]) for name, kind in _USUAL.items() if name in found}
    return cast("Columns", {**found, **usual, **given})


def _wrong(columns: object) -> UsageError:
    return UsageError(
        f"`columns` cannot be {columns!r}.",
        hint="Give a mapping, such as {'label_column': 'mood'} or {'others': {'tags': 'ner_tags'}}.",
        parameter="columns",
    )


def column_names(columns: Columns) -> dict[str, str]:
    """What a table calls each role; raises UsageError for one that is named twice, and differently, and for what is no
    role among `others`."""
    named: dict[str, str] = {
        role if role in SAMPLE_COLUMNS else role.removesuffix("_column"): str(name)
        for role, name in columns.items()
        if role not in ("others", *WRITTEN)
    }
    others = columns.get("others", {})
    if misplaced := [key for key in others if key in SAMPLE_COLUMNS]:
        raise UsageError(
            f"`columns` has {misplaced[0]!r} among `others`, which are for roles of a task.",
            hint=f"Give {spelled_column(misplaced[0], others[misplaced[0]])}.",
            parameter="columns",
        )
    for role in named.keys() & others.keys():
        if named[role] != others[role]:
            raise UsageError(
                f"`columns` names the column of {role!r} twice: {named[role]!r} and {others[role]!r}.",
                hint="Give it once.",
                parameter="columns",
            )
    return {**named, **others}


def check_roles(task: Task, names: Mapping[str, str]) -> None:
    """Raise UsageError for the name of a column, by its role, that the task would not look at."""
    if strange := [role for role in names if role not in task.all_roles]:
        raise UsageError(
            f"{spelled_column(strange[0], names[strange[0]])} has no effect: {task.name} has no column role "
            f"{strange[0]!r}.",
            hint=f"Leave it out, or give: {', '.join(spelled_column(role, 'NAME') for role in task.all_roles)}.",
            parameter="columns",
        )


def check_used(columns: Columns, used: Iterable[str], data: str | Path) -> None:
    """Raise UsageError for what was given and of which nothing was read; `used` are the roles, and what says how cells
    are written, that were."""
    known = set(used)
    roles = sorted(known - set(WRITTEN))
    for role, name in column_names(columns).items():
        if role not in roles:
            raise UsageError(
                f"{spelled_column(role, name)} has no effect: {data} "
                + (f"is read by its columns {', '.join(map(repr, roles))}." if roles else "is no table with columns."),
                hint="Leave it out.",
                parameter="columns",
            )
    for written in WRITTEN:
        if written in columns and written not in known:
            raise UsageError(
                f"`{written}` has no effect: nothing in {data} is read by it.", hint="Leave it out.", parameter=written
            )

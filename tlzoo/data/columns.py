"""What tables call their columns, as users name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

from typing_extensions import TypedDict  # pydantic takes the standard library's from Python 3.12 on

from tlzoo.errors import UsageError
from tlzoo.tasks.base import Task
from tlzoo.tasks.row import spelled_column

SPLIT, GROUP, WEIGHT = "split_column", "group_column", "weight_column"
SAMPLE_COLUMNS = (SPLIT, GROUP, WEIGHT)
"""Columns that say of a sample which part it is in, which others it belongs with, and how much it counts in training.
They are no roles of a task, and are read only where they are named."""


class Columns(TypedDict, total=False):
    """What a table calls its columns, where not `text`, `path` and `label`; `others` is for those of a task's own.

    The columns of a sample's part (`train`, `validation` or `test`), group and weight have no name by default.
    """

    text_column: str
    path_column: str
    label_column: str
    split_column: str
    group_column: str
    weight_column: str
    others: dict[str, str]


def without(columns: Columns, *left_out: str) -> Columns:
    """The columns but for those of these keys."""
    return cast("Columns", {key: name for key, name in columns.items() if key not in left_out})


def check_columns(columns: object) -> Columns:
    """The columns as they were given, none for `None`; raises UsageError for what names no columns."""
    if columns is None:
        return {}
    others = columns.get("others", {}) if isinstance(columns, Mapping) else None
    if not isinstance(columns, Mapping) or not isinstance(others, Mapping):
        raise _wrong(columns)
    names = [*(name for role, name in columns.items() if role != "others"), *others.values()]
    if not all(isinstance(each, str) for each in (*columns, *others, *names)):
        raise _wrong(columns)
    return cast("Columns", columns)


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
        if role != "others"
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
    """Raise UsageError for a name of a column of which nothing was read; `used` are the roles that were."""
    known = sorted(used)
    for role, name in column_names(columns).items():
        if role not in known:
            raise UsageError(
                f"{spelled_column(role, name)} has no effect: {data} "
                + (f"is read by its columns {', '.join(map(repr, known))}." if known else "is no table with columns."),
                hint="Leave it out.",
                parameter="columns",
            )

"""What a table or a path says of a sample beside its target: its part, its group and its weight."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tlzoo.data.columns import GROUP, SPLIT, WEIGHT, Columns
from tlzoo.data.samples import Part, RawInput, Samples, TrainTestSamples
from tlzoo.errors import DataError, UsageError
from tlzoo.io.texts import input_name, listed_names
from tlzoo.tasks.numbers import decimal_of, plain_number
from tlzoo.tasks.row import Row, spelled_column

FOLDER = "folder"
"""Groups by the folder that a sample's file lies in."""
SPELLED: Mapping[str, Part] = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validate": "validation", "validation": "validation",
    "dev": "validation", "devel": "validation", "development": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
"""How tables call the parts, in capitals or not."""
_LEAST, _MOST = 1e-12, 1e12
"""Between what weights lie, so that no sum of theirs is infinite or lost to float32."""


@dataclass(frozen=True)
class SampleFacts:
    """What the data says of one sample where it was asked for that."""

    part: Part | None = None
    group: str | None = None
    weight: float | None = None


@dataclass(frozen=True)
class WantedFacts:
    """What is asked of each sample: the columns of these `roles`, of which `optional` ones may be missing, and the
    groups of files by `group_by`."""

    roles: tuple[str, ...]
    optional: frozenset[str]
    group_by: str | None

    def without_parts(self) -> WantedFacts:
        """The same but for the column of parts."""
        return replace(self, roles=tuple(role for role in self.roles if role != SPLIT))

    def of_file(self, file: str | os.PathLike[str], root: Path, *, classes: bool) -> SampleFacts:
        """What a file's path below `root` says; raises DataError for a file without a group (see `group_of_file`)."""
        return SampleFacts(group=self.group_by and group_of_file(file, root, self.group_by, classes=classes))

    def of_row(self, row: Row, file: RawInput | None) -> SampleFacts:
        """What a row says, and the path of its file, of several the first; raises DataError naming what cannot be."""
        found = facts_of_row(row, [role for role in self.roles if row.has(role) or role not in self.optional])
        if self.group_by is None or file is None:
            return found
        first = file if isinstance(file, str) else file[0]
        return replace(found, group=self.of_file(first, row.file.parent, classes=False).group)


NO_FACTS = WantedFacts((), frozenset(), None)


def facts_of_row(row: Row, asked: Sequence[str]) -> SampleFacts:
    """What a row's columns of these roles hold; raises DataError naming a cell that cannot be."""
    return SampleFacts(
        _part(row) if SPLIT in asked else None,
        _group(row) if GROUP in asked else None,
        _weight(row) if WEIGHT in asked else None,
    )


def with_facts(samples: Samples, facts: Sequence[SampleFacts]) -> Samples:
    """The samples with what the data says of each."""
    found: dict[str, Any] = {}
    for name, one in (("groups", "group"), ("weights", "weight"), ("parts", "part")):
        values = tuple(getattr(each, one) for each in facts)
        if values and None not in values:
            found[name] = values
    return replace(samples, **found)


def _part(row: Row) -> Part:
    cell = row.text(SPLIT).strip()
    if cell.lower() not in SPELLED:
        raise row.error(
            f"has {cell[:80]!r} in {row.column(SPLIT)!r}, which names no part,", "Write train, validation or test."
        )
    return SPELLED[cell.lower()]


def _group(row: Row) -> str:
    value = row.value(GROUP)
    if isinstance(value, float) and value.is_integer():  # as a column of numbers with gaps has them
        return str(int(value))
    return row.text(GROUP).strip()


def _weight(row: Row) -> float:
    cell, value = row.text(WEIGHT).strip(), row.value(WEIGHT)
    found = plain_number(cell, decimal_of(row, value))
    try:
        weight = math.nan if "_" in found or isinstance(value, bool) else float(found)
    except ValueError:
        weight = math.nan
    nothing = weight == 0 and not re.search("[1-9]", found.lower().partition("e")[0])  # 1e-400 is 0 to Python
    if not (nothing or _LEAST <= weight <= _MOST):
        raise row.error(
            f"has {cell[:80]!r} in {row.column(WEIGHT)!r}, which is no weight,",
            f"Write 0, or a number between {_LEAST:g} and {_MOST:g}.",
        )
    return weight


def check_group_by(group_by: str | None, columns: Columns) -> None:
    """Raise UsageError for a rule of groups that is neither `folder` nor a pattern with one group, or one too many."""
    if group_by is None:
        return
    if GROUP in columns:
        raise UsageError(
            f"`group_by={group_by!r}` and {spelled_column(GROUP, columns['group_column'])} both say what groups are.",
            hint="Leave one of them out.",
            parameter="group_by",
        )
    if group_by == FOLDER:
        return
    example = r"Give folder, or a regular expression with one group in parentheses, such as 'patient(\d+)'."
    try:
        count = re.compile(group_by).groups
    except re.error as cause:
        raise UsageError(
            f"`group_by={group_by!r}` is no regular expression: {cause}.", hint=example, parameter="group_by"
        ) from cause
    if count != 1:
        what = f"{count} groups" if count else "no group"
        raise UsageError(f"`group_by={group_by!r}` has {what} in parentheses.", hint=example, parameter="group_by")


def group_of_file(file: str | os.PathLike[str], root: Path, group_by: str, *, classes: bool) -> str:
    """The group of a file below `root`, by a rule that `check_group_by` let pass.

    `folder` is the folder below that of the class where `root` has a folder of each class (`classes`), else the folder
    that the file lies in. Raises DataError for a file without a group.
    """
    inside = Path(os.path.relpath(file, root))
    if group_by == FOLDER:
        folders = inside.parts[1:-1] if classes else inside.parts[:-1]
        if folders:
            return folders[0] if classes else "/".join(folders)
        raise DataError(
            f"File {file} has no group: it lies in no folder{' below that of its class' if classes else ''}.",
            hint="Put the files of each group in a folder of their own.",
        )
    found = re.search(group_by, inside.as_posix())
    if found is None or not found[1]:
        raise DataError(
            f"File {file} has no group: {group_by!r} is not found in {inside.as_posix()!r}.",
            hint="Give a pattern that all paths match.",
        )
    return found[1]


def divide(collection: TrainTestSamples, place: Path, column: str, *, training: bool) -> TrainTestSamples:
    """The samples in the parts that the column says; not for `training`, those for the test and the others.

    Raises DataError where the data has a test part beside, and for training where no row is.
    """
    samples, given = collection.train, collection.test
    if not samples.parts:
        return collection
    at: dict[Part, list[int]] = {"train": [], "validation": [], "test": []}
    for position, part in enumerate(samples.parts):
        at[part].append(position)
    if training and not at["train"]:
        raise DataError(
            f"{place} has no row for training: none has train in {column!r}.",
            hint="Write train, validation or test in each row.",
        )
    if given is not None and at["test"]:
        raise DataError(
            f"{place} has a test part, and {len(at['test'])} rows with test in {column!r}.", hint="Keep one of them."
        )
    if not training:
        others = sorted(at["train"] + at["validation"])
        at = {"train": others or at["test"], "validation": [], "test": at["test"] if others else []}
    train, validation, test = (replace(samples.subset(each), parts=()) for each in at.values())
    return TrainTestSamples(train, test if at["test"] else given, validation if at["validation"] else None)


def check_merged(samples: Samples, path: Path) -> None:
    """Raise DataError where rows of the same input say different things of it."""
    for what, values in (("groups", samples.groups), ("weights", samples.weights), ("parts", samples.parts)):
        found: dict[RawInput, set[Any]] = {}
        for given, value in zip(samples.inputs, values, strict=False):
            found.setdefault(given, set()).add(value)
        for given, different in found.items():
            if len(different) > 1:
                shown = listed_names(sorted(map(str, different)))
                raise DataError(
                    f"File {path} gives {input_name(given)!r} different {what}: {shown}.",
                    hint="Rows of one input are one sample: give them the same.",
                )

"""What a data set is divided into: training, validation and held-out samples, stratified."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlzoo.data.columns import Columns
from tlzoo.data.reading import read, unseen_labels
from tlzoo.data.samples import Samples
from tlzoo.errors import DataError, UsageError, concerning
from tlzoo.progress import working
from tlzoo.tasks.base import Task
from tlzoo.tasks.contract import task_error

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.2


@dataclass(frozen=True)
class SampleSplits:
    """Training, validation and test samples of one data set; whether the last were `held_out` here, or given."""

    train: Samples
    validation: Samples
    test: Samples
    held_out: bool = True


def read_splits(
    path: str | Path,
    test: str | Path | None,
    task: Task,
    columns: Columns,
    seed: int,
    endings: tuple[str, ...] = (),
    *,
    used: set[str] | None = None,
) -> SampleSplits:
    """Read data labelled for `task`; without a test set a fifth is for testing, and a fifth of the rest for validation.
    `used` gets the roles of the columns that were read.

    Raises DataError for data that does not suit the task, such as labels that only the test set has.
    """
    with working(f"Reading {path}"), concerning("data", DataError):
        collection = read(path, task, columns=columns, training=True, endings=endings, used=used)
    train, held = collection.train, collection.test
    if test is not None:
        with concerning("test", DataError):
            other = read(test, task, columns=columns, endings=endings, used=used)
        held = other.test or other.train
    given = held is not None
    if held is None:
        train, held = split(train, TEST_SHARE, seed, task)
    if names := unseen_labels(train, held, task):
        raise DataError(
            f"The test data has labels that are not in the training data: {names}.",
            hint="Add training samples with these labels, or remove them from the test data.",
        )
    rest, validation = split(train, VALIDATION_SHARE, seed, task)
    return SampleSplits(rest, validation, held, not given)


def split(samples: Samples, share: float, seed: int, task: Task) -> tuple[Samples, Samples]:
    """Divide into (rest, part), `part` being about `share` of the samples, or where the task groups them of each group.

    Where it does, both halves hold each group at least once; else the rest holds each label of the targets at least
    once. The same samples, share and seed give the same split; within each half the order of `samples` is kept. Raises
    UsageError unless 0 < share < 1, and DataError where that cannot be, naming a label that has fewer than 2 samples.
    """
    if not 0 < share < 1:
        raise UsageError(
            f"The held-out share must be between 0 and 1, not {share}.", hint="Try 0.2.", parameter="share"
        )
    generator = np.random.default_rng(seed)
    groups = [None if samples.targets is None else task.group(target) for target in samples.targets or samples.inputs]
    if task.plugin and (strange := [group for group in groups if not _hashable(group)]):
        raise task_error(
            task, f"cannot be used: `group` returns {strange[0]!r}, which is not hashable, as a string or a tuple is."
        )
    labels = [task.labels_in(target) for target in samples.targets or ()]
    if any(labels) and None in groups:
        part = _multilabel_split(labels, share, generator)
    else:
        part = _stratified(groups, share, generator)
    chosen = set(part)
    return samples.subset(i for i in range(len(samples)) if i not in chosen), samples.subset(sorted(part))


def _hashable(group: object) -> bool:
    try:
        hash(group)
    except TypeError:
        return False
    return True


def _stratified(groups: Sequence[Hashable | None], share: float, generator: np.random.Generator) -> list[int]:
    """Positions of `share` of each group's samples."""
    positions: dict[Hashable | None, list[int]] = defaultdict(list)
    for position, group in enumerate(groups):
        positions[group].append(position)
    part: list[int] = []
    for group in sorted(positions, key=lambda group: "" if group is None else str(group)):
        members = positions[group]
        if len(members) < 2:
            what = "Only 1 sample is left" if group is None else f"Label {group!r} has only 1 sample"
            raise DataError(f"{what}, too few to split.", hint="Add samples, or give a separate test set.")
        taken = min(len(members) - 1, max(1, int(len(members) * share + 0.5)))
        part += generator.permutation(members).tolist()[:taken]
    return part


def _multilabel_split(labels: Sequence[Sequence[str]], share: float, generator: np.random.Generator) -> list[int]:
    """Random positions, about `share` of all, none of which is the last left with one of its labels."""
    left = Counter(label for row in labels for label in row)
    wanted = min(len(labels) - 1, max(1, int(len(labels) * share + 0.5)))
    part: list[int] = []
    for position in generator.permutation(len(labels)).tolist():
        if len(part) < wanted and all(left[label] > 1 for label in labels[position]):
            part.append(position)
            left.subtract(labels[position])
    if not part:
        raise DataError(
            "No sample can be held out: every sample has a label that occurs only once.",
            hint="Add samples, or give a separate test set.",
        )
    return part

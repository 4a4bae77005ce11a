"""What a data set is divided into: training, validation and held-out samples, stratified."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tlzoo.data.columns import Columns
from tlzoo.data.contents import keep_part, unseen_labels
from tlzoo.data.reading import read
from tlzoo.data.samples import Samples, content_digests
from tlzoo.errors import DataError, UsageError, concerning
from tlzoo.io.inputs.report import NOTHING, Overlap, ReadReport, Skip
from tlzoo.progress import working
from tlzoo.tasks.base import Task
from tlzoo.tasks.contract import task_error
from tlzoo.tasks.labels import means_numbers

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.2


@dataclass(frozen=True)
class SampleSplits:
    """Training, validation and test samples of one data set; whether the last were `held_out` here, or given.

    `reports` say what was read of the `data`, and of a `test` set where one was given.
    """

    train: Samples
    validation: Samples
    test: Samples
    held_out: bool = True
    reports: Mapping[str, ReadReport] = field(default_factory=dict)


def read_splits(
    path: str | Path,
    test: str | Path | None,
    task: Task,
    columns: Columns,
    seed: int,
    endings: tuple[str, ...] = (),
    *,
    together: bool = True,
    skip: Skip = NOTHING,
) -> SampleSplits:
    """Read data labelled for `task`; without a test set a fifth is for testing, and a fifth of the rest for validation.
    What `skip` leaves out is so before anything is split. `together=False` splits as runs of older versions did, which
    let copies lie in both.

    Raises DataError for data that does not suit the task, such as labels that only the test set has.
    """
    reports = {"data": ReadReport()}
    with working(f"Reading {path}"), concerning("data", DataError):
        collection = read(
            path, task, columns=columns, training=True, endings=endings, report=reports["data"], skip=skip
        )
    train, held = collection.train, collection.test
    if test is not None:
        keep_part(collection, task, reports["data"], test=False)
        with concerning("test", DataError):
            reports["test"] = ReadReport()
            other = read(test, task, columns=columns, endings=endings, report=reports["test"], skip=skip)
        held = keep_part(other, task, reports["test"], test=True)
    given = held is not None
    with concerning("data", DataError):
        _check_enough(train, task, path, 2 if given else 3)
    if held is None:
        train, held = split(train, TEST_SHARE, seed, task, together=together)
    if names := unseen_labels(train, held, task):
        raise DataError(
            f"The test data has labels that are not in the training data: {names}.",
            hint="Add training samples with these labels, or remove them from the test data.",
        )
    if given:
        reports["data" if test is None else "test"].overlap = _overlap(train, held)
    rest, validation = split(train, VALIDATION_SHARE, seed, task, together=together)
    return SampleSplits(rest, validation, held, not given, reports)


def _overlap(train: Samples, held: Samples) -> Overlap:
    known = set(content_digests(train.inputs, train.modality))
    return Overlap(sum(each in known for each in content_digests(held.inputs, held.modality)), len(held))


def _check_enough(train: Samples, task: Task, path: str | Path, needed: int) -> None:
    """Raise DataError naming each label with fewer samples than one for training and each part that is split off."""
    groups = [task.group(target) for target in train.targets or ()]
    if not all(map(_hashable, groups)):
        return  # `split` names the plugin
    counts = Counter(groups)
    short = {str(group): count for group, count in counts.items() if group is not None and count < needed}
    if not short:
        return
    shown = [
        f"{group[:80]!r} has {count} {'sample' if count == 1 else 'samples'}"
        for group, count in list(short.items())[:5]
    ]
    more = f" and {len(short) - 5} other labels" if len(short) > 5 else ""
    parts = "for training, validation and testing" if needed > 2 else "for training and validation"
    texts = len(short) > 5 and len(counts) > len(train) / 2
    raise DataError(
        f"{path} has too few samples of some labels: {', '.join(shown)}{more}. {needed} of each are needed, {parts}.",
        hint="Add samples of these labels, or leave them out."
        + (" Or is another column that of the labels? Name it with `columns`." if texts else "")
        + (" To predict numbers, choose `task='regression'`." if means_numbers(list(map(str, groups))) else ""),
    )


def split(samples: Samples, share: float, seed: int, task: Task, *, together: bool = True) -> tuple[Samples, Samples]:
    """Divide into (rest, part), `part` being about `share` of the samples, or where the task groups them of each group.

    Where it does, both halves hold each group at least once; else the rest holds each label of the targets at least
    once. Samples of the same content stay in one half, unless `together=False`. The same samples, share and seed give
    the same split; within each half the order of `samples` is kept. Raises UsageError unless 0 < share < 1, and
    DataError where that cannot be, naming a label that has fewer than 2 samples, or 2 of different contents.
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
    copies = _copies(samples) if together else [[at] for at in range(len(samples))]
    if any(labels) and None in groups:
        part = _multilabel_split(labels, copies, share, generator)
    else:
        part = _stratified(groups, copies, share, generator)
    chosen = set(part)
    return samples.subset(i for i in range(len(samples)) if i not in chosen), samples.subset(sorted(part))


def _hashable(group: object) -> bool:
    try:
        hash(group)
    except TypeError:
        return False
    return True


def _copies(samples: Samples) -> list[list[int]]:
    """The positions of each content, in the order of the first."""
    found: dict[bytes, list[int]] = defaultdict(list)
    for position, digest in enumerate(content_digests(samples.inputs, samples.modality)):
        found[digest].append(position)
    return list(found.values())


def _stratified(
    groups: Sequence[Hashable | None], copies: Sequence[Sequence[int]], share: float, generator: np.random.Generator
) -> list[int]:
    """Positions of `share` of each group's samples; a sample is of the group of the first of its copies."""
    members: dict[Hashable | None, list[Sequence[int]]] = defaultdict(list)
    for positions in copies:
        members[groups[positions[0]]].append(positions)
    part: list[int] = []
    for group in sorted(set(groups), key=lambda group: "" if group is None else str(group)):
        inside = members[group]
        count = sum(map(len, inside))
        if len(inside) < 2:
            raise DataError(_too_few(group, len(inside), count), hint="Add samples, or give a separate test set.")
        taken = min(count - 1, max(1, int(count * share + 0.5)))
        held: list[int] = []
        for number, at in enumerate(generator.permutation(len(inside)).tolist(), start=1):
            if len(held) < taken and number < len(inside):
                held += inside[at]
        part += held
    return part


def _too_few(group: Hashable | None, contents: int, count: int) -> str:
    if not contents:
        return f"Every sample of label {group!r} is a copy of one of another label, so none can be split off."
    what = "Only 1 sample is left" if group is None else f"Label {group!r} has only 1 sample"
    return f"{what}{f' ({count} copies of it)' if count > 1 else ''}, too few to split."


def _multilabel_split(
    labels: Sequence[Sequence[str]],
    copies: Sequence[Sequence[int]],
    share: float,
    generator: np.random.Generator,
) -> list[int]:
    """Random positions, about `share` of all, none of which is the last left with one of its labels."""
    left = Counter(label for row in labels for label in row)
    wanted = min(len(labels) - 1, max(1, int(len(labels) * share + 0.5)))
    part: list[int] = []
    for at in generator.permutation(len(copies)).tolist():
        inside = Counter(label for position in copies[at] for label in labels[position])
        if len(part) < wanted and all(left[label] > count for label, count in inside.items()):
            part += copies[at]
            left.subtract(inside)
    if not part:
        raise DataError(
            "No sample can be held out: every sample has a label that occurs only once"
            f"{', copies aside' if len(copies) < len(labels) else ''}.",
            hint="Add samples, or give a separate test set.",
        )
    return part

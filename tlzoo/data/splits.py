"""What a data set is divided into: training, validation and held-out samples, stratified."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tlzoo.data.columns import GROUP, SPLIT, WEIGHT, Columns, without
from tlzoo.data.contents import keep_part, unseen_labels
from tlzoo.data.grouping import check_apart, check_folds, group_counts, joined, split_groups
from tlzoo.data.label_checks import check_no_unseen, check_weights
from tlzoo.data.reading import read
from tlzoo.data.samples import Samples, TrainTestSamples, content_digests
from tlzoo.errors import DataError, UsageError, concerning
from tlzoo.io.inputs.report import NOTHING, Overlap, ReadReport, Skip
from tlzoo.progress import say, working
from tlzoo.tasks.base import Target, Task
from tlzoo.tasks.contract import task_error
from tlzoo.tasks.labels import means_numbers
from tlzoo.tasks.row import spelled_column

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.2


@dataclass(frozen=True)
class SampleSplits:
    """Training, validation and test samples of one data set; whether the latter two were split off it here, or given.

    `reports` say what was read of the `data`, and of a `test` and a `validation` set where they were given.
    """

    train: Samples
    validation: Samples
    test: Samples
    held_out: bool = True
    reports: Mapping[str, ReadReport] = field(default_factory=dict)
    own_validation: bool = False

    def by_name(self) -> dict[str, Samples]:
        """The parts by name."""
        return {"training": self.train, "validation": self.validation, "test": self.test}

    def groups(self) -> dict[str, int]:
        """How many groups each part has; empty where there are none."""
        return group_counts(self.by_name())


@dataclass(frozen=True)
class _Reading:
    """How the data of a split is read, and its parts are split off."""

    path: str | Path
    task: Task
    columns: Columns
    endings: tuple[str, ...]
    group_by: str | None
    seed: int
    together: bool
    skip: Skip

    def of(self, path: str | Path, report: ReadReport, columns: Columns, **more: Any) -> TrainTestSamples:
        """What one data set holds."""
        how: dict[str, Any] = {"endings": self.endings, "group_by": self.group_by, "skip": self.skip, **more}
        return read(path, self.task, columns=columns, report=report, **how)

    def split(self, samples: Samples, share: float) -> tuple[Samples, Samples]:
        """The rest, and a part that is split off."""
        with concerning("data", DataError):
            return split(samples, share, self.seed, self.task, together=self.together)

    def split_three(self, samples: Samples) -> list[Samples]:
        """Training, validation and test samples of whole groups, dealt together: few groups leave few ways."""
        rest, random = 1 - TEST_SHARE, np.random.default_rng(self.seed)
        shares = (rest * (1 - VALIDATION_SHARE), rest * VALIDATION_SHARE, TEST_SHARE)
        with concerning("data", DataError):
            return split_by_groups(samples, shares, random, self.task)


def read_splits(
    path: str | Path,
    test: str | Path | None,
    task: Task,
    columns: Columns,
    seed: int,
    endings: tuple[str, ...] = (),
    *,
    validation: str | Path | None = None,
    group_by: str | None = None,
    together: bool = True,
    skip: Skip = NOTHING,
) -> SampleSplits:
    """Read data labelled for `task`, with what it says of parts, groups and weights (see `tlzoo.data.sample_columns`).

    Without a test part or set a fifth is for testing, and without one for validation a fifth of the rest. Samples of a
    group stay in one part. What `skip` leaves out is so before anything is split. `together=False` splits as runs of
    older versions did, which let copies lie in both.

    Raises DataError for data that does not suit the task, such as labels that only the test set has, and for a group in
    two parts; UsageError for a part that is given twice.
    """
    reading = _Reading(path, task, columns, endings, group_by, seed, together, skip)
    reports = {"data": ReadReport()}
    apart = [each for each in (test, validation) if each is not None]
    with working(f"Reading {path}"), concerning("data", DataError):
        data = reading.of(path, reports["data"], columns, training=True, apart=apart)
    if group_by is not None and not data.train.groups:
        raise UsageError(
            f"`group_by={group_by!r}` has no effect: {path} is a table of texts, which have no files.",
            hint=f"Name a column of groups with {spelled_column(GROUP, 'NAME')}.",
            parameter="group_by",
        )
    _check_given_once(data, {"test": test, "validation": validation}, columns)
    held, valid = data.test, data.validation
    if test is not None:
        keep_part(data, task, reports["data"], test=False)
        with concerning("test", DataError):
            reports["test"] = ReadReport()
            named = without(columns, SPLIT, WEIGHT)
            found = reading.of(test, reports["test"], named, optional=(GROUP,))
        held = keep_part(found, task, reports["test"], test=True)
    if validation is not None:
        with concerning("validation", DataError):
            reports["validation"] = ReadReport()
            named = without(columns, SPLIT)
            found = reading.of(validation, reports["validation"], named, optional=(GROUP,))
        valid = keep_part(found, task, reports["validation"], test=False)
    if held is not None:
        reports["data" if test is None else "test"].overlap = _overlap([data.train, valid], held)
    divided = SPLIT in reports["data"].roles
    return replace(_split_off(reading, data.train, held, valid, divided), reports=reports)


def _overlap(known: Sequence[Samples | None], held: Samples) -> Overlap:
    contents = {each for part in known if part for each in content_digests(part.inputs, part.modality)}
    return Overlap(sum(each in contents for each in content_digests(held.inputs, held.modality)), len(held))


def check_enough_folds(parts: SampleSplits, folds: int) -> None:
    """Raise UsageError for more folds than the samples that are cross-validated have groups, or differ."""
    some = [part for part in parts.by_name().values() if parts.held_out or part is not parts.test]
    contents = [digest for part in some for digest in content_digests(part.inputs, part.modality)]
    groups = [group for part in some for group in part.groups]
    keys = [contents, groups] if len(groups) == len(contents) else [contents]
    check_folds(folds, len(joined(*keys)), grouped=len(keys) > 1)


def validation_copies(parts: SampleSplits) -> int:
    """How many validation samples that were given have the content of a training sample."""
    if not parts.own_validation:
        return 0
    known = set(content_digests(parts.train.inputs, parts.train.modality))
    return sum(each in known for each in content_digests(parts.validation.inputs, parts.validation.modality))


def _check_given_once(data: TrainTestSamples, given: Mapping[str, str | Path | None], columns: Columns) -> None:
    """Raise UsageError for a part that the split column says and that is given beside."""
    for part, place in given.items():
        if place is not None and SPLIT in columns and getattr(data, part) is not None:
            column = spelled_column(SPLIT, columns["split_column"])
            raise UsageError(
                f"`{part}={str(place)!r}` contradicts {column}, which has {part} rows.",
                hint="Leave one of them out.",
                parameter=part,
            )


def _split_off(
    reading: _Reading, train: Samples, held: Samples | None, valid: Samples | None, divided: bool
) -> SampleSplits:
    """The three parts, those that are missing split off the training samples; said where a column was to divide
    them."""
    task, given, own = reading.task, held is not None, valid is not None
    missing = [part for part, there in (("validation", own), ("testing", given)) if not there]
    with concerning("data", DataError):
        check_weights(train, valid, reading.path, reading.task)
        if train.groups:
            check_apart({name: part for name, part in _named(train, valid, held).items() if part is not None})
            _check_enough_groups(train, reading.path, missing)
        else:
            _check_enough(train, task, reading.path, missing)
    for part in missing if divided else ():
        column = reading.columns["split_column"]
        say(f"{reading.path}: no row is for {part} in {column!r}: a fifth of the training rows is taken.")
    if train.groups and held is None and valid is None:
        train, valid, held = reading.split_three(train)
    if held is None:
        train, held = reading.split(train, TEST_SHARE)
    check_no_unseen(train, held, task, "test")
    if valid is None:
        train, valid = reading.split(train, VALIDATION_SHARE)
    check_no_unseen(train, valid, task, "validation")
    parts = SampleSplits(train, valid, held, not given, own_validation=own)
    if train.groups:
        _note_groups(parts, task)
    return parts


def _note_groups(parts: SampleSplits, task: Task) -> None:
    """Say what whole groups, or parts without any, leave uncertain."""
    for name, part, split_off in (
        ("validation", parts.validation, not parts.own_validation),
        ("test", parts.test, parts.held_out),
    ):
        if not part.groups:
            say(f"Whether groups of the {name} data are in the training data is not known: it names none.")
        elif split_off and (names := unseen_labels(part, parts.train, task)):
            say(f"The {name} data lacks labels that are in too few groups: {names}.")


def _named(train: Samples, valid: Samples | None, held: Samples | None) -> dict[str, Samples | None]:
    return {"training": train, "validation": valid, "test": held}


def _check_enough_groups(train: Samples, path: str | Path, missing: Sequence[str]) -> None:
    """Raise DataError where there are fewer groups than one for training and each part that is split off."""
    groups, needed = len(set(train.groups)), 1 + len(missing)
    if groups < needed:
        raise DataError(
            f"{path} has {groups} group{'s' * (groups != 1)} of training samples; {needed} are needed, for "
            f"{_listed(['training', *missing])}.",
            hint="Add samples of other groups, or give the parts: `test`, `validation`.",
        )


def _listed(names: Sequence[str]) -> str:
    return " and ".join([*([", ".join(names[:-1])] if len(names) > 1 else []), names[-1]])


def _check_enough(train: Samples, task: Task, path: str | Path, missing: Sequence[str]) -> None:
    """Raise DataError naming each label with fewer samples than one for training and each part that is split off."""
    needed = 1 + len(missing)
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
    parts = f"for {_listed(['training', *missing])}"
    texts = len(short) > 5 and len(counts) > len(train) / 2
    raise DataError(
        f"{path} has too few samples of some labels: {', '.join(shown)}{more}. {needed} of each are needed, {parts}.",
        hint="Add samples of these labels, or leave them out."
        + (" Or is another column that of the labels? Name it: `columns={'label_column': 'NAME'}`." if texts else "")
        + (" To predict numbers, choose `task='regression'`." if means_numbers(list(map(str, groups))) else ""),
    )


def split(samples: Samples, share: float, seed: int, task: Task, *, together: bool = True) -> tuple[Samples, Samples]:
    """Divide into (rest, part), `part` being about `share` of the samples, or where the task groups them of each group.

    Where it does, both halves hold each group at least once; else the rest holds each label of the targets at least
    once. Samples of the same content stay in one half, unless `together=False`, and so do those of a group where the
    samples have groups: then halves keep labels in proportion as well as whole groups allow. The same samples, share
    and seed give the same split; within each half the order of `samples` is kept. Raises UsageError unless 0 < share
    < 1, and DataError where that cannot be, naming a label that has fewer than 2 samples, or 2 of different contents.
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
    if samples.groups:
        rest, held = split_by_groups(samples, (1 - share, share), generator, task)
        return rest, held
    copies = _copies(samples) if together else [[at] for at in range(len(samples))]
    if any(labels) and None in groups:
        part = _multilabel_split(labels, copies, share, generator)
    else:
        part = _stratified(groups, copies, share, generator)
    chosen = set(part)
    return samples.subset(i for i in range(len(samples)) if i not in chosen), samples.subset(sorted(part))


def split_by_groups(
    samples: Samples, shares: Sequence[float], generator: np.random.Generator, task: Task
) -> list[Samples]:
    """Parts of about these shares: no group, and no copy of a sample, is in two, and the first has each label.

    Raises DataError where there are too few groups.
    """
    with working("Dividing the groups"):
        units = joined(samples.groups, content_digests(samples.inputs, samples.modality))
        labels = strata(task, samples.targets or [None] * len(samples))
        return [samples.subset(part) for part in split_groups(units, labels, shares, generator)]


def strata(task: Task, targets: Sequence[Target | None]) -> list[Sequence[Hashable]]:
    """What whole groups keep in proportion: the labels of each target, or what the task groups it by."""

    def of(target: Target | None) -> Sequence[Hashable]:
        if target is None:
            return ()
        found = tuple(task.labels_in(target))
        return found or tuple(each for each in (task.group(target),) if each is not None)

    return [of(target) for target in targets]


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

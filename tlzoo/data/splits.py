"""What a data set is divided into: training, validation and held-out samples, stratified."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlzoo.data.reading import Columns, read
from tlzoo.data.samples import Collection, Kind, Samples, labels_in
from tlzoo.errors import DataError, UsageError
from tlzoo.tasks import family, modality

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.2


@dataclass(frozen=True)
class Parts:
    """Training, validation and held-out samples of one data set."""

    train: Samples
    validation: Samples
    test: Samples


def read_parts(
    path: str | Path, test: str | Path | None, task: str, columns: Columns, seed: int, endings: tuple[str, ...] = ()
) -> Parts:
    """Read data labelled for `task`; without a test set a fifth is for testing, and a fifth of the rest for validation.

    Raises DataError for data that does not suit the task, such as labels that only the test set has.
    """
    sort, kind = modality(task), family(task).kind
    collection: Collection = read(path, sort, kind=kind, endings=endings, **columns)
    train, held = collection.train, collection.test
    if test is not None:
        other = read(test, sort, minimum_classes=1, kind=kind, endings=endings, **columns)
        held = other.test or other.train
    if held is None:
        train, held = split(train, TEST_SHARE, seed, kind)
    assert train.labels is not None
    assert held.labels is not None
    labels_of = family(task).labels_of
    if strange := sorted(set(labels_of(held.labels, "")) - set(labels_of(train.labels, ""))):
        raise DataError(
            f"The test data has labels that training never saw: {', '.join(map(repr, strange[:5]))}.",
            hint="Add training samples of them, or remove them from the test data.",
        )
    rest, validation = split(train, VALIDATION_SHARE, seed, kind)
    return Parts(rest, validation, held)


def split(samples: Samples, share: float, seed: int, kind: Kind = "single") -> tuple[Samples, Samples]:
    """Divide into (rest, part), `part` being about `share` of the samples, or with single labels of every label.

    With single labels both halves hold each label at least once; with several labels per sample the rest holds each
    at least once. The same samples, share and seed give the same split; within each half the order of `samples` is
    kept. Raises UsageError unless 0 < share < 1, and DataError where that cannot be, naming a label that has fewer
    than 2 samples.
    """
    if not 0 < share < 1:
        raise UsageError(f"A share of {share} cannot be split off.", hint="Give a number between 0 and 1, such as 0.2.")
    generator = np.random.default_rng(seed)
    if kind == "multilabel":
        part = _spare(samples, share, generator)
    else:
        part = _of_every_label(samples, share, generator, stratified=kind == "single")
    chosen = set(part)
    return samples.subset(i for i in range(len(samples)) if i not in chosen), samples.subset(sorted(part))


def _of_every_label(samples: Samples, share: float, generator: np.random.Generator, stratified: bool) -> list[int]:
    """Positions of `share` of each label's samples; of all samples alike where not `stratified`."""
    stratified = stratified and samples.labels is not None
    positions: dict[str, list[int]] = defaultdict(list)
    for position in range(len(samples)):
        positions[samples.labels[position] if stratified and samples.labels else ""].append(position)
    part: list[int] = []
    for label in sorted(positions):
        members = positions[label]
        if len(members) < 2:
            of = f"Label {label!r} has" if stratified else "The data has"
            raise DataError(
                f"{of} only 1 sample, too few to hold any out.", hint="Add samples, or bring a test set of your own."
            )
        taken = min(len(members) - 1, max(1, int(len(members) * share + 0.5)))
        part += generator.permutation(members).tolist()[:taken]
    return part


def _spare(samples: Samples, share: float, generator: np.random.Generator) -> list[int]:
    """Random positions, about `share` of all, none of which is the last left with one of its labels."""
    labels = [labels_in(cell) for cell in samples.labels or [""] * len(samples)]
    left = Counter(label for row in labels for label in row)
    wanted = min(len(samples) - 1, max(1, int(len(samples) * share + 0.5)))
    part: list[int] = []
    for position in generator.permutation(len(samples)).tolist():
        if len(part) < wanted and all(left[label] > 1 for label in labels[position]):
            part.append(position)
            left.subtract(labels[position])
    if not part:
        raise DataError(
            "No sample can be held out: each has a label that no other has.",
            hint="Add samples, or bring a test set of your own.",
        )
    return part

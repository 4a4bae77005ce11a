"""Samples, their stratified split and their fingerprint."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from tlzoo.data.tables import LABEL_SEPARATOR
from tlzoo.errors import DataError, InputError, UsageError

Kind = Literal["single", "multilabel", "regression"]
"""What a sample is labelled with: one label, any number of labels (`a;b`), a number."""


@dataclass(frozen=True)
class Samples:
    """`inputs` are absolute file paths, for `text` the texts themselves.

    `labels` has one string per input, as `Kind` says, or is `None` where the data is unlabelled.
    """

    inputs: tuple[str, ...]
    labels: tuple[str, ...] | None
    modality: str

    def __len__(self) -> int:
        return len(self.inputs)

    def subset(self, indices: Iterable[int]) -> Samples:
        """The samples at these positions, in this order."""
        chosen = [int(i) for i in indices]
        labels = None if self.labels is None else tuple(self.labels[i] for i in chosen)
        return Samples(tuple(self.inputs[i] for i in chosen), labels, self.modality)


@dataclass(frozen=True)
class Collection:
    """What one data set holds: samples to train on and, where it brings them, samples to test on."""

    train: Samples
    test: Samples | None


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


def labels_in(cell: str) -> list[str]:
    """The labels of a sample that may have several, written `a;b`."""
    return cell.split(LABEL_SEPARATOR) if cell else []


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


def fingerprint(samples: Samples) -> str:
    """SHA-256 (hex) over modality, labels and contents in order: the same wherever the files lie, whatever their names.

    Raises InputError naming a file that cannot be read.
    """
    digest = hashlib.sha256(f"{samples.modality} {len(samples)} {samples.labels is not None}\n".encode())
    for position, content in enumerate(contents(samples.inputs, samples.modality)):
        label = "" if samples.labels is None else samples.labels[position]
        digest.update(hashlib.sha256(label.encode("utf-8", "surrogatepass")).digest() + content)
    return digest.hexdigest()


def contents(inputs: Sequence[str], modality: str) -> list[bytes]:
    """SHA-256 of each text, or of each file's bytes; raises InputError naming a file that cannot be read."""
    if modality == "text":
        return [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in inputs]
    return [_file_digest(path) for path in inputs]


def _file_digest(path: str) -> bytes:
    try:
        facts = os.stat(path)
        return _digest_of(path, facts.st_size, facts.st_mtime_ns)
    except OSError as cause:
        raise InputError(f"File {path} cannot be read: {cause.strerror}.", hint="Restore it or drop it.") from cause


@lru_cache(maxsize=2**18)
def _digest_of(path: str, size: int, changed: int) -> bytes:
    """A run asks several times; a file of the same size and time of change is the same."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()

"""Samples, their stratified split and their fingerprint."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlzoo.errors import DataError, InputError, UsageError


@dataclass(frozen=True)
class Samples:
    """`inputs` are absolute file paths for `image` and `audio`, the texts themselves for `text`.

    `labels` has one label per input, or is `None` where the data is unlabelled.
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


def split(samples: Samples, share: float, seed: int) -> tuple[Samples, Samples]:
    """Divide into (rest, part), `part` being about `share` of every label and both holding each label at least once.

    The same samples, share and seed give the same split; within each half the order of `samples` is kept. Raises
    UsageError unless 0 < share < 1, and DataError naming a label that has fewer than 2 samples.
    """
    if not 0 < share < 1:
        raise UsageError(f"A share of {share} cannot be split off.", hint="Give a number between 0 and 1, such as 0.2.")
    positions: dict[str, list[int]] = defaultdict(list)
    for position, label in enumerate(samples.labels or [""] * len(samples)):
        positions[label].append(position)
    generator = np.random.default_rng(seed)
    rest: list[int] = []
    part: list[int] = []
    for label in sorted(positions):
        members = positions[label]
        if len(members) < 2:
            of = f"Label {label!r} has" if samples.labels else "The data has"
            raise DataError(
                f"{of} only 1 sample, too few to hold any out.", hint="Add samples, or bring a test set of your own."
            )
        taken = min(len(members) - 1, max(1, int(len(members) * share + 0.5)))
        shuffled = generator.permutation(members).tolist()
        part += shuffled[:taken]
        rest += shuffled[taken:]
    return samples.subset(sorted(rest)), samples.subset(sorted(part))


def fingerprint(samples: Samples) -> str:
    """SHA-256 (hex) over modality, labels and contents in order: the same wherever the files lie, whatever their names.

    Raises InputError naming a file that cannot be read.
    """
    digest = hashlib.sha256(f"{samples.modality} {len(samples)} {samples.labels is not None}\n".encode())
    for position, source in enumerate(samples.inputs):
        label = "" if samples.labels is None else samples.labels[position]
        content = hashlib.sha256(source.encode("utf-8", "surrogatepass")).digest()
        if samples.modality != "text":
            content = _file_digest(source)
        digest.update(hashlib.sha256(label.encode("utf-8", "surrogatepass")).digest() + content)
    return digest.hexdigest()


def _file_digest(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as cause:
        raise InputError(f"File {path} cannot be read: {cause.strerror}.", hint="Restore it or drop it.") from cause

"""Samples and their fingerprint."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from tlzoo.data.tables import LABEL_SEPARATOR
from tlzoo.errors import InputError

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


def labels_in(cell: str) -> list[str]:
    """The labels of a sample that may have several, written `a;b`."""
    return cell.split(LABEL_SEPARATOR) if cell else []


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

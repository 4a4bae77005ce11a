"""Samples and their fingerprint."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from tlzoo.errors import DataError, InputError
from tlzoo.io.texts import input_name
from tlzoo.tasks.base import Target

RawInput = str | tuple[str, ...]
"""A path or a text; of a task with several inputs, each of them."""
Part = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Samples:
    """`inputs` are absolute file paths, for `text` the texts themselves.

    `targets` has what the task read of each, or is `None` where the data is unlabelled. `places` says where each was
    found: a file, or a row of one. `groups`, `weights` and `parts` have what the data says of each where it was asked
    for that, else nothing.
    """

    inputs: tuple[RawInput, ...]
    targets: tuple[Target, ...] | None
    modality: str
    places: tuple[str, ...] = field(default=(), compare=False)
    groups: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    parts: tuple[Part, ...] = ()

    def __len__(self) -> int:
        return len(self.inputs)

    def distinct(self) -> int:
        """How many there are without copies; raises InputError for a file that cannot be read."""
        return len(set(content_digests(self.inputs, self.modality)))

    def subset(self, indices: Iterable[int]) -> Samples:
        """The samples at these positions, in this order."""
        chosen = [int(i) for i in indices]
        targets = None if self.targets is None else tuple(self.targets[i] for i in chosen)
        facts: dict[str, Any] = {name: tuple(all_of[i] for i in chosen) for name, all_of in self._facts() if all_of}
        return Samples(tuple(self.inputs[i] for i in chosen), targets, self.modality, **facts)

    def _facts(self) -> list[tuple[str, tuple[Any, ...]]]:
        return [(name, getattr(self, name)) for name in ("places", "groups", "weights", "parts")]

    def name(self, position: int) -> str:
        """Where a sample was found, or what it is."""
        return self.places[position] if self.places else input_name(self.inputs[position])


@dataclass(frozen=True)
class TrainTestSamples:
    """What one data set holds: samples to train on and, where it brings them, samples to test on and to validate on."""

    train: Samples
    test: Samples | None
    validation: Samples | None = None

    def all_parts(self) -> list[Samples]:
        """The parts that there are."""
        return [part for part in (self.train, self.validation, self.test) if part is not None]


def fingerprint(samples: Samples) -> str:
    """SHA-256 (hex) over modality, targets, contents and, where there are any, weights in order: the same wherever the
    files lie, whatever their names.

    Raises InputError naming a file that cannot be read.
    """
    digest = hashlib.sha256(f"{samples.modality} {len(samples)} {samples.targets is not None}\n".encode())
    for position, content in enumerate(content_digests(samples.inputs, samples.modality)):
        target = "" if samples.targets is None else _as_text(samples.targets[position])
        digest.update(hashlib.sha256(target.encode("utf-8", "surrogatepass")).digest() + content)
    if samples.weights:
        digest.update(json.dumps(samples.weights).encode())
    return digest.hexdigest()


def _as_text(target: Target) -> str:
    return target if isinstance(target, str) else json.dumps(target, sort_keys=True, ensure_ascii=False)


def content_digests(inputs: Sequence[RawInput], modality: str) -> list[bytes]:
    """SHA-256 of each text, or of each file's bytes; of several inputs, of their digests.

    Raises InputError naming a file that cannot be read.
    """
    return [_digest(given, modality) for given in inputs]


@contextmanager
def unchanged(*parts: Samples | None) -> Iterator[None]:
    """Raise DataError, once the block has ended, naming a file of these samples that was replaced meanwhile."""
    files = [part for part in parts if part is not None and part.modality != "text"]
    before = [content_digests(part.inputs, part.modality) for part in files]
    yield
    for part, digests in zip(files, before, strict=True):
        check_unchanged(part.inputs, part.modality, digests)


def check_unchanged(inputs: Sequence[RawInput], modality: str, before: Sequence[bytes]) -> None:
    """Raise DataError naming the first file that was replaced since these digests of its contents were made."""
    for given, was, now in zip(inputs, before, content_digests(inputs, modality), strict=True):
        if was != now:
            raise DataError(
                f"File {input_name(given)} changed while it was read.",
                hint="Run the command again when nothing writes to the data.",
            )


def _digest(given: RawInput, modality: str) -> bytes:
    if isinstance(given, tuple):
        return hashlib.sha256(b"".join(_digest(each, modality) for each in given)).digest()
    if modality == "text":
        return hashlib.sha256(given.encode("utf-8", "surrogatepass")).digest()
    return _file_digest(given)


def _file_digest(path: str) -> bytes:
    try:
        facts = os.stat(path)
        return _digest_of(path, facts.st_size, facts.st_mtime_ns)
    except OSError as cause:
        raise InputError(
            f"File {path} cannot be read: {cause.strerror}.", hint="Restore it or remove it from the data."
        ) from cause


_SMALL = 2**20
"""Bytes up to which a file is read at once: of small ones, the buffer of `file_digest` takes a third of the time."""


@lru_cache(maxsize=2**18)
def _digest_of(path: str, size: int, changed: int) -> bytes:
    """A run asks several times; a file of the same size and time of change is the same."""
    with open(path, "rb", buffering=0) as file:
        if size <= _SMALL and len(content := file.read(size + 1)) == size:
            return hashlib.sha256(content).digest()
        file.seek(0)
        return hashlib.file_digest(file, "sha256").digest()

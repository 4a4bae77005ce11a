"""The unique samples of several data sets, in an order that depends on their contents alone.

Their activations serve any split, whatever the seed, the labels or the names of the files.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from tlzoo.data import content_digests
from tlzoo.data.dataset import TaskDataset


@dataclass(frozen=True)
class UniqueSamples:
    """`data` holds each sample once, `contents` are their digests, and `digest` is one of all; `rows` says for every
    one of the `sets` where its samples are, int64 [N]."""

    data: TaskDataset
    digest: str
    rows: tuple[np.ndarray, ...]
    sets: tuple[TaskDataset, ...]
    contents: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.data)

    def share_longer(self) -> None:
        """Let the data sets know which of their inputs are longer than what was read of them."""
        known = self.data.longer()
        for data, rows in zip(self.sets, self.rows, strict=True):
            data.note_longer({at: known[row] for at, row in enumerate(rows.tolist()) if row in known})


def deduplicate(*datasets: TaskDataset) -> UniqueSamples:
    """The unique samples of data sets with one preprocessor; raises InputError for a file that cannot be read."""
    digests = [content_digests(data.inputs, data.modality) for data in datasets]
    inputs = {
        digest: at
        for data, named in zip(datasets, digests, strict=True)
        for digest, at in zip(named, data.inputs, strict=True)
    }
    order = sorted(inputs)
    row = {digest: number for number, digest in enumerate(order)}
    whole = hashlib.sha256(b"".join(order)).hexdigest()
    rows = tuple(np.array([row[digest] for digest in named], dtype=np.int64) for named in digests)
    data = replace(datasets[0], inputs=tuple(inputs[digest] for digest in order), targets=None, windows=None)
    return UniqueSamples(data, whole, rows, datasets, tuple(order))

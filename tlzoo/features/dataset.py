"""A data set as models take it: raw inputs, encoded targets, and the preprocessor that makes arrays of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlzoo.data import Samples
from tlzoo.preprocess import Preprocessor
from tlzoo.tasks import Task


@dataclass(frozen=True)
class Dataset:
    """`inputs` are paths or texts; `modality` is image, text or audio; `targets` what the task makes of the labels.

    Those are int64 [N] (one label each), float32 [N, C] of 0 and 1 (several), float32 [N] (a number), or `None` where
    there are no labels.
    """

    inputs: Sequence[Any]
    targets: np.ndarray | None
    preprocessor: Preprocessor
    modality: str

    def __len__(self) -> int:
        return len(self.inputs)

    def arrays(self, positions: Sequence[int]) -> dict[str, np.ndarray]:
        """The preprocessed inputs at these positions, stacked."""
        return self.preprocessor([self.inputs[i] for i in positions])


def make_dataset(samples: Samples, task: Task, preprocessor: Preprocessor) -> Dataset:
    """Samples with their labels encoded; raises DataError for a label the task does not know."""
    targets = None if samples.labels is None else task.encode(samples.labels)
    return Dataset(samples.inputs, targets, preprocessor, samples.modality)

"""A data set as the engine sees it: raw inputs, encoded targets, and the preprocessor that makes arrays of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlzoo.preprocess import Preprocessor


@dataclass(frozen=True)
class Dataset:
    """`inputs` are paths or texts; `targets` int64 [N] or `None` where unlabelled."""

    inputs: Sequence[Any]
    targets: np.ndarray | None
    preprocessor: Preprocessor

    def __len__(self) -> int:
        return len(self.inputs)

    def arrays(self, indices: Sequence[int]) -> dict[str, np.ndarray]:
        """The preprocessed inputs at these positions, stacked."""
        return self.preprocessor([self.inputs[i] for i in indices])

    def batches(self, size: int, order: Sequence[int] | None = None) -> Iterator[tuple[Sequence[int], dict[str, np.ndarray]]]:
        """Positions and arrays, `size` at a time, in `order` or from first to last."""
        positions = range(len(self)) if order is None else order
        for start in range(0, len(positions), size):
            chosen = positions[start : start + size]
            yield chosen, self.arrays(chosen)

"""Regression: one number per sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from tlzoo.errors import DataError
from tlzoo.tasks.metrics import Direction, direction


@dataclass(frozen=True)
class Regression:
    """`name` is the task's, such as `image-regression`; `labels` holds one name, that of the number."""

    name: str
    labels: tuple[str, ...]

    kind: ClassVar[Literal["regression"]] = "regression"
    monitor: ClassVar[str] = "rmse"
    headline: ClassVar[str] = "rmse"
    directions: ClassVar[dict[str, Direction]] = {"rmse": "min", "mae": "min", "r2": "max"}

    @staticmethod
    def labels_of(cells: Sequence[str], column: str) -> tuple[str, ...]:
        """The name of the column that holds the numbers."""
        return (column,)

    @property
    def modality(self) -> str:
        """`image`, `text`, `audio` or a plugin's own."""
        return self.name.partition("-")[0]

    @property
    def outputs(self) -> int:
        """How many outputs a model of this task gives: 1, the number in its own unit."""
        return 1

    def encode(self, labels: Sequence[str]) -> np.ndarray:
        """Numbers written as text to float32 [N]; raises DataError naming one that is none or not finite."""
        values = np.empty(len(labels), dtype=np.float32)
        for position, label in enumerate(labels):
            with np.errstate(over="ignore"):
                try:
                    values[position] = float(label)
                except ValueError:
                    values[position] = np.nan
            if not np.isfinite(values[position]):
                raise DataError(
                    f"Target {label!r} of sample {position + 1} is not a finite number.",
                    hint="Correct it or drop the sample.",
                )
        return values

    @staticmethod
    def moments(targets: np.ndarray) -> tuple[float, float]:
        """Mean and standard deviation of targets [N]; raises DataError where all are the same."""
        wide = np.asarray(targets, dtype=np.float64)
        mean, spread = float(wide.mean()), float(wide.std())
        if not spread > 1e-7 * abs(mean):  # what float32 rounds away is no variation
            raise DataError(
                f"All {len(wide)} training targets are {mean:g}: there is nothing to learn.",
                hint="Give samples with different targets.",
            )
        return mean, spread

    def decode(self, logits: np.ndarray) -> list[dict[str, Any]]:
        """One dict per row of outputs [N, 1]: its `value`."""
        return [{"value": float(value)} for value in logits[:, 0]]

    def metrics(self, logits: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Root mean squared error, mean absolute error (both in the targets' unit) and R2 of [N, 1] for targets [N].

        R2 is 1 minus the squared error's share of the targets' variance; where they do not vary it is 1 for no error
        at all, else 0.
        """
        wide = np.asarray(targets, dtype=np.float64)
        errors = logits[:, 0].astype(np.float64) - wide
        squared, spread = float((errors**2).mean()), float(wide.var())
        return {
            "rmse": squared**0.5,
            "mae": float(np.abs(errors).mean()),
            "r2": 1 - squared / spread if spread > 0 else float(squared == 0),
        }

    def better(self, metric: str) -> Direction:
        """Whether less (`min`) or more (`max`) of a metric is better; raises UsageError for a name that is none."""
        return direction(self.name, self.directions, metric)

    def samplewise(self, logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Squared error float64 [N]; the root of its mean is the rmse."""
        result: np.ndarray = (logits[:, 0].astype(np.float64) - targets) ** 2
        return result

    def scale(self, reference: np.ndarray) -> float:
        """The values' largest distance from their mean, but no less than a hundredth of the largest value.

        Below that, float32 itself is no finer than the tolerances that follow from it. A single value is its own scale.
        """
        spread = float(np.abs(reference - reference.mean()).max())
        size = float(np.abs(reference).max())
        return max(1e-12, spread, size if len(reference) == 1 else size / 100)

    def agreement(self, exported: np.ndarray, reference: np.ndarray, tolerance: float) -> np.ndarray:
        """Bool [N]: whether the values differ by no more than `tolerance`."""
        result: np.ndarray = np.abs(exported - reference).max(axis=1) <= tolerance
        return result

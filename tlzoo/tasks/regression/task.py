"""Regression: one number per sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tlzoo.errors import DataError
from tlzoo.tasks.agreement import EPSILON, single_output
from tlzoo.tasks.base import DEFAULT_OPTIONS, Agreement, DecodeOptions, Output, Prediction, Task
from tlzoo.tasks.metrics import Direction
from tlzoo.tasks.regression.numbers import check_dots, read_number
from tlzoo.tasks.row import Row
from tlzoo.tasks.rows import Outputs


@dataclass(frozen=True)
class ValuePrediction(Prediction):
    """The number predicted for the input, in the unit of the training targets."""

    value: float


@dataclass(frozen=True)
class Regression(Task):
    """`labels` holds one name, that of the number; a target is the number as it is written."""

    family: ClassVar[str] = "regression"
    answers: ClassVar[str] = "values"
    holds: ClassVar[str] = "numbers"
    supports: ClassVar[frozenset[str]] = frozenset({"probe", "mixup", "augment"})
    monitor: ClassVar[str] = "rmse"
    headline: ClassVar[str] = "rmse"
    directions: ClassVar[Mapping[str, Direction]] = {"rmse": "min", "mae": "min", "r2": "max"}
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"rmse": (0, inf), "mae": (0, inf), "r2": (-inf, 1)}
    prediction: ClassVar[type[Prediction]] = ValuePrediction
    resamples: ClassVar[int] = 2000
    head: ClassVar[str] = "tlzoo.tasks.regression.head"
    page: ClassVar[Path | None] = Path(__file__).with_name("page.js")

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The number in its own unit, called `logits` as in the other tasks, [N, 1]."""
        return (Output("logits", ("batch", 1)),)

    def read(self, row: Row) -> str:
        """A finite number, see `tlzoo.tasks.regression.numbers`; raises DataError for anything else."""
        return read_number(row)

    def check_table(self, rows: Sequence[Row]) -> None:
        """The dots of a table are decimal points for sure."""
        check_dots(rows)

    def check(self, targets: Sequence[str], place: Path) -> None:
        """Two different numbers or more."""
        if len({float(target) for target in targets}) < 2:
            raise DataError(
                f"{place} has only one target value, {targets[0]}: there is nothing to learn.",
                hint="Give samples with different targets.",
            )

    def fit(self, targets: Sequence[str], column: str) -> Regression:
        """The name of the column that holds the numbers."""
        return Regression(self.name, (column,))

    def collate(self, targets: Sequence[str], contexts: Sequence[Any] = ()) -> dict[str, np.ndarray]:
        """`values` float32 [N]; raises DataError naming one that is no number or not finite."""
        values = np.empty(len(targets), dtype=np.float32)
        for position, target in enumerate(targets):
            with np.errstate(over="ignore"):
                try:
                    values[position] = float(target)
                except ValueError:
                    values[position] = np.nan
            if not np.isfinite(values[position]):
                raise DataError(
                    f"Target {target!r} of sample {position + 1} is not a finite number.",
                    hint="Correct it or remove the sample.",
                )
        return {"values": values}

    def head_options(self, targets: Sequence[str]) -> dict[str, float]:
        """Mean and standard deviation of the targets; raises DataError where all are the same."""
        wide = self.collate(targets)["values"].astype(np.float64)
        mean, spread = float(wide.mean()), float(wide.std())
        if not spread > 1e-7 * abs(mean):  # what float32 rounds away is no variation
            raise DataError(
                f"All {len(wide)} training targets are {mean:g}: there is nothing to learn.",
                hint="Give samples with different targets.",
            )
        return {"mean": mean, "std": spread}

    def metrics(self, outputs: Outputs, targets: Sequence[str], contexts: Sequence[Any] = ()) -> dict[str, float]:
        """Root mean squared error and mean absolute error, both in the targets' unit, and R2.

        R2 is 1 minus the squared error's share of the targets' variance; where they do not vary it is 1 for no error
        at all, else 0.
        """
        wide = self.collate(targets)["values"].astype(np.float64)
        errors = np.asarray(outputs["logits"])[:, 0].astype(np.float64) - wide
        squared, spread = float((errors**2).mean()), float(wide.var())
        return {
            "rmse": squared**0.5,
            "mae": float(np.abs(errors).mean()),
            "r2": 1 - squared / spread if spread > 0 else float(squared == 0),
        }

    def prior_outputs(self, targets: Sequence[str], count: int) -> Outputs:
        """The mean."""
        return {"logits": np.full((count, 1), self.collate(targets)["values"].astype(np.float64).mean())}

    def samplewise(self, outputs: Outputs, targets: Sequence[str], contexts: Sequence[Any] = ()) -> np.ndarray:
        """Squared error; the root of its mean is the rmse."""
        values = self.collate(targets)["values"]
        result: np.ndarray = (np.asarray(outputs["logits"])[:, 0].astype(np.float64) - values) ** 2
        return result

    def resample(
        self, outputs: Outputs, targets: Sequence[str], contexts: Sequence[Any], draws: Iterable[np.ndarray]
    ) -> list[float]:
        """The rmse of each draw."""
        squares = self.samplewise(outputs, targets)
        return [float(squares[drawn].mean() ** 0.5) for drawn in draws]

    def agree(self, exported: Outputs, reference: Outputs, tolerance: float) -> Agreement:
        """The same where values differ by no more than the tolerance.

        The scale is their largest distance from their mean, but no less than a hundredth of the largest value: below
        that, float32 itself is no finer than the tolerances that follow from it. A single value is its own scale.
        """
        right = np.asarray(reference["logits"])
        size = float(np.abs(right).max())
        scale = max(EPSILON, float(np.abs(right - right.mean()).max()), size if len(right) == 1 else size / 100)
        scales, found = single_output("logits", exported, reference, scale)
        return Agreement(scales, found, found["logits"] <= tolerance * scale)

    def decode(
        self, outputs: Outputs, contexts: Sequence[Any] = (), options: DecodeOptions = DEFAULT_OPTIONS
    ) -> list[ValuePrediction]:
        """The number of each sample."""
        return [ValuePrediction(float(value)) for value in np.asarray(outputs["logits"])[:, 0]]

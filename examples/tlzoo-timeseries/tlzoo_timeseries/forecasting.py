"""A task of this plugin's own: the next values of a series, each with how sure it is. No torch.

Values are forecast in units of the series itself: its last value is 0 and its standard deviation 1, so that series of
any level share one head. What these were is the context that the preprocessor knows of each series.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from tlzoo.errors import DataError
from tlzoo.plugin import DecodeOptions, Output, Prediction, Row, Task

SURE = 1.6448536
"""Nine of ten values of a normal distribution lie within so many deviations."""
LIKELIHOOD = 0.5 * np.log(2 * np.pi)


@dataclass(frozen=True)
class ForecastPrediction(Prediction):
    """The next values, and between which two each lies in nine of ten cases."""

    values: list[float]
    low: list[float]
    high: list[float]


@dataclass(frozen=True)
class Forecasting(Task):
    """The next `horizon` values of a series of one channel; a target is a list of them, in the series' own unit."""

    horizon: int = 0

    family: ClassVar[str] = "forecasting"
    plugin: ClassVar[str] = "timeseries"
    answers: ClassVar[str] = "forecasts"
    holds: ClassVar[str] = "the values that follow"
    modalities: ClassVar[frozenset[str] | None] = frozenset({"timeseries"})
    contextual: ClassVar[bool] = True
    columns: ClassVar[tuple[str, ...]] = ("future",)
    head: ClassVar[str] = "tlzoo_timeseries.heads"
    headline: ClassVar[str] = "mae"
    monitor: ClassVar[str] = "log_loss"
    directions: ClassVar[Mapping[str, Any]] = {"mae": "min", "rmse": "min", "coverage": "max", "log_loss": "min"}
    ranges: ClassVar[Mapping[str, Any]] = {"mae": (0, inf), "rmse": (0, inf), "coverage": (0, 1)}
    prediction: ClassVar[type[Prediction]] = ForecastPrediction

    @property
    def outputs(self) -> tuple[Output, ...]:
        """`mean` and `deviation` [N, H], in units of the series."""
        return tuple(Output(name, ("batch", self.horizon)) for name in ("mean", "deviation"))

    def read(self, row: Row) -> list[float]:
        """Numbers with blanks or semicolons between them, or a list of them."""
        value = row.value("future")
        parts = value if isinstance(value, list) else str(value or "").replace(";", " ").split()
        try:
            found = [float(part) for part in parts]
        except (TypeError, ValueError):
            found = []
        if not found or not np.isfinite(found).all():
            shown = f"{str(value)[:40]!r}" if value else "nothing"
            raise row.error(
                f"has {shown} in {row.column('future')!r}, which is no list of finite numbers",
                "Write the values that follow: 1.5 1.7 1.6",
            )
        return found

    def check(self, targets: Sequence[Any], place: Path) -> None:
        """As many values for each series."""
        if len(lengths := sorted({len(target) for target in targets})) > 1:
            raise DataError(
                f"{place} has targets of {lengths[0]} to {lengths[-1]} values.", hint="Give as many for each series."
            )

    def check_known(self, targets: Sequence[Any]) -> None:
        """As many values as were trained on."""
        if other := [target for target in targets if len(target) != self.horizon]:
            raise DataError(
                f"A target has {len(other[0])} values, and the model forecasts {self.horizon}.",
                hint="Give as many as it was trained on.",
            )

    def fit(self, targets: Sequence[Any], column: str) -> Forecasting:
        """The horizon."""
        return Forecasting(self.name, horizon=len(targets[0]))

    def collate(self, targets: Sequence[Any], contexts: Sequence[Any]) -> dict[str, np.ndarray]:
        """`future` float32 [N, H], in units of the series."""
        level, unit = np.array(contexts, dtype=np.float64).reshape(-1, 2).T[:, :, None]
        return {"future": ((np.array(targets, dtype=np.float64) - level) / unit).astype(np.float32)}

    def metrics(self, outputs: Any, targets: Sequence[Any], contexts: Sequence[Any]) -> dict[str, float]:
        """Mean absolute and root mean squared error in units of the series, how many values lie within their nine
        tenths, and the mean negative log likelihood (nats)."""
        errors, deviation = self._errors(outputs, targets, contexts)
        return {
            "mae": float(np.abs(errors).mean()),
            "rmse": float(np.sqrt((errors**2).mean())),
            "coverage": float((np.abs(errors) <= SURE * deviation).mean()),
            "log_loss": float((0.5 * (errors / deviation) ** 2 + np.log(deviation) + LIKELIHOOD).mean()),
        }

    def samplewise(self, outputs: Any, targets: Sequence[Any], contexts: Sequence[Any]) -> np.ndarray:
        """Each series' mean absolute error."""
        return np.abs(self._errors(outputs, targets, contexts)[0]).mean(axis=1)

    def resample(
        self, outputs: Any, targets: Sequence[Any], contexts: Sequence[Any], draws: Iterable[np.ndarray]
    ) -> list[float]:
        """The mean absolute error of each draw."""
        scores = self.samplewise(outputs, targets, contexts)
        return [float(scores[drawn].mean()) for drawn in draws]

    def decode(self, outputs: Any, contexts: Sequence[Any], options: DecodeOptions) -> list[ForecastPrediction]:
        """Values in the unit of each series."""
        found = []
        for mean, deviation, (level, unit) in zip(outputs["mean"], outputs["deviation"], contexts, strict=True):
            bounds = (mean, mean - SURE * deviation, mean + SURE * deviation)
            found.append(ForecastPrediction(*((level + unit * each).tolist() for each in bounds)))
        return found

    def _errors(self, outputs: Any, targets: Sequence[Any], contexts: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        future = self.collate(targets, contexts)["future"].astype(np.float64)
        return np.asarray(outputs["mean"], dtype=np.float64) - future, np.asarray(outputs["deviation"], np.float64)

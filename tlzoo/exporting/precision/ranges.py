"""The ranges of activations, measured on calibration samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
from onnx import ModelProto, TensorProto, helper

from tlzoo.exporting.precision.graph import copy_of, outputs

ROWS = 8
"""Samples of one pass: every inner tensor is held at once."""
SAMPLED = 40_000
"""Values of a tensor looked at per pass, beside its least and greatest."""


@dataclass(frozen=True)
class ActivationStats:
    """What a tensor held: its least and greatest value, some of the others, and the mean of each channel (axis 1)."""

    low: float
    high: float
    values: np.ndarray
    mean: np.ndarray


def split(calibration: Iterable[Mapping[str, np.ndarray]], rows: int) -> Iterator[dict[str, np.ndarray]]:
    """The same samples in batches of `rows` at most."""
    for arrays in calibration:
        for start in range(0, max(map(len, arrays.values())), rows):
            yield {name: array[start : start + rows] for name, array in arrays.items()}


def collect_stats(
    proto: ModelProto, names: Sequence[str], calibration: Iterable[Mapping[str, np.ndarray]]
) -> dict[str, ActivationStats]:
    """Run the samples and look at these tensors, all of them float32."""
    model = copy_of(proto)
    existing = outputs(model.graph)
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names if name not in existing
    )
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    input_names = {given.name for given in session.get_inputs()}
    parts: dict[str, list[ActivationStats]] = {name: [] for name in names}
    for arrays in split(calibration, ROWS):
        shown_now = session.run(list(names), {name: array for name, array in arrays.items() if name in input_names})
        for name, array in zip(names, shown_now, strict=True):
            parts[name].append(_look(array))
    return {name: _together(parts_of) for name, parts_of in parts.items()}


def _look(array: np.ndarray) -> ActivationStats:
    flat = array.reshape(-1)
    mean = array.mean(axis=tuple(i for i in range(array.ndim) if i != 1), dtype=np.float64)
    return ActivationStats(float(flat.min()), float(flat.max()), flat[:: max(1, len(flat) // SAMPLED)].copy(), mean)


def _together(parts_of: Sequence[ActivationStats]) -> ActivationStats:
    return ActivationStats(
        min(part.low for part in parts_of),
        max(part.high for part in parts_of),
        np.concatenate([part.values for part in parts_of]),
        np.mean([part.mean for part in parts_of], axis=0),
    )


def minmax(stats: ActivationStats) -> tuple[float, float]:
    """All that was seen."""
    return stats.low, stats.high


def percentile(stats: ActivationStats) -> tuple[float, float]:
    """All but one value in ten thousand at either end."""
    low, high = np.quantile(stats.values, (1e-4, 1 - 1e-4))
    return float(low), float(high)


def least_error(stats: ActivationStats) -> tuple[float, float]:
    """The range whose 256 steps give the values back with the smallest squared error (Banner et al. 2019)."""
    best, chosen = np.inf, (stats.low, stats.high)
    for share in np.linspace(0.3, 1.0, 29):
        low, high = min(stats.low * share, 0.0), max(stats.high * share, 0.0)
        scale = max((high - low) / 255, 1e-8)
        zero = round(-low / scale)
        back = (np.clip(np.rint(stats.values / scale) + zero, 0, 255) - zero) * scale
        error = float(np.square(back - stats.values).mean())
        if error < best:
            best, chosen = error, (low, high)
    return chosen


METHODS = {"minmax": minmax, "percentile": percentile, "least error": least_error}

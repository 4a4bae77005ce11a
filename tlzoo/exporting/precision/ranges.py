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
    shown = copy_of(proto)
    there = outputs(shown.graph)
    shown.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names if name not in there
    )
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = ort.InferenceSession(shown.SerializeToString(), options, providers=["CPUExecutionProvider"])
    taken = {given.name for given in session.get_inputs()}
    parts: dict[str, list[ActivationStats]] = {name: [] for name in names}
    for arrays in split(calibration, ROWS):
        shown_now = session.run(list(names), {name: array for name, array in arrays.items() if name in taken})
        for name, array in zip(names, shown_now, strict=True):
            parts[name].append(_look(array))
    return {name: _together(looks) for name, looks in parts.items()}


def _look(array: np.ndarray) -> ActivationStats:
    flat = array.reshape(-1)
    mean = array.mean(axis=tuple(i for i in range(array.ndim) if i != 1), dtype=np.float64)
    return ActivationStats(float(flat.min()), float(flat.max()), flat[:: max(1, len(flat) // SAMPLED)].copy(), mean)


def _together(looks: Sequence[ActivationStats]) -> ActivationStats:
    return ActivationStats(
        min(look.low for look in looks),
        max(look.high for look in looks),
        np.concatenate([look.values for look in looks]),
        np.mean([look.mean for look in looks], axis=0),
    )


def minmax(seen: ActivationStats) -> tuple[float, float]:
    """All that was seen."""
    return seen.low, seen.high


def percentile(seen: ActivationStats) -> tuple[float, float]:
    """All but one value in ten thousand at either end."""
    low, high = np.quantile(seen.values, (1e-4, 1 - 1e-4))
    return float(low), float(high)


def least_error(seen: ActivationStats) -> tuple[float, float]:
    """The range whose 256 steps give the values back with the smallest squared error (Banner et al. 2019)."""
    best, chosen = np.inf, (seen.low, seen.high)
    for share in np.linspace(0.3, 1.0, 29):
        low, high = min(seen.low * share, 0.0), max(seen.high * share, 0.0)
        scale = max((high - low) / 255, 1e-8)
        zero = round(-low / scale)
        back = (np.clip(np.rint(seen.values / scale) + zero, 0, 255) - zero) * scale
        error = float(np.square(back - seen.values).mean())
        if error < best:
            best, chosen = error, (low, high)
    return chosen


METHODS = {"minmax": minmax, "percentile": percentile, "least error": least_error}

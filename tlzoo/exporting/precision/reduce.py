"""From the float32 model to one of reduced precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto

from tlzoo.errors import ExportError, UsageError
from tlzoo.exporting.precision import dynamic, static
from tlzoo.exporting.precision.fp16 import fp16
from tlzoo.exporting.precision.graph import constants
from tlzoo.exporting.precision.ranges import METHODS, ActivationStats, collect_stats
from tlzoo.exporting.precision.sensitivity import Search, relative_error

CALIBRATED_ON = 128
"""Samples whose activations are looked at."""


@dataclass(frozen=True)
class ReducedModel:
    """A model of reduced precision, and the names of the nodes (fp16: of the weights) that stay in float32."""

    proto: ModelProto
    kept: tuple[str, ...]


def reduce_precision(
    proto: ModelProto,
    precision: str,
    modality: str,
    calibration: Sequence[Mapping[str, np.ndarray]],
    names: Sequence[str] | None = None,
) -> ReducedModel:
    """The model in `precision`, "fp16" or "int8"; `proto` itself is left as it is.

    `calibration` holds batches of preprocessed training samples, as the graph's inputs take them; of a `modality`, only
    messages speak. `names` are the outputs that must stay as they are, by default the first. Raises ExportError where
    nothing can be reduced.
    """
    if precision not in ("fp16", "int8"):
        raise UsageError(
            f"Unknown reduced precision {precision!r}.", hint="Choose fp16 or int8.", parameter="precision"
        )
    if not calibration:
        raise ExportError(
            f"There are no samples to calibrate {precision} on.",
            hint="Export with `precision='fp32'`.",
            parameter="precision",
        )
    names = names or (proto.graph.output[0].name,)
    if precision == "fp16":
        return ReducedModel(*fp16(proto, calibration[0], names))
    plan = _static(proto, calibration) if convolutional(proto) else _dynamic(proto)
    if not plan:
        raise ExportError(
            f"This {modality} model cannot be quantised: it has no convolution or matrix product with "
            "constant float32 weights.",
            hint="Export with `precision='fp32'` or `precision='fp16'`.",
            parameter="precision",
        )
    return ReducedModel(*Search(relative_error(proto, calibration, names)).best(plan))


def convolutional(proto: ModelProto) -> bool:
    """Whether most weights of a model that are multiplied lie in convolutions."""
    known = constants(proto.graph)
    sizes = {"Conv": 0, "MatMul": 0, "Gemm": 0}
    for node in proto.graph.node:
        if node.op_type in sizes and len(node.input) > 1 and node.input[1] in known:
            sizes[node.op_type] += known[node.input[1]].size
    return sizes["Conv"] > sizes["MatMul"] + sizes["Gemm"]


Build = Callable[[frozenset[str]], ModelProto]


def _static(proto: ModelProto, calibration: Sequence[Mapping[str, np.ndarray]]) -> dict[str, tuple[list[str], Build]]:
    """A plan for each way of reading ranges: the nodes, and what makes a model that leaves some in float32."""
    places = static.quantizable_nodes(proto.graph)
    if not any(place.node.op_type in static.WEIGHTED for place in places):
        return {}
    tensors = sorted({name for place in places for name in (*place.inputs, place.output) if name})
    seen = collect_stats(proto, tensors, _first(calibration, CALIBRATED_ON))
    means = {name: look.mean for name, look in seen.items()}

    def plan(method: Callable[[ActivationStats], tuple[float, float]]) -> Build:
        ranges = {name: method(look) for name, look in seen.items()}
        return lambda kept: static.insert_qdq(proto, [p for p in places if p.name not in kept], ranges, means)

    return {name: ([place.name for place in places], plan(method)) for name, method in METHODS.items()}


def _dynamic(proto: ModelProto) -> dict[str, tuple[list[str], Build]]:
    places = dynamic.quantizable_nodes(proto.graph)
    if not places:
        return {}
    names = [place.name for place in places]
    return {
        "dynamic": (names, lambda kept: dynamic.quantize(proto, [p for p in places if p.name not in kept])),
    }


def _first(calibration: Sequence[Mapping[str, np.ndarray]], count: int) -> list[dict[str, np.ndarray]]:
    """The batches up to `count` samples."""
    chosen: list[dict[str, np.ndarray]] = []
    for arrays in calibration:
        left = count - sum(max(map(len, batch.values())) for batch in chosen)
        if left <= 0:
            break
        chosen.append({name: array[:left] for name, array in arrays.items()})
    return chosen

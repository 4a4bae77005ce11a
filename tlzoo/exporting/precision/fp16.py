"""float16: half the file; computation in float16 only where that is faster here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tlzoo.errors import ExportError
from tlzoo.exporting.precision.graph import constants, copy_of, node_inputs, outputs, set_nodes
from tlzoo.exporting.precision.speed import rank_by_speed
from tlzoo.runtime.session import open_session, run_session

SMALL = 256
"""Values up to which a weight stays in float32: its bytes do not count, its precision may."""
LARGEST = float(np.finfo(np.float16).max)
LOST = 2e-3
"""Error of a weight in float16, in its own length, from which on it stays in float32."""
TIMED = 8
"""Samples of a batch that both are timed on."""
GAIN = 1.05
"""How many times as fast computation in float16 must be to be taken."""


def fp16(
    proto: ModelProto, arrays: Mapping[str, np.ndarray], names: Sequence[str]
) -> tuple[ModelProto, tuple[str, ...]]:
    """The model with float16 weights, and the names of those left in float32; inputs and outputs stay as they are.

    It computes in float32 unless computing in float16 is measured to be faster on `arrays` with this machine's
    provider, and gives about the same outputs `names`. Raises ExportError when it has no float32 weights.
    """
    stored, kept = half_weights(proto)
    computed = _computed(proto, kept)
    if computed is not None and _same(proto, computed, arrays, names):
        seconds = rank_by_speed({"stored": stored, "computed": computed}, arrays, batch=TIMED, seconds=0.3)
        if seconds["computed"] * GAIN < seconds["stored"]:
            return computed, kept
    return stored, kept


def half_weights(proto: ModelProto) -> tuple[ModelProto, tuple[str, ...]]:
    """A copy with float16 weights and a Cast after each, which ONNX Runtime computes once, when it loads the model."""
    copy = copy_of(proto)
    graph = copy.graph
    public = outputs(graph) | {given.name for given in graph.input}
    casts: list[NodeProto] = []
    kept: list[str] = []
    for tensor in graph.initializer:
        name = tensor.name
        if tensor.data_type != TensorProto.FLOAT or name in public or np.prod(tensor.dims) <= SMALL:
            continue
        values = numpy_helper.to_array(tensor)
        if not _fits(values):
            kept.append(name)
            continue
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}/half"))
        casts.append(helper.make_node("Cast", [f"{name}/half"], [name], name=f"{name}/Cast", to=TensorProto.FLOAT))
    if not casts:
        raise ExportError(
            "This model has no float32 weights that fit float16.",
            hint="Export with `precision='fp32'`.",
            parameter="precision",
        )
    set_nodes(graph, [*casts, *graph.node])
    return copy, tuple(kept)


def _fits(values: np.ndarray) -> bool:
    """Whether float16 holds these values: none too great, and not so small that their digits are lost."""
    if not np.isfinite(values).all() or np.abs(values).max() > LARGEST:
        return False
    lost = np.linalg.norm((values.astype(np.float16).astype(np.float32) - values).ravel().astype(np.float64))
    return bool(lost <= LOST * np.linalg.norm(values.ravel().astype(np.float64)))


def _computed(proto: ModelProto, kept: tuple[str, ...]) -> ModelProto | None:
    """The model computing in float16, but for the nodes of too great weights; None where it cannot be made."""
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    great = {
        name for name, values in constants(proto.graph).items() if values.dtype == np.float32 and not _fits(values)
    }
    blocked = [node.name for node in proto.graph.node if great & set(node_inputs(node))]
    try:
        made: Any = convert_float_to_float16(copy_of(proto), keep_io_types=True, node_block_list=blocked)
        OnnxModel(made).topological_sort()  # its casts stand behind the nodes that take them
        open_session(made.SerializeToString())
    except Exception:  # noqa: BLE001 - an operator without float16 is no error: the weights alone are halved then
        return None
    return made if isinstance(made, ModelProto) else None


def _same(proto: ModelProto, candidate: ModelProto, arrays: Mapping[str, np.ndarray], names: Sequence[str]) -> bool:
    """Whether the outputs are about the same: activations may be too great for float16."""
    few = {name: array[:4] for name, array in arrays.items()}
    both = [run_session(open_session(each.SerializeToString()), few, names) for each in (proto, candidate)]
    return all(
        bool(np.isfinite(found).all() and np.abs(found - right).mean() <= 0.02 * max(float(right.std()), 1e-6))
        for right, found in zip(*both, strict=True)
    )

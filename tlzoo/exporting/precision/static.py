"""Static int8 for convolutional networks: QDQ pairs around each node, ranges measured on calibration samples.

Weights are int8, symmetric and per output channel; activations uint8 with one scale per tensor (Jacob et al. 2018,
"Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference").
docs/architecture.md has what onnxruntime.quantization gave beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, helper

from tlzoo.exporting.precision.graph import (
    add_constant,
    attribute,
    constants,
    consumers,
    copy_of,
    drop_unused,
    outputs,
    set_nodes,
)
from tlzoo.exporting.precision.input_conv import InputConv, find_input_conv, fold_normalization, quantized_input_nodes

WEIGHTED = ("Conv", "Gemm", "MatMul")
ACTIVATIONS = ("Relu", "Clip")
PASSING = ("MaxPool",)
INT32 = 2**31 - 1


@dataclass(frozen=True)
class StaticNode:
    """A node that can be computed in int8: the activations it takes, and the tensor that it, with the Relu or Clip
    after it, gives; None where that is an output of the graph and stays float32."""

    name: str
    node: NodeProto
    inputs: tuple[str, ...]
    output: str | None


def quantizable_nodes(graph: GraphProto) -> list[StaticNode]:
    """The nodes of a graph that int8 kernels exist for, in order: weights must be constant, sums of two activations."""
    known, consumers_of, shown = constants(graph), consumers(graph), outputs(graph)
    found = []
    for node in graph.node:
        inputs = _activations(node, known)
        if not inputs:
            continue
        output = node.output[0]
        after = consumers_of[output]
        if node.op_type in ("Conv", "Add") and len(after) == 1 and after[0].op_type in ACTIVATIONS:
            output = after[0].output[0] if output not in shown else output
        found.append(StaticNode(node.name or node.output[0], node, inputs, None if output in shown else output))
    return found


def _activations(node: NodeProto, known: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    if node.op_type in WEIGHTED and len(node.input) > 1:
        weight = known.get(node.input[1])
        plain = node.op_type != "Gemm" or (attribute(node, "transA", 0) == 0 and not _scaled(node))
        ranks = {"Conv": (3, 4), "Gemm": (2,), "MatMul": (2,)}[node.op_type]
        bias = node.input[2] if len(node.input) > 2 else ""
        constant = node.input[0] not in known and (not bias or bias in known)
        fits = weight is not None and weight.dtype == np.float32 and weight.ndim in ranks
        return (node.input[0],) if plain and constant and fits else ()
    if node.op_type == "Add" and not set(node.input) & set(known) and node.input[0] != node.input[1]:
        return tuple(node.input)
    return (node.input[0],) if node.op_type in PASSING and len(node.output) == 1 else ()


def _scaled(node: NodeProto) -> bool:
    return any(given.name in ("alpha", "beta") and given.f != 1.0 for given in node.attribute)


def insert_qdq(
    proto: ModelProto,
    chosen: Sequence[StaticNode],
    ranges: Mapping[str, tuple[float, float]],
    means: Mapping[str, np.ndarray],
) -> ModelProto:
    """A copy whose `chosen` nodes compute in int8; `ranges` holds least and greatest value of their activations."""
    copy = copy_of(proto)
    graph = copy.graph
    known = constants(graph)
    selected = {site.node.output[0]: site for site in chosen}
    pixels = find_input_conv(graph, known)
    if pixels is not None and pixels.conv not in selected:
        pixels = None
    scales = _scales(chosen, ranges)
    first: list[NodeProto] = []
    if pixels is not None:
        scales[pixels.tensor] = pixels.scale, pixels.offset
    _keep_float_bias(graph, set(scales), set(selected), known, first)
    bodies: list[NodeProto] = []
    for node in graph.node:
        if pixels is not None and node.output[0] in pixels.chain:
            continue
        if node.output[0] in selected and node.op_type in WEIGHTED:
            weight, bias = known[node.input[1]], known[node.input[2]] if len(node.input) > 2 and node.input[2] else None
            mean = means.get(node.input[0])
            if pixels is not None and node.output[0] == pixels.conv:
                weight, bias = fold_normalization(pixels, weight, bias)
                mean = (
                    None
                    if mean is None
                    else mean * pixels.scale / pixels.gain + pixels.scale * (pixels.zero - pixels.offset)
                )
                bodies += _enter(graph, pixels, node)
            renamed = _weights(graph, node, weight, bias, scales[node.input[0]][0], mean, first)
            del node.input[1:]
            node.input.extend(renamed)
        for position, name in enumerate(node.input):
            node.input[position] = f"{name}/dequantized" if name in scales else name
        bodies.append(node)
        for name in node.output:
            if name in scales:
                bodies += _pair(graph, name, scales[name])
    entering = [name for name in (given.name for given in graph.input) if name in scales]
    set_nodes(graph, [*first, *(pair for name in entering for pair in _pair(graph, name, scales[name])), *bodies])
    drop_unused(graph)
    return copy


def _enter(graph: GraphProto, pixels: InputConv, conv: NodeProto) -> list[NodeProto]:
    name = pixels.tensor
    given = [
        add_constant(graph, f"{name}/scale", np.float32(pixels.scale)),
        add_constant(graph, f"{name}/zero", np.uint8(pixels.offset)),
    ]
    whole = f"{name}/quantized"
    dequantize = helper.make_node(
        "DequantizeLinear", [whole, *given], [f"{name}/dequantized"], name=f"{name}/Dequantize"
    )
    return [*quantized_input_nodes(graph, pixels, conv, whole), dequantize]


def _keep_float_bias(
    graph: GraphProto, quantized: Set[str], chosen: Set[str], known: Mapping[str, np.ndarray], nodes: list[NodeProto]
) -> None:
    """Keep ONNX Runtime from quantising what was left in float32.

    It gives a Conv or Gemm between a DequantizeLinear and a QuantizeLinear weights of int8 of its own, one scale for
    all channels, if its bias is an initializer. So the bias becomes the output of a node: 31 bits of it, all there is.
    """
    for node in graph.node:
        exposed = node.op_type in ("Conv", "Gemm") and node.input[0] in quantized and node.output[0] not in chosen
        if not exposed or node.input[1] not in known:
            continue
        given = node.input[2] if len(node.input) > 2 else ""
        if given and given not in known:
            continue
        weight = known[node.input[1]]
        width = weight.shape[0 if node.op_type == "Conv" or attribute(node, "transB", 0) else 1]
        bias = known[given] if given else np.zeros(width, np.float32)
        scale = np.float32(max(float(np.abs(bias).max(initial=0)), 1e-6) / 2**30)
        stem = f"{node.output[0]}/bias"
        parts = [
            add_constant(graph, f"{stem}/quantized", np.rint(bias.astype(np.float64) / scale).astype(np.int32)),
            add_constant(graph, f"{stem}/scale", scale),
        ]
        nodes.append(helper.make_node("DequantizeLinear", parts, [f"{stem}/dequantized"], name=f"{stem}/Dequantize"))
        del node.input[2:]
        node.input.append(f"{stem}/dequantized")


def _scales(chosen: Sequence[StaticNode], ranges: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, int]]:
    """Scale and zero point of every tensor to quantise; what only passes through keeps that of its input."""
    scales: dict[str, tuple[float, int]] = {}
    for site in chosen:
        for name in (*site.inputs, *filter(None, [site.output])):
            low, high = ranges[name]
            scales.setdefault(name, affine(low, high))
        if site.node.op_type in PASSING and site.output:
            scales[site.output] = scales[site.inputs[0]]
    return scales


def affine(low: float, high: float) -> tuple[float, int]:
    """Scale and zero point that put [low, high], widened to hold 0, onto 0 to 255."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32(max((high - low) / 255, 1e-8)))
    return scale, int(np.clip(round(-low / scale), 0, 255))


def _pair(graph: GraphProto, name: str, scale: tuple[float, int]) -> list[NodeProto]:
    given = [
        add_constant(graph, f"{name}/scale", np.float32(scale[0])),
        add_constant(graph, f"{name}/zero", np.uint8(scale[1])),
    ]
    whole, back = f"{name}/quantized", f"{name}/dequantized"
    return [
        helper.make_node("QuantizeLinear", [name, *given], [whole], name=f"{name}/Quantize"),
        helper.make_node("DequantizeLinear", [whole, *given], [back], name=f"{name}/Dequantize"),
    ]


def _weights(
    graph: GraphProto,
    node: NodeProto,
    weight: np.ndarray,
    bias: np.ndarray | None,
    scale: float,
    mean: np.ndarray | None,
    nodes: list[NodeProto],
) -> list[str]:
    """Put a node's weight as int8 and its bias as int32 into the graph; what these inputs are called from now on."""
    axis = 0 if node.op_type == "Conv" or attribute(node, "transB", 0) else 1
    others = tuple(i for i in range(weight.ndim) if i != axis)
    steps = np.maximum(np.abs(weight).max(axis=others) / 127, 1e-10)
    if bias is not None:  # a nearly dead channel's bias would not fit into 32 bits
        steps = np.maximum(steps, np.abs(bias) / (scale * INT32 / 2))
    steps = steps.astype(np.float32)
    shape = [-1 if i == axis else 1 for i in range(weight.ndim)]
    stem = f"{node.output[0]}/weight"
    values = _rounded(weight / steps.reshape(shape), node.op_type == "Conv")
    renamed = [_stored(graph, stem, values, steps, axis, nodes)]
    if bias is not None and mean is not None:
        bias = bias - _shift(node, values * steps.reshape(shape) - weight, mean)
    if bias is not None:
        small = (steps * np.float32(scale)).astype(np.float32)
        whole = np.rint(bias.astype(np.float64) / small).astype(np.int32)
        renamed.append(_stored(graph, f"{node.output[0]}/bias", whole, small, 0, nodes))
    return renamed


def _rounded(exact: np.ndarray, kernels: bool) -> np.ndarray:
    """Whole numbers whose sums over each kernel, then over each output channel, are those of `exact` within a half.

    So a flat part of a picture comes out right. The weights nearest to the middle between two numbers are rounded the
    other way (Guo et al. 2022, SQuant).
    """
    values = np.clip(np.rint(exact), -127, 127)
    if kernels:
        outputs, inputs = exact.shape[:2]
        for rows in ((outputs * inputs, -1), (outputs, -1)):
            _flip(values.reshape(rows), exact.reshape(rows))
    whole: np.ndarray = values.astype(np.int8)
    return whole


def _flip(values: np.ndarray, exact: np.ndarray) -> None:
    """Round values of each row the other way until the row's sum is right within a half; in place."""
    error = values - exact
    excess = np.rint(error.sum(axis=1))
    towards = error * np.sign(excess)[:, None]  # how far a value was already moved the wrong way
    towards[np.abs(values - np.sign(excess)[:, None]) > 127] = -np.inf
    rank = np.argsort(np.argsort(-towards, axis=1), axis=1)
    flipped = (rank < np.abs(excess)[:, None]) & (towards > 0)
    values -= flipped * np.sign(excess)[:, None]


def _shift(node: NodeProto, error: np.ndarray, mean: np.ndarray) -> np.ndarray | float:
    """How far a weight's rounding moves the mean of each output channel (Nagel et al. 2019, bias correction)."""
    moved: np.ndarray | float = 0.0
    if node.op_type == "Conv" and len(mean):
        groups = attribute(node, "group", 1)
        per_output = mean.reshape(groups, -1).repeat(error.shape[0] // groups, axis=0)
        moved = (error.sum(axis=tuple(range(2, error.ndim))) * per_output).sum(axis=1)
    elif node.op_type == "Gemm":
        moved = error @ mean if attribute(node, "transB", 0) else mean @ error
    return moved


def _stored(
    graph: GraphProto, stem: str, values: np.ndarray, scale: np.ndarray, axis: int, nodes: list[NodeProto]
) -> str:
    given = [
        add_constant(graph, f"{stem}/quantized", values),
        add_constant(graph, f"{stem}/scale", scale),
        add_constant(graph, f"{stem}/zero", np.zeros(scale.shape, values.dtype)),
    ]
    back = f"{stem}/dequantized"
    nodes.append(helper.make_node("DequantizeLinear", given, [back], name=f"{stem}/Dequantize", axis=axis))
    return back

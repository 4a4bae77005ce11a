"""Dynamic int8 for transformers: the products with constant weights, activations quantised as they come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from tlzoo.exporting.precision.graph import add_constant, attribute, constants, copy_of, drop_unused, set_nodes

TABLE = 65_536
"""Values from which on the rows of an embedding are stored as int8."""


@dataclass(frozen=True)
class DynamicNode:
    """A product or a table of embeddings, by the name of its node."""

    name: str
    output: str


def quantizable_nodes(graph: GraphProto) -> list[DynamicNode]:
    """The nodes of a graph that can be quantised, in order."""
    known = constants(graph)
    return [
        DynamicNode(n.name or n.output[0], n.output[0]) for n in graph.node if _product(n, known) or _table(n, known)
    ]


def _product(node: NodeProto, known: dict[str, np.ndarray]) -> bool:
    if node.op_type not in ("MatMul", "Gemm") or node.input[0] in known:
        return False
    weight = known.get(node.input[1])
    plain = all(given.name == "transB" or (given.f == 1.0 and given.i == 0) for given in node.attribute)
    return plain and weight is not None and weight.ndim == 2 and weight.dtype == np.float32


def _table(node: NodeProto, known: dict[str, np.ndarray]) -> bool:
    rows = known.get(node.input[0]) if node.op_type == "Gather" and attribute(node, "axis", 0) == 0 else None
    return rows is not None and rows.ndim == 2 and rows.dtype == np.float32 and rows.size >= TABLE


def quantize(proto: ModelProto, chosen: Sequence[DynamicNode]) -> ModelProto:
    """A copy whose `chosen` nodes multiply whole numbers, weights symmetric with one scale per column.

    Tables of embeddings are int8 with one scale per row.
    """
    copy = copy_of(proto)
    graph = copy.graph
    known, selected = constants(graph), {site.output for site in chosen}
    nodes: list[NodeProto] = []
    created: set[str] = set()
    for node in graph.node:
        if node.output[0] not in selected:
            nodes.append(node)
        elif node.op_type == "Gather":
            nodes += _look_up(graph, node, known[node.input[0]], created)
        else:
            nodes += _multiply(graph, node, known[node.input[1]], created)
    set_nodes(graph, nodes)
    drop_unused(graph)
    return copy


def _multiply(graph: GraphProto, node: NodeProto, weight: np.ndarray, created: set[str]) -> list[NodeProto]:
    given, output = node.input[0], node.output[0]
    weight = weight.T if attribute(node, "transB", 0) else weight
    steps = np.maximum(np.abs(weight).max(axis=0) / 127, 1e-10).astype(np.float32)
    whole, scale, zero = (f"{given}/given/{part}" for part in ("quantized", "scale", "zero"))  # a product may be given
    nodes = []
    if given not in created:
        created.add(given)
        nodes.append(helper.make_node("DynamicQuantizeLinear", [given], [whole, scale, zero], name=f"{given}/Quantize"))
    stored = add_constant(graph, f"{output}/weight", np.rint(weight / steps).astype(np.int8))
    step = add_constant(graph, f"{output}/step", steps)
    zero_points = add_constant(graph, f"{output}/zero", np.zeros(len(steps), np.int8))
    bias = node.input[2] if len(node.input) > 2 and node.input[2] else None
    product = f"{output}/product" if bias else output
    nodes += [
        helper.make_node(
            "MatMulInteger", [whole, stored, zero, zero_points], [f"{output}/sums"], name=f"{output}/Sums"
        ),
        helper.make_node("Cast", [f"{output}/sums"], [f"{output}/floats"], name=f"{output}/Cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", [scale, step], [f"{output}/scale"], name=f"{output}/Scale"),
        helper.make_node("Mul", [f"{output}/floats", f"{output}/scale"], [product], name=f"{output}/Mul"),
    ]
    return [*nodes, helper.make_node("Add", [product, bias], [output], name=f"{output}/Add")] if bias else nodes


def _look_up(graph: GraphProto, node: NodeProto, rows: np.ndarray, created: set[str]) -> list[NodeProto]:
    table, ids, output = node.input[0], node.input[1], node.output[0]
    if table not in created:
        created.add(table)
        steps = np.maximum(np.abs(rows).max(axis=1, keepdims=True) / 127, 1e-10).astype(np.float32)
        add_constant(graph, f"{table}/quantized", np.rint(rows / steps).astype(np.int8))
        add_constant(graph, f"{table}/step", steps)
    whole, floats, step = (f"{output}/{part}" for part in ("quantized", "floats", "step"))
    return [
        helper.make_node("Gather", [f"{table}/quantized", ids], [whole], name=f"{output}/Gather"),
        helper.make_node("Gather", [f"{table}/step", ids], [step], name=f"{output}/Step"),
        helper.make_node("Cast", [whole], [floats], name=f"{output}/Cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", [floats, step], [output], name=f"{output}/Mul"),
    ]

"""Reading and editing an ONNX graph: producers and consumers of tensors, constants."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, numpy_helper


def copy_of(proto: ModelProto) -> ModelProto:
    """A copy, without the shapes noted at inner tensors: a changed graph would contradict them."""
    copy = ModelProto()
    copy.CopyFrom(proto)
    del copy.graph.value_info[:]
    return copy


def constants(graph: GraphProto) -> dict[str, np.ndarray]:
    """The initializers' values by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def producers(graph: GraphProto) -> dict[str, NodeProto]:
    """The node that produces each tensor."""
    return {name: node for node in graph.node for name in node.output if name}


def consumers(graph: GraphProto) -> dict[str, list[NodeProto]]:
    """The nodes that consume each tensor; one inside a branch or a loop counts as the node around it."""
    takers: dict[str, list[NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in dict.fromkeys(node_inputs(node)):
            takers[name].append(node)
    return takers


def node_inputs(node: NodeProto) -> Iterable[str]:
    """Every input of a node, those of its subgraphs too."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            for child in inner.node:
                yield from node_inputs(child)


def outputs(graph: GraphProto) -> set[str]:
    """The names of the graph's outputs."""
    return {output.name for output in graph.output}


def add_constant(graph: GraphProto, name: str, value: np.ndarray | np.generic) -> str:
    """Add an initializer of a name that is new to the graph; returns the name."""
    graph.initializer.append(numpy_helper.from_array(np.array(value, order="C"), name))
    return name


def drop_constants(graph: GraphProto, names: set[str]) -> None:
    """Remove these initializers."""
    kept = [tensor for tensor in graph.initializer if tensor.name not in names]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def drop_unused(graph: GraphProto) -> None:
    """Remove the initializers that no node takes and no output shows."""
    used = {name for node in graph.node for name in node_inputs(node)} | outputs(graph)
    drop_constants(graph, {tensor.name for tensor in graph.initializer if tensor.name not in used})


def set_nodes(graph: GraphProto, nodes: Iterable[NodeProto]) -> None:
    """Put these nodes in place of the graph's."""
    listed = list(nodes)
    del graph.node[:]
    graph.node.extend(listed)


def attribute(node: NodeProto, name: str, default: int) -> int:
    """A node's whole-number attribute."""
    return next((int(given.i) for given in node.attribute if given.name == name), default)

"""Walking the nodes of a graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onnx import NodeProto


def with_inner(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """These nodes and those of the branches and bodies inside them."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from with_inner(graph.node)

"""The oldest ONNX Runtime that reads a graph, and how a graph is written so that older ones do."""

from __future__ import annotations

from onnx import AttributeProto, GraphProto, ModelProto, TensorProto

from tlzoo.exporting.nodes import with_inner

BY_OPSET = {
    13: "1.6", 14: "1.8", 15: "1.9", 16: "1.11", 17: "1.12", 18: "1.14", 19: "1.15", 20: "1.17", 21: "1.18", 22: "1.21",
    23: "1.23",
}  # fmt: skip
"""The first ONNX Runtime with all operators of an opset of ONNX's own domain, by its own table of versions."""
BY_FORMAT = {7: "1.3", 8: "1.7", 9: "1.15", 10: "1.18", 11: "1.21"}
"""The first ONNX Runtime that reads a version of ONNX's file format (`ir_version`)."""
_FORMAT, _FORMAT_OPSET = 9, 20
_LATEST_TYPE = TensorProto.FLOAT8E5M2FNUZ
"""The last of the types that format 9 has."""


def lower_format(proto: ModelProto) -> None:
    """State the file format 9 in a model that says 10 and holds nothing of it: ONNX Runtime 1.17 reads it then.

    Torch's exporter states 10 whatever the opset is; what came with it are types of 4 bits, overloads and properties.
    """
    opset = max((used.version for used in proto.opset_import if used.domain in ("", "ai.onnx")), default=0)
    if proto.ir_version > _FORMAT and opset <= _FORMAT_OPSET and not _needs_later(proto):
        proto.ir_version = _FORMAT


def least_runtime(proto: ModelProto) -> str:
    """The oldest ONNX Runtime that reads a model, such as "1.17"; empty where no table says, as of other operators."""
    opsets = [used.version for used in proto.opset_import if used.domain in ("", "ai.onnx")]
    if {node.domain for node in with_inner(proto.graph.node)} - {"", "ai.onnx"} or not opsets:
        return ""
    found = [BY_OPSET.get(max(13, *opsets)), BY_FORMAT.get(max(7, proto.ir_version))]
    if None in found:
        return ""
    return max(filter(None, found), key=lambda version: tuple(map(int, version.split("."))))


def _needs_later(proto: ModelProto) -> bool:
    if proto.functions or proto.graph.metadata_props:
        return True
    for node in with_inner(proto.graph.node):
        inner = [graph for each in node.attribute for graph in _graphs(each)]
        held = [each.t for each in node.attribute if each.type == AttributeProto.TENSOR]
        if node.overload or node.metadata_props or any(tensor.data_type > _LATEST_TYPE for tensor in held):
            return True
        if any(_has_later_types(graph) for graph in inner):
            return True
    return _has_later_types(proto.graph)


def _graphs(attribute: AttributeProto) -> list[GraphProto]:
    return [attribute.g] if attribute.type == AttributeProto.GRAPH else list(attribute.graphs)


def _has_later_types(graph: GraphProto) -> bool:
    values = [*graph.input, *graph.output, *graph.value_info]
    types = [value.type.tensor_type.elem_type for value in values] + [each.data_type for each in graph.initializer]
    return max(types, default=0) > _LATEST_TYPE or any(each.metadata_props for each in graph.initializer)

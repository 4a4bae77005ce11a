"""Reading and editing a graph: who makes and takes a tensor, and which constants stay."""

from __future__ import annotations

import numpy as np
from onnx import GraphProto, TensorProto, helper, numpy_helper

from tlzoo.exporting.precision.graph import (
    add_constant,
    attribute,
    constants,
    consumers,
    copy_of,
    drop_constants,
    drop_unused,
    node_inputs,
    outputs,
    producers,
    set_nodes,
)

make = helper.make_node


def value(name: str) -> object:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)


def graph_of() -> GraphProto:
    """x -> Relu -> a; Add(a, a) -> b; If with branches that take `a`, `inner` and `many`; `shown` is a constant."""
    branches = {
        part: helper.make_graph([make("Add", ["a", name], ["c"], name=name)], part, [], [value("c")])
        for part, name in (("then_branch", "inner"), ("else_branch", "a"))
    }
    nodes = [
        make("Relu", ["x"], ["a"], name="relu"),
        make("Add", ["a", "a"], ["b"], name="add"),
        make("If", ["yes"], ["c", ""], name="if", **branches),
        make("Clip", ["b", "", "top"], ["d"], name="clip"),
    ]
    kept = [numpy_helper.from_array(np.ones(1, np.float32), name) for name in ("top", "inner", "spare", "shown", "yes")]
    return helper.make_graph(nodes, "graph", [value("x")], [value("c"), value("d"), value("shown")], kept)


def names(graph: GraphProto) -> list[str]:
    return [tensor.name for tensor in graph.initializer]


def test_a_copy_is_its_own_and_without_noted_shapes():
    proto = helper.make_model(graph_of())
    proto.graph.value_info.append(value("a"))
    copy = copy_of(proto)
    assert len(copy.graph.value_info) == 0
    assert len(proto.graph.value_info) == 1
    copy.graph.node[0].name = "other"
    assert proto.graph.node[0].name == "relu"
    assert copy.graph.output == proto.graph.output


def test_who_makes_a_tensor():
    assert {name: node.name for name, node in producers(graph_of()).items()} == {
        "a": "relu",
        "b": "add",
        "c": "if",
        "d": "clip",
    }


def test_who_takes_a_tensor_be_it_in_a_branch_and_each_once():
    takers = {name: [node.name for node in nodes] for name, nodes in consumers(graph_of()).items()}
    assert takers == {
        "x": ["relu"],
        "a": ["add", "if"],
        "yes": ["if"],
        "inner": ["if"],
        "b": ["clip"],
        "top": ["clip"],
    }
    assert consumers(graph_of())["d"] == []


def test_inputs_of_a_node_are_those_of_its_subgraphs_too():
    relu, add, branch, clip = graph_of().node
    assert list(node_inputs(relu)) == ["x"]
    assert list(node_inputs(add)) == ["a", "a"]
    assert sorted(node_inputs(branch)) == ["a", "a", "a", "inner", "yes"]
    assert list(node_inputs(clip)) == ["b", "top"]
    several = make("Odd", ["x"], ["y"])
    several.attribute.append(helper.make_attribute("graphs", [graph_of()]))
    assert "spare" not in set(node_inputs(several)) >= {"x", "a", "inner", "top"}


def test_constants_that_no_node_takes_and_no_output_shows_are_dropped():
    graph = graph_of()
    assert outputs(graph) == {"c", "d", "shown"}
    assert list(constants(graph)) == names(graph) == ["top", "inner", "spare", "shown", "yes"]
    drop_unused(graph)
    assert names(graph) == ["top", "inner", "shown", "yes"]
    drop_constants(graph, {"inner", "unknown"})
    assert names(graph) == ["top", "shown", "yes"]
    drop_constants(graph, set())
    assert names(graph) == ["top", "shown", "yes"]


def test_a_constant_is_added_as_it_is():
    graph = graph_of()
    rows = np.arange(6, dtype=np.int8).reshape(2, 3)
    assert add_constant(graph, "turned", rows.T) == "turned"
    assert add_constant(graph, "one", np.float32(0.5)) == "one"
    known = constants(graph)
    assert known["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert (known["one"].shape, known["one"].dtype, float(known["one"])) == ((), np.float32, 0.5)


def test_nodes_are_replaced_even_by_some_of_their_own():
    graph = graph_of()
    set_nodes(graph, (node for node in list(graph.node)[::-2]))
    assert [node.name for node in graph.node] == ["clip", "add"]


def test_an_attribute_is_the_nodes_or_the_default():
    node = make("Gemm", ["a", "b"], ["c"], transB=1, alpha=0.5)
    assert (attribute(node, "transB", 0), attribute(node, "transA", 0), attribute(node, "group", 1)) == (1, 0, 1)

"""Walking the nodes of a graph, those inside branches and bodies too."""

from __future__ import annotations

from onnx import NodeProto, helper

from tlzoo.exporting.nodes import with_inner


def node(name: str, **inside: list[NodeProto]) -> NodeProto:
    graphs = {part: helper.make_graph(nodes, part, [], []) for part, nodes in inside.items()}
    return helper.make_node("If", [], [], name=name, **graphs)


def test_nodes_come_in_order_each_before_what_is_inside_it():
    deep = node("b", then_branch=[node("c", body=[node("d")]), node("e")], else_branch=[node("f")])
    several = helper.make_node("Odd", [], [], name="h")
    several.attribute.append(
        helper.make_attribute("graphs", [helper.make_graph([node(name)], name, [], []) for name in "ij"])
    )
    found = [each.name for each in with_inner([node("a"), deep, node("g"), several])]
    assert sorted(found) == list("abcdefghij")
    assert [name for name in found if name in "abgh"] == list("abgh")
    assert found.index("b") < found.index("c") < found.index("d") < found.index("e") < found.index("g")
    assert found.index("b") < found.index("f") < found.index("g")
    assert found[-3:] == ["h", "i", "j"]
    assert list(with_inner([])) == []

"""Which products and tables become int8, and the numbers that they are stored as."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tlzoo.exporting.precision.dynamic import DynamicNode, quantizable_nodes, quantize
from tlzoo.exporting.precision.graph import constants
from tlzoo.runtime.session import open_session, run_session

make = helper.make_node
SQUARE = np.array([[127, -1], [-63.5, 0.25]], np.float32)
LARGE = np.zeros((256, 256), np.float32)  # 65,536 values


def model_of(nodes: list[NodeProto], weights: dict[str, np.ndarray], kind: int = TensorProto.FLOAT) -> ModelProto:
    given = helper.make_tensor_value_info("x", kind, None)
    shown = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)
    kept = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "graph", [given], [shown], kept)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def chosen(node: NodeProto, weight: Any) -> bool:
    weights = {} if weight is None else {"w": weight}
    return bool(quantizable_nodes(model_of([node], weights).graph))


@pytest.mark.parametrize(
    ("node", "weight", "taken"),
    [
        (make("MatMul", ["x", "w"], ["y"]), SQUARE, True),
        (make("Gemm", ["x", "w"], ["y"]), SQUARE, True),
        (make("Gemm", ["x", "w"], ["y"], transB=1), SQUARE, True),
        (make("Gemm", ["x", "w"], ["y"], alpha=1.0, beta=1.0, transB=0), SQUARE, True),
        (make("Gemm", ["x", "w"], ["y"], alpha=0.5), SQUARE, False),
        (make("Gemm", ["x", "w"], ["y"], beta=2.0), SQUARE, False),
        (make("Gemm", ["x", "w"], ["y"], transA=1), SQUARE, False),
        (make("Conv", ["x", "w"], ["y"]), SQUARE, False),
        (make("MatMul", ["x", "w"], ["y"]), None, False),
        (make("MatMul", ["w", "x"], ["y"]), SQUARE, False),
        (make("MatMul", ["w", "w"], ["y"]), SQUARE, False),
        (make("MatMul", ["x", "w"], ["y"]), SQUARE[None], False),
        (make("MatMul", ["x", "w"], ["y"]), SQUARE[0], False),
        (make("MatMul", ["x", "w"], ["y"]), SQUARE.astype(np.float64), False),
        (make("Gather", ["w", "x"], ["y"]), LARGE, True),
        (make("Gather", ["w", "x"], ["y"], axis=0), LARGE, True),
        (make("Gather", ["w", "x"], ["y"], axis=1), LARGE, False),
        (make("Gather", ["w", "x"], ["y"]), LARGE[:, 1:], False),
        (make("Gather", ["w", "x"], ["y"]), LARGE.ravel(), False),
        (make("Gather", ["w", "x"], ["y"]), LARGE.astype(np.float16), False),
        (make("Gather", ["x", "w"], ["y"]), LARGE, False),
    ],
)
def test_constant_float32_matrices_and_large_tables_are_taken(node: NodeProto, weight: Any, taken: bool):
    assert chosen(node, weight) is taken


def test_a_node_is_called_by_its_name_or_its_output():
    nodes = [
        make("MatMul", ["x", "w"], ["a"], name="first"),
        make("Relu", ["a"], ["b"]),
        make("MatMul", ["b", "w"], ["c"]),
    ]
    assert quantizable_nodes(model_of(nodes, {"w": SQUARE}).graph) == [DynamicNode("first", "a"), DynamicNode("c", "c")]


def test_each_column_has_its_step():
    proto = model_of([make("MatMul", ["x", "w"], ["y"])], {"w": SQUARE})
    made = quantize(proto, quantizable_nodes(proto.graph))
    known = constants(made.graph)
    assert known["y/weight"].tolist() == [[127, -127], [-64, 32]]
    assert known["y/weight"].dtype == np.int8
    np.testing.assert_allclose(known["y/step"], [1, 1 / 127])
    assert known["y/zero"].tolist() == [0, 0]
    assert set(known) == {"y/weight", "y/step", "y/zero"}
    x = np.array([[0, 255], [255, 0]], np.float32)  # held exactly
    [y] = run_session(open_session(made.SerializeToString()), {"x": x})
    np.testing.assert_allclose(y, [[-64 * 255, 32 / 127 * 255], [127 * 255, -255]], rtol=1e-5)
    assert list(constants(proto.graph)) == ["w"]


def test_a_turned_weight_with_a_bias_is_as_the_product():
    nodes = [make("Gemm", ["x", "w", "b"], ["y"], transB=1)]
    proto = model_of(nodes, {"w": SQUARE.T.copy(), "b": np.array([5, -7], np.float32)})
    made = quantize(proto, quantizable_nodes(proto.graph))
    known = constants(made.graph)
    assert known["y/weight"].tolist() == [[127, -127], [-64, 32]]
    assert set(known) == {"b", "y/weight", "y/step", "y/zero"}
    [y] = run_session(open_session(made.SerializeToString()), {"x": np.array([[255, 0]], np.float32)})
    np.testing.assert_allclose(y, [[127 * 255 + 5, -255 - 7]], rtol=1e-5)


def test_a_column_of_zeros_gives_zeros():
    proto = model_of([make("MatMul", ["x", "w"], ["y"])], {"w": np.array([[0, 1]], np.float32)})
    made = quantize(proto, quantizable_nodes(proto.graph))
    np.testing.assert_allclose(constants(made.graph)["y/step"], [1e-10, 1 / 127])
    [y] = run_session(open_session(made.SerializeToString()), {"x": np.array([[2]], np.float32)})
    np.testing.assert_allclose(y, [[0, 2]], rtol=1e-2)


def test_what_two_products_take_is_quantised_once_and_what_is_not_chosen_stays():
    nodes = [
        make("MatMul", ["x", "w"], ["a"]),
        make("Gemm", ["x", "w", ""], ["b"]),
        make("MatMul", ["x", "w"], ["c"]),
        make("Sum", ["a", "b", "c"], ["y"]),
    ]
    proto = model_of(nodes, {"w": SQUARE})
    made = quantize(proto, quantizable_nodes(proto.graph)[:2])
    kinds = [node.op_type for node in made.graph.node]
    assert kinds.count("DynamicQuantizeLinear") == 1
    assert kinds.count("MatMulInteger") == 2
    assert kinds.count("MatMul") == 1
    assert "Gemm" not in kinds
    assert "w" in constants(made.graph)
    [y] = run_session(open_session(made.SerializeToString()), {"x": np.array([[255, 0]], np.float32)})
    np.testing.assert_allclose(y, 255 * 3 * SQUARE[:1], rtol=1e-5)


def test_each_row_of_a_table_has_its_step_and_a_table_is_stored_once():
    table = np.zeros((256, 256), np.float32)
    table[1, 0], table[2, :2] = 1.0, [-254, 127]
    nodes = [make("Gather", ["w", "x"], ["a"]), make("Gather", ["w", "x"], ["b"]), make("Add", ["a", "b"], ["y"])]
    proto = model_of(nodes, {"w": table}, TensorProto.INT64)
    made = quantize(proto, quantizable_nodes(proto.graph))
    known = constants(made.graph)
    assert set(known) == {"w/quantized", "w/step"}
    assert known["w/quantized"].dtype == np.int8
    assert known["w/quantized"][:3, :2].tolist() == [[0, 0], [127, 0], [-127, 64]]
    np.testing.assert_allclose(known["w/step"][:3], [[1e-10], [1 / 127], [2]])
    [y] = run_session(open_session(made.SerializeToString()), {"x": np.array([[1, 2]])})
    np.testing.assert_allclose(y[0, :, :2], [[2, 0], [-508, 256]], rtol=1e-6)
    assert not y[0, :, 2:].any()

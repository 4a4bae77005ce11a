"""Static int8: which nodes, which scales, and the numbers that weights and biases are stored as."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tlzoo.exporting.precision.graph import constants
from tlzoo.exporting.precision.static import (
    INT32,
    StaticNode,
    _flip,
    _rounded,
    _scales,
    _shift,
    affine,
    insert_qdq,
    quantizable_nodes,
)
from tlzoo.runtime.session import open_session, run_session

make = helper.make_node
MATRIX = np.array([[127, -1], [-63.5, 0.5]], np.float32)
KERNEL = np.ones((2, 3, 1, 1), np.float32)


def model_of(
    nodes: list[NodeProto],
    weights: dict[str, np.ndarray],
    shape: tuple[Any, ...] = ("N", 2),
    shown: tuple[str, ...] = (),
) -> ModelProto:
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", floats, shape)],
        [helper.make_tensor_value_info(name, floats, None) for name in (nodes[-1].output[0], *shown)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def places(
    nodes: list[NodeProto], weights: dict[str, np.ndarray], shown: tuple[str, ...] = ()
) -> list[tuple[str, tuple[str, ...], str | None]]:
    """Name, inputs and output of each node that is found."""
    found = quantizable_nodes(model_of(nodes, weights, shown=shown).graph)
    return [(place.name, place.inputs, place.output) for place in found]


END = make("Identity", ["y"], ["end"])


@pytest.mark.parametrize(
    ("node", "taken"),
    [
        (make("Conv", ["x", "kernel"], ["y"]), True),
        (make("Conv", ["x", "kernel", "bias"], ["y"]), True),
        (make("Conv", ["x", "kernel", ""], ["y"]), True),
        (make("Conv", ["x", "kernel1"], ["y"]), True),
        (make("Conv", ["x", "kernel3"], ["y"]), False),
        (make("Conv", ["x", "matrix"], ["y"]), False),
        (make("Conv", ["x", "kernel", "x"], ["y"]), False),  # a bias that is computed
        (make("Conv", ["x", "x"], ["y"]), False),
        (make("Conv", ["kernel", "kernel"], ["y"]), False),
        (make("Conv", ["x", "double"], ["y"]), False),
        (make("MatMul", ["x", "matrix"], ["y"]), True),
        (make("MatMul", ["x", "kernel1"], ["y"]), False),
        (make("MatMul", ["matrix", "x"], ["y"]), False),
        (make("Gemm", ["x", "matrix", "bias"], ["y"], transB=1), True),
        (make("Gemm", ["x", "matrix"], ["y"], alpha=1.0, beta=1.0, transA=0), True),
        (make("Gemm", ["x", "matrix"], ["y"], transA=1), False),
        (make("Gemm", ["x", "matrix"], ["y"], alpha=0.5), False),
        (make("Gemm", ["x", "matrix"], ["y"], beta=2.0), False),
        (make("MaxPool", ["x"], ["y"], kernel_shape=[1, 1]), True),
        (make("MaxPool", ["x"], ["y", "where"], kernel_shape=[1, 1]), False),
        (make("Relu", ["x"], ["y"]), False),
        (make("Add", ["x", "x"], ["y"]), False),
        (make("Add", ["x", "bias"], ["y"]), False),
        (make("Sub", ["x", "z"], ["y"]), False),
    ],
)
def test_constant_weights_pools_and_sums_of_two_activations_are_taken(node: NodeProto, taken: bool):
    weights = {
        "kernel": KERNEL, "kernel1": KERNEL[..., 0], "kernel3": KERNEL[..., None], "matrix": MATRIX,
        "bias": np.ones(2, np.float32), "double": KERNEL.astype(np.float64),
    }  # fmt: skip
    assert places([node, END], weights) == ([("y", ("x",), "y")] if taken else [])


def test_a_sum_takes_two_and_a_node_is_called_by_its_name():
    nodes = [make("Neg", ["x"], ["z"]), make("Add", ["x", "z"], ["y"], name="sum"), END]
    assert places(nodes, {}) == [("sum", ("x", "z"), "y")]


def test_what_an_output_shows_stays_in_float32():
    node, relu = make("Conv", ["x", "kernel"], ["y"]), make("Relu", ["y"], ["r"])
    weights = {"kernel": KERNEL}
    assert places([node], weights) == [("y", ("x",), None)]
    assert places([node, relu, make("Neg", ["r"], ["end"])], weights) == [("y", ("x",), "r")]
    assert places([node, relu], weights) == [("y", ("x",), None)]
    assert places([node, relu, make("Neg", ["r"], ["end"])], weights, ("y",)) == [("y", ("x",), None)]


@pytest.mark.parametrize(
    ("node", "after", "output"),
    [
        (make("Conv", ["x", "kernel"], ["y"]), [make("Clip", ["y"], ["r"])], "r"),
        (make("Conv", ["x", "kernel"], ["y"]), [make("Sigmoid", ["y"], ["r"])], "y"),
        (make("Conv", ["x", "kernel"], ["y"]), [make("Relu", ["y"], ["r"]), make("Neg", ["y"], ["n"])], "y"),
        (make("Add", ["x", "z"], ["y"]), [make("Relu", ["y"], ["r"])], "r"),
        (make("MatMul", ["x", "matrix"], ["y"]), [make("Relu", ["y"], ["r"])], "y"),
    ],
)
def test_an_activation_that_alone_follows_is_part_of_a_convolution_or_sum(
    node: NodeProto, after: list[NodeProto], output: str
):
    nodes = [make("Neg", ["x"], ["z"]), node, *after, make("Sum", [each.output[0] for each in after], ["end"])]
    [(_, _, found)] = places(nodes, {"kernel": KERNEL, "matrix": MATRIX})
    assert found == output


@pytest.mark.parametrize(
    ("low", "high", "scale", "zero"),
    [
        (0.0, 255.0, 1.0, 0),
        (-255.0, 0.0, 1.0, 255),
        (-1.0, 3.0, 4 / 255, 64),
        (-51.0, 204.0, 1.0, 51),
        (2.0, 510.0, 2.0, 0),  # widened to hold 0
        (-510.0, -2.0, 2.0, 255),
        (0.0, 0.0, 1e-8, 0),
    ],
)
def test_a_range_is_put_onto_a_byte(low: float, high: float, scale: float, zero: int):
    assert affine(low, high) == (pytest.approx(scale), zero)


def test_a_scale_is_of_the_first_that_names_it_and_pools_pass_theirs_on():
    pool, conv = make("MaxPool", ["a"], ["b"]), make("Conv", ["x", "kernel"], ["a"])
    chosen = [
        StaticNode("a", conv, ("x",), "a"),
        StaticNode("b", pool, ("a",), "b"),
        StaticNode("c", make("Add", ["b", "x"], ["c"]), ("b", "x"), None),
    ]
    ranges = {"x": (0.0, 255.0), "a": (0.0, 510.0), "b": (0.0, 5.0)}
    assert _scales(chosen, ranges) == {"x": (1.0, 0), "a": (2.0, 0), "b": (2.0, 0)}
    alone = [StaticNode("b", pool, ("a",), None)]
    assert _scales(alone, ranges) == {"a": (2.0, 0)}


@pytest.mark.parametrize(
    ("exact", "values"),
    [
        ([0.4, 0.4, 0.4], [1, 0, 0]),  # a sum of 1.2 is 1; of equal ones the first
        ([0.4, 0.45, 0.4], [0, 1, 0]),
        ([0.6, 0.6, 0.7], [0, 1, 1]),
        ([-0.4, -0.45, -0.4], [0, -1, 0]),
        ([0.1, 0.2], [0, 0]),
        ([126.6, 126.7, 0.4, 0.4], [127, 127, 0, 0]),
    ],
)
def test_rounding_keeps_the_sum_of_a_row_within_a_half(exact: list[float], values: list[int]):
    given = np.array([exact])
    found = np.clip(np.rint(given), -127, 127)
    _flip(found, given)
    assert abs(found.sum() - given.sum()) <= 0.5 + 1e-9
    assert found.tolist() == [values]


def test_what_is_at_the_end_of_the_range_is_not_pushed_beyond_it():
    exact = np.array([[127.4, 0.45, 0.4, 0.3]])
    found = np.clip(np.rint(exact), -127, 127)
    _flip(found, exact)
    assert found.tolist() == [[127, 1, 1, 0]]


def test_kernels_are_rounded_with_their_sums_and_matrices_each_number_alone():
    exact = np.full((1, 2, 1, 3), 0.4)
    assert _rounded(exact, True).sum() == 2  # of 2.4
    assert _rounded(exact, True).sum(axis=(2, 3)).tolist() == [[1, 1]]
    assert _rounded(np.full((1, 3, 1, 1), 0.4), True).sum() == 1  # over the channels too
    assert _rounded(np.full((2, 3), 0.4), False).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert _rounded(np.array([[200.0, -200.0]]), False).tolist() == [[127, -127]]
    assert _rounded(exact, True).dtype == np.int8


@pytest.mark.parametrize(
    ("node", "error", "mean", "moved"),
    [
        (make("Gemm", ["x", "w", "b"], ["y"]), [[1.0, 2], [3, 4]], [10.0, 1], [13, 24]),
        (make("Gemm", ["x", "w", "b"], ["y"], transB=1), [[1.0, 2], [3, 4]], [10.0, 1], [12, 34]),
        (make("MatMul", ["x", "w"], ["y"]), [[1.0, 2], [3, 4]], [10.0, 1], 0.0),
        (make("Conv", ["x", "w", "b"], ["y"]), [[[[1.0, 1]], [[2, 0]]], [[[3, 0]], [[2, 2]]]], [10.0, 1], [22, 34]),
        (make("Conv", ["x", "w", "b"], ["y"], group=2), [[[[1.0, 1]]], [[[3, 0]]]], [10.0, 1], [20, 3]),
        (make("Conv", ["x", "w", "b"], ["y"], group=1), [[[[1.0, 1]]], [[[3, 0]]]], [], 0.0),
    ],
)
def test_how_far_rounding_moves_the_mean_of_each_output(node: NodeProto, error: Any, mean: Any, moved: Any):
    np.testing.assert_allclose(_shift(node, np.array(error), np.array(mean)), moved)


def quantized(nodes: list[NodeProto], weights: dict[str, np.ndarray], ranges: Any, means: Any = None) -> ModelProto:
    proto = model_of(nodes, weights)
    return insert_qdq(proto, quantizable_nodes(proto.graph), ranges, means or {})


def test_a_products_weight_has_a_step_for_each_output_and_its_bias_both_steps():
    bias = np.array([4.0, 1.0], np.float32)
    made = quantized([make("Gemm", ["x", "w", "b"], ["y"])], {"w": MATRIX, "b": bias}, {"x": (0.0, 510.0)})
    known = constants(made.graph)
    assert known["y/weight/quantized"].tolist() == [[127, -127], [-64, 64]]
    np.testing.assert_allclose(known["y/weight/scale"], [1, 1 / 127])
    assert known["y/bias/quantized"].tolist() == [2, round(127 / 2)]
    np.testing.assert_allclose(known["y/bias/scale"], [2, 2 / 127])
    assert (known["y/weight/zero"].dtype, known["y/bias/zero"].dtype) == (np.int8, np.int32)
    assert (float(known["x/scale"]), int(known["x/zero"])) == (2.0, 0)
    assert "w" not in known
    [y] = run_session(open_session(made.SerializeToString()), {"x": np.array([[4, 2]], np.float32)})
    np.testing.assert_allclose(y, [[4 * 127 - 2 * 64 + 4, -4 + 2 * 64 / 127 + 1]], atol=2 / 127)


def test_a_turned_weight_has_its_steps_along_its_rows_and_the_mean_moves_the_bias():
    weights = {"w": MATRIX.T.copy(), "b": np.zeros(2, np.float32)}
    nodes = [make("Gemm", ["x", "w", "b"], ["y"], transB=1)]
    known = constants(quantized(nodes, weights, {"x": (0.0, 255.0)}, {"x": np.array([0.0, 10.0])}).graph)
    assert known["y/weight/quantized"].tolist() == [[127, -64], [-127, 64]]
    # rounding moves -63.5 to -64 and 0.5 to 64 / 127
    assert known["y/bias/quantized"].tolist() == [5, round(-10 * (64 / 127 - 0.5) * 127)]


def test_a_nearly_dead_outputs_bias_fits_into_32_bits():
    weights = {"w": np.array([[0.0, 1.0]], np.float32), "b": np.array([1000.0, 0.0], np.float32)}
    known = constants(quantized([make("Gemm", ["x", "w", "b"], ["y"])], weights, {"x": (0.0, 255e-6)}).graph)
    assert INT32 == 2**31 - 1
    np.testing.assert_allclose(known["y/weight/scale"], [1000 / (1e-6 * INT32 / 2), 1 / 127], rtol=1e-5)
    assert known["y/bias/quantized"].tolist() == [pytest.approx(INT32 / 2, rel=1e-5), 0]
    alone = constants(quantized([make("MatMul", ["x", "w"], ["y"])], weights, {"x": (0.0, 255e-6)}).graph)
    np.testing.assert_allclose(alone["y/weight/scale"], [1e-10, 1 / 127])


def test_only_what_is_chosen_is_quantised_and_a_bias_left_in_float32_is_hidden():
    nodes = [
        make("Gemm", ["x", "w", "b"], ["a"], name="a"),
        make("Gemm", ["x", "w", "b"], ["c"], name="c"),
        make("Gemm", ["x", "w"], ["d"], name="d"),
        make("Sum", ["a", "c", "d"], ["y"]),
    ]
    bias = np.array([3.0, -0.75], np.float32)
    proto = model_of(nodes, {"w": MATRIX, "b": bias})
    chosen = [place for place in quantizable_nodes(proto.graph) if place.name == "a"]
    made = insert_qdq(proto, chosen, {"x": (0.0, 255.0), "a": (-100.0, 100.0)}, {})
    known = constants(made.graph)
    step = 3.0 / 2**30
    assert known["c/bias/quantized"].tolist() == [2**30, -(2**28)]
    np.testing.assert_allclose(known["c/bias/scale"], step)
    assert known["d/bias/quantized"].tolist() == [0, 0]
    np.testing.assert_allclose(known["d/bias/scale"], 1e-6 / 2**30)
    assert "a/bias/scale" in known
    by_name = {node.name: list(node.input) for node in made.graph.node}
    assert by_name["a"] == ["x/dequantized", "a/weight/dequantized", "a/bias/dequantized"]
    assert by_name["c"] == ["x/dequantized", "w", "c/bias/dequantized"]
    assert by_name["d"] == ["x/dequantized", "w", "d/bias/dequantized"]
    assert "a/dequantized" in made.graph.node[-1].input
    assert [node.name for node in proto.graph.node] == ["a", "c", "d", ""]


def test_where_nothing_is_quantised_biases_stay():
    weights = {"w": MATRIX, "b": np.ones(2, np.float32)}
    proto = model_of([make("Gemm", ["x", "w", "b"], ["y"])], weights)
    made = insert_qdq(proto, [], {}, {})
    assert list(made.graph.node[0].input) == ["x", "w", "b"]
    assert set(constants(made.graph)) == {"w", "b"}

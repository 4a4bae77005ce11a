"""Pictures that enter an int8 network as bytes: which normalisations are folded, and into what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from tlzoo.exporting.precision.graph import constants
from tlzoo.exporting.precision.input_conv import (
    InputConv,
    find_input_conv,
    fold_normalization,
    quantized_input_nodes,
)

make = helper.make_node
MEAN, STD = np.array([51.0, 102, 153], np.float32), np.array([2.0, 4, 5], np.float32)
CONSTANTS = {
    "mean": MEAN, "std": STD, "mean4": MEAN.reshape(1, 3, 1, 1), "std4": STD.reshape(1, 3, 1, 1),
    "one": np.float32(255), "minus": np.float32(-1), "kernel": np.ones((2, 3, 3, 3), np.float32),
    "partly": np.array([0, 1, 1], np.float32), "wide": np.ones((2, 1, 1, 1, 3), np.float32),
}  # fmt: skip
CAST, TURN = make("Cast", ["image"], ["a"], to=1), make("Transpose", ["c"], ["d"], perm=[0, 3, 1, 2])
SUB, DIV, CONV = (
    make("Sub", ["a", "mean"], ["b"]),
    make("Div", ["b", "std"], ["c"]),
    make("Conv", ["d", "kernel"], ["y"]),
)
USUAL = [CAST, SUB, DIV, TURN, CONV]


def graph_of(
    nodes: list[NodeProto], kind: int = TensorProto.UINT8, shape: tuple[Any, ...] = ("N", 8, 8, 3)
) -> GraphProto:
    given = [
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 3]),
        helper.make_tensor_value_info("image", kind, shape),
    ]
    shown = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    kept = [numpy_helper.from_array(np.asarray(value), name) for name, value in CONSTANTS.items()]
    return helper.make_graph(nodes, "graph", given, shown, kept)


def found(nodes: list[NodeProto], **given: Any) -> InputConv | None:
    graph = graph_of(nodes, **given)
    return find_input_conv(graph, constants(graph))


def test_the_usual_normalisation():
    pixels = found(USUAL)
    assert pixels is not None
    assert (pixels.image, pixels.chain, pixels.conv, pixels.tensor) == ("image", ("a", "b", "c", "d"), "y", "d")
    np.testing.assert_allclose(pixels.gain, [1 / 2, 1 / 4, 1 / 5])
    np.testing.assert_allclose(pixels.zero, MEAN)
    assert pixels.scale == pytest.approx((1 / 2 + 1 / 4 + 1 / 5) / 3)
    assert pixels.offset == 102
    assert not pixels.even


@pytest.mark.parametrize(
    ("nodes", "gain", "zero"),
    [
        ([CAST, make("Transpose", ["a"], ["d"], perm=[0, 3, 1, 2]), CONV], [1.0] * 3, [0.0] * 3),
        (
            [
                make("Transpose", ["image"], ["a"], perm=[0, 3, 1, 2]),
                make("Cast", ["a"], ["b"], to=1),
                make("Sub", ["b", "mean4"], ["c"]),
                make("Div", ["c", "std4"], ["d"]),
                CONV,
            ],
            1 / STD,
            MEAN,
        ),
        ([CAST, make("Add", ["mean", "a"], ["c"]), TURN, CONV], [1.0] * 3, -MEAN),
        ([CAST, make("Mul", ["a", "std"], ["c"]), TURN, CONV], STD, [0.0] * 3),
        (
            [CAST, make("Sub", ["one", "a"], ["b"]), make("Mul", ["b", "minus"], ["c"]), TURN, CONV],
            [1.0] * 3,
            [255.0] * 3,
        ),
    ],
)
def test_steps_in_any_order_and_with_their_inputs_as_they_stand(nodes: list[NodeProto], gain: Any, zero: Any):
    pixels = found(nodes)
    assert pixels is not None
    np.testing.assert_allclose(pixels.gain, gain)
    np.testing.assert_allclose(pixels.zero, zero, atol=1e-9)


@pytest.mark.parametrize(
    "nodes",
    [
        [CAST, SUB, DIV, TURN, make("Conv", ["d", "d"], ["y"])],
        [CAST, SUB, DIV, TURN, make("Conv", ["kernel", "d"], ["y"])],
        [CAST, SUB, DIV, TURN, make("Conv", ["d", "kernel"], ["y"], group=3)],
        [CAST, SUB, DIV, TURN, make("Conv", ["d", "kernel"], ["y"], auto_pad="SAME_UPPER")],
        [CAST, SUB, DIV, TURN, CONV, make("Relu", ["d"], ["e"])],  # the picture is taken elsewhere too
        [CAST, make("Sub", ["mean", "a"], ["c"]), TURN, CONV],  # white becomes less than black
        [CAST, make("Mul", ["a", "partly"], ["c"]), TURN, CONV],  # of one channel nothing is left
        [CAST, make("Mul", ["a", "a"], ["c"]), TURN, CONV],
        [CAST, make("Mul", ["a", "scores"], ["c"]), TURN, CONV],
        [CAST, make("Relu", ["a"], ["c"]), TURN, CONV],
        [CAST, make("Pow", ["a", "std"], ["c"]), TURN, CONV],
        [CAST, make("Add", ["a", "wide"], ["c"]), TURN, CONV],
        [CAST, make("Conv", ["a", "kernel"], ["y"])],  # channels last: one place has several values
        [make("Identity", ["image"], ["a"]), SUB, DIV, TURN, CONV],
        [make("Cast", ["scores"], ["a"], to=1), SUB, DIV, TURN, CONV],
    ],
)
def test_what_is_no_normalisation_before_a_plain_convolution_is_not_folded(nodes: list[NodeProto]):
    assert found(nodes) is None


def test_explicit_padding_by_another_word_is_plain():
    assert found([CAST, SUB, DIV, TURN, make("Conv", ["d", "kernel"], ["y"], auto_pad="NOTSET", group=1)]) is not None


@pytest.mark.parametrize(
    "given",
    [
        {"kind": TensorProto.FLOAT},
        {"shape": ("N", 8, 3)},
        {"shape": ("N", 8, 8, "C")},
    ],
)
def test_other_inputs_are_no_pictures(given: dict[str, Any]):
    assert found(USUAL, **given) is None


def pixels_of(zero: list[float], gain: list[float] | None = None) -> InputConv:
    gains = np.ones(len(zero)) if gain is None else np.array(gain)
    return InputConv("image", ("d",), gains, np.array(zero), "y")


@pytest.mark.parametrize(
    ("zero", "offset", "even"),
    [
        ([0.0, 0.0], 0, True),
        ([10.0, 10.0], 10, True),
        ([10.0009, 10.0], 10, True),
        ([10.0011, 10.0], 10, False),
        ([10.0, 12.0], 11, False),
        ([-5.0, -5.0], 0, False),
        ([300.0, 300.0], 255, False),
    ],
)
def test_one_zero_point_for_all_channels(zero: list[float], offset: int, even: bool):
    assert (pixels_of(zero).offset, pixels_of(zero).even) == (offset, even)


@pytest.mark.parametrize("bias", [None, np.array([7.0, -3.0], np.float32)])
def test_the_folded_convolution_gives_the_same_for_bytes(bias: np.ndarray | None):
    random = np.random.default_rng(0)
    pixels = pixels_of([120.0, 100.0, 90.0], [0.02, 0.03, 0.05])
    weight, picture = random.normal(size=(2, 3, 2, 2)).astype(np.float32), random.integers(0, 256, (3, 2, 2))
    scaled, moved = fold_normalization(pixels, weight, bias)
    normalised = pixels.gain[:, None, None] * (picture - pixels.zero[:, None, None])
    expected = (weight * normalised).sum(axis=(1, 2, 3)) + (0 if bias is None else bias)
    np.testing.assert_allclose(
        (scaled * pixels.scale * (picture - pixels.offset)).sum(axis=(1, 2, 3)) + moved, expected, rtol=1e-4
    )
    assert (scaled.dtype, moved.dtype) == (np.float32, np.float32)


@pytest.mark.parametrize(
    ("zero", "pads"),
    [([0.0, 0.0, 0.0], [1, 1, 1, 1]), ([9.0, 9.0, 9.0], [1, 1, 1, 1]), (list(MEAN), None), (list(MEAN), [0] * 4)],
)
def test_a_border_of_zeros_stays_where_it_is_right_or_there_is_none(zero: list[float], pads: list[int] | None):
    graph = graph_of(USUAL)
    conv = make("Conv", ["d", "kernel"], ["y"], **({} if pads is None else {"pads": pads}))
    before = conv.SerializeToString()
    [turned] = quantized_input_nodes(graph, pixels_of(zero), conv, "bytes")
    assert (turned.op_type, list(turned.input), list(turned.output)) == ("Transpose", ["image"], ["bytes"])
    assert list(turned.attribute[0].ints) == [0, 3, 1, 2]
    assert conv.SerializeToString() == before


def test_elsewhere_each_channel_is_bordered_by_its_own_zero():
    graph = graph_of(USUAL)
    conv = make("Conv", ["d", "kernel"], ["y"], pads=[1, 2, 3, 4], strides=[2, 2])
    nodes = quantized_input_nodes(graph, pixels_of([-4.0, 102.4, 300.0]), conv, "bytes")
    assert [given.name for given in conv.attribute] == ["strides"]
    run = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", None, None, 3])],
        [helper.make_tensor_value_info("bytes", TensorProto.UINT8, None)],
        [tensor for tensor in graph.initializer if tensor.name.startswith("image/")],
    )
    from onnx.reference import ReferenceEvaluator

    proto = helper.make_model(run, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    picture = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    [made] = ReferenceEvaluator(proto).run(None, {"image": picture})
    assert (made.shape, made.dtype) == ((1, 3, 2 + 1 + 3, 2 + 2 + 4), np.uint8)
    for channel, border in enumerate((0, 102, 255)):
        inner = picture[0, :, :, channel]
        np.testing.assert_array_equal(made[0, channel], np.pad(inner, ((1, 3), (2, 4)), constant_values=border))

"""Which weights become float16, and when computing in float16 is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tlzoo.errors import ExportError
from tlzoo.exporting.precision import fp16 as module
from tlzoo.exporting.precision.fp16 import LARGEST, _fits, _same, fp16, half_weights
from tlzoo.exporting.precision.graph import constants
from tlzoo.runtime.session import open_session, run_session


def model_of(weights: Mapping[str, np.ndarray], shown: tuple[str, ...] = ("y",)) -> ModelProto:
    """y = x summed with all weights of 2 dimensions."""
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Sum", ["x", *(name for name in weights if weights[name].ndim == 2)], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", floats, None)],
        [helper.make_tensor_value_info(name, floats, None) for name in shown],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


WIDE = np.full((1, 257), 0.5, np.float32)


@pytest.mark.parametrize(
    ("values", "fits"),
    [
        ([0.5, -2.0], True),
        ([LARGEST, 0.0], True),
        ([-LARGEST], True),
        ([LARGEST + 1], False),
        ([-70000.0, 1.0], False),
        ([np.nan], False),
        ([np.inf], False),
        ([0.0, 0.0], True),
        ([1e-9, 1e-9], False),  # float16 holds no such small numbers
        ([1e-9, 1.0], True),
        ([0.5 + 2**-12], True),  # rounded by 0.05 %
    ],
)
def test_float16_holds_values_neither_too_great_nor_too_small(values: list[float], fits: bool):
    assert LARGEST == 65504
    assert _fits(np.array(values, np.float32)) is fits


def test_the_digits_that_may_be_lost_are_two_in_a_thousand():
    step = 2.0**-24  # what float16 counts very small numbers in
    assert _fits(np.array([300.45 * step], np.float32))  # off by 0.45 of 300
    assert not _fits(np.array([200.45 * step], np.float32))


def test_weights_of_more_than_256_float32_values_become_float16():
    weights = {
        "wide": WIDE,
        "small": WIDE[:, :256],
        "great": WIDE * 1e6,
        "whole": np.ones((1, 257), np.int64),
        "public": WIDE * 3,
    }
    proto = model_of({name: weights[name] for name in ("wide", "great", "public")}, ("y", "public"))
    proto.graph.initializer.extend(numpy_helper.from_array(weights[name], name) for name in ("small", "whole"))
    made, kept = half_weights(proto)
    assert kept == ("great",)
    known = constants(made.graph)
    assert {name: value.dtype.name for name, value in known.items()} == {
        "wide/half": "float16", "great": "float32", "public": "float32", "small": "float32", "whole": "int64"
    }  # fmt: skip
    cast, total = made.graph.node
    assert (cast.op_type, list(cast.input), list(cast.output)) == ("Cast", ["wide/half"], ["wide"])
    assert total.op_type == "Sum"
    [y] = run_session(open_session(made.SerializeToString()), {"x": np.zeros((1, 257), np.float32)})
    np.testing.assert_allclose(y, 2 + 0.5e6)
    assert "wide" in constants(proto.graph)


def test_a_weight_that_is_an_input_too_stays():
    proto = model_of({"wide": WIDE, "other": WIDE})
    proto.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, None))
    assert set(constants(half_weights(proto)[0].graph)) == {"wide/half", "other"}


@pytest.mark.parametrize("weights", [{}, {"small": WIDE[:, :256]}, {"great": WIDE * 1e6}])
def test_a_model_without_such_weights_is_refused(weights: dict[str, np.ndarray]):
    with pytest.raises(ExportError) as caught:
        half_weights(model_of(weights))
    assert caught.value.message == "This model has no float32 weights that fit float16."
    assert (caught.value.hint, caught.value.parameter) == ("Export with `precision='fp32'`.", "precision")


@pytest.mark.parametrize(
    ("computed", "stored", "taken"), [(1.0, 1.06, True), (1.0, 1.04, False), (1.0, 1.05, False), (2.0, 1.0, False)]
)
def test_computing_in_float16_is_taken_where_it_is_five_percent_faster(
    computed: float, stored: float, taken: bool, monkeypatch: pytest.MonkeyPatch
):
    def times(candidates: Any, arrays: Any, *, batch: int, seconds: float) -> dict[str, float]:
        assert set(candidates) == {"stored", "computed"}
        return {"stored": stored, "computed": computed}

    monkeypatch.setattr(module, "rank_by_speed", times)
    x = {"x": np.linspace(-1, 1, 2 * 257, dtype=np.float32).reshape(2, 257)}
    made, kept = fp16(model_of({"wide": WIDE, "tiny": WIDE * 1e-9}), x, ["y"])
    assert kept == ("tiny",)
    assert (constants(made.graph).get("wide/half") is None) is taken
    assert [each.type.tensor_type.elem_type for each in (*made.graph.input, *made.graph.output)] == [1, 1]


@pytest.mark.parametrize(("by", "taken"), [(0.0, True), (1.0, False), (None, False)])
def test_it_is_not_taken_where_it_cannot_be_made_or_gives_something_else(
    by: float | None, taken: bool, monkeypatch: pytest.MonkeyPatch
):
    other = None if by is None else model_of({"other": WIDE + np.float32(by)})
    monkeypatch.setattr(module, "rank_by_speed", lambda *given, **options: {"stored": 2.0, "computed": 1.0})
    monkeypatch.setattr(module, "_computed", lambda *given: other)
    x = {"x": np.linspace(-1, 1, 257, dtype=np.float32)[None]}
    made, kept = fp16(model_of({"wide": WIDE}), x, ["y"])
    assert kept == ()
    assert set(constants(made.graph)) == ({"other"} if taken else {"wide/half"})


def shifted(by: float) -> ModelProto:
    return model_of({"by": np.full((1, 2), by, np.float32)})


@pytest.mark.parametrize(("by", "same"), [(0.0, True), (0.0199, True), (0.021, False), (np.nan, False)])
def test_outputs_are_the_same_within_two_percent_of_their_spread(by: float, same: bool):
    x = np.array([[1, -1], [-1, 1], [1, -1], [-1, 1]], np.float32)  # a spread of 1
    assert _same(shifted(0), shifted(by), {"x": x}, ["y"]) is same
    four = np.concatenate([x, np.full((4, 2), 1e4, np.float32)])
    assert _same(shifted(0), shifted(by), {"x": four}, ["y"]) is same  # the first four are looked at

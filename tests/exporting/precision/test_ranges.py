"""Ranges of activations: what is looked at, and what each method makes of it."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from tlzoo.exporting.precision import ranges
from tlzoo.exporting.precision.ranges import (
    METHODS,
    ActivationStats,
    collect_stats,
    least_error,
    minmax,
    percentile,
    split,
)


def stats(values: list[float] | np.ndarray) -> ActivationStats:
    held = np.asarray(values, np.float32)
    return ActivationStats(float(held.min()), float(held.max()), held, np.zeros(1))


def test_the_methods_by_name():
    assert {"minmax": minmax, "percentile": percentile, "least error": least_error} == METHODS


@pytest.mark.parametrize(("rows", "sizes"), [(2, [2, 2, 1, 1]), (5, [5, 1]), (9, [5, 1]), (1, [1] * 6)])
def test_samples_are_split_into_batches_in_their_order(rows: int, sizes: list[int]):
    given = [
        {"x": np.arange(5), "y": np.arange(5) * 10},
        {"x": np.arange(5, 6), "y": np.array([50])},
    ]
    found = list(split(given, rows))
    assert [len(batch["x"]) for batch in found] == sizes
    assert np.concatenate([batch["x"] for batch in found]).tolist() == list(range(6))
    assert np.concatenate([batch["y"] for batch in found]).tolist() == list(range(0, 60, 10))


def model_of() -> ModelProto:
    """x [N, 2, 3] to -x, and that to its Relu, which is the output."""
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["a"]), helper.make_node("Relu", ["a"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", floats, ["N", 2, 3])],
        [helper.make_tensor_value_info("y", floats, ["N", 2, 3])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_of_each_tensor_bounds_values_and_channels_means_are_known(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ranges, "ROWS", 2)
    proto = model_of()
    x = np.arange(18, dtype=np.float32).reshape(3, 2, 3) - 6
    found = collect_stats(proto, ["y", "a"], [{"x": x, "unknown": np.zeros(3)}])
    assert list(found) == ["y", "a"]
    assert (found["a"].low, found["a"].high) == (-11, 6)
    assert (found["y"].low, found["y"].high) == (0, 6)
    assert found["a"].values.tolist() == (-x).ravel().tolist()
    # of the passes (two samples, then one): the mean of their channels' means
    np.testing.assert_allclose(found["a"].mean, [((5 - 1) / 2 - 7) / 2, ((2 - 4) / 2 - 10) / 2])
    np.testing.assert_allclose(found["y"].mean, [5 / 2 / 2, 2 / 2 / 2])
    assert found["a"].mean.dtype == np.float64
    assert [output.name for output in proto.graph.output] == ["y"]


def test_of_many_values_every_nth_is_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ranges, "SAMPLED", 4)
    x = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    found = collect_stats(model_of(), ["a"], [{"x": x}])["a"]
    assert found.values.tolist() == [0, -3, -6, -9]
    assert (found.low, found.high) == (-11, 0)
    assert collect_stats(model_of(), ["a"], [{"x": x[:1, :, :]}])["a"].values.tolist() == [0, -1, -2, -3, -4, -5]


def test_minmax_is_all_that_was_seen():
    assert minmax(ActivationStats(-3.0, 5.0, np.zeros(2), np.zeros(1))) == (-3.0, 5.0)


def test_percentile_is_by_the_values_that_were_kept():
    low, high = percentile(stats(np.arange(10_001)))
    assert (low, high) == (pytest.approx(1), pytest.approx(9999))


def test_least_error_keeps_all_where_nothing_stands_out():
    low, high = least_error(stats(np.linspace(-1, 2, 256 * 4)))
    assert (low, high) == (pytest.approx(-1, abs=0.03), pytest.approx(2, abs=0.06))


def test_least_error_holds_zero_and_a_tensor_of_zeros():
    assert least_error(stats([2.0, 2.0, 2.0]))[0] == 0.0
    assert least_error(stats([-2.0, -2.0]))[1] == 0.0
    low, high = least_error(stats([0.0, 0.0]))
    assert (low, high) == (0.0, 0.0)


def squared(values: np.ndarray, low: float, high: float) -> float:
    """The error of 256 steps over this range."""
    scale = (high - low) / 255
    zero = round(-low / scale)
    return float(np.square((np.clip(np.rint(values / scale) + zero, 0, 255) - zero) * scale - values).mean())


@pytest.mark.parametrize("shift", [0.0, 1.0, -2.5])
def test_least_error_is_the_least_of_the_shares_that_are_tried(shift: float):
    values = np.random.default_rng(1).standard_t(3, size=5000) + shift
    given = stats(values)
    tried = [(min(given.low * share, 0), max(given.high * share, 0)) for share in np.linspace(0.3, 1, 29)]
    errors = [squared(given.values, *each) for each in tried]
    assert least_error(given) == pytest.approx(tried[int(np.argmin(errors))])

"""The search for the fewest nodes in float32, with errors written by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tlzoo.exporting.precision import sensitivity
from tlzoo.exporting.precision.sensitivity import FEW, GOOD, WHOLE, Search, _distance, _last, relative_error


class Graph:
    """A model by the nodes that it has in float32."""

    def __init__(self, kept: frozenset[str]) -> None:
        self.kept = kept

    def ByteSize(self) -> int:
        return 1000


def searched(
    names: list[str], error: Callable[[frozenset[str], int], float]
) -> tuple[set[str], list[tuple[frozenset[str], int]]]:
    """The nodes that stay, in the answer and its model, and what was measured."""
    asked: list[tuple[frozenset[str], int]] = []

    def measure(model: Any, count: int) -> float:
        asked.append((model.kept, count))
        return error(model.kept, count)

    proto, kept = Search(measure).best({"only": (names, Graph)})  # type: ignore[dict-item]
    assert proto.kept == frozenset(kept)  # type: ignore[attr-defined]
    return set(kept), asked


def alone(costs: dict[str, float]) -> Callable[[frozenset[str], int], float]:
    """Each node in int8 costs so much."""
    return lambda kept, count: sum(cost for name, cost in costs.items() if name not in kept)


def test_what_is_documented_is_what_is_done():
    assert (GOOD, WHOLE, FEW) == (0.08, 128, 8)
    assert (sensitivity.FEWEST, sensitivity.MEASURED_BYTES) == (32, 4_000_000_000)


def test_a_model_that_is_good_at_once_keeps_nothing():
    kept, asked = searched(list("abc"), lambda kept, count: GOOD)
    assert kept == set()
    assert set(asked) == {(frozenset(), WHOLE)}


@pytest.mark.parametrize(
    ("costs", "kept"),
    [
        ({"a": 0.01, "b": 1.0, "c": 0.01, "d": 0.01}, {"b"}),
        ({name: 1.0 if name in "bf" else 0.001 for name in "abcdefgh"}, {"b", "f"}),
        ({name: 1.0 if name in "acegi" else 0.001 for name in "abcdefghijklmnop"}, set("acegi")),
        ({name: 1.0 if name in "aceg" else 0.001 for name in "abcdefghijklmnop"}, set("aceg")),
    ],
)
def test_the_fewest_nodes_are_given_back_that_make_it_good(costs: dict[str, float], kept: set[str]):
    found, asked = searched(list(costs), alone(costs))
    assert found == kept
    assert {given for given, count in asked if count == FEW} == {frozenset(costs) - {name} for name in costs}
    assert next(given for given, count in asked if count == FEW) == frozenset(list(costs)[:-1])  # the last comes first


def test_where_none_is_good_the_best_that_was_seen_is_the_answer():
    kept, _ = searched(list("abcdefgh"), lambda kept, count: 1.0 - 0.01 * len(kept))
    assert len(kept) == 3  # of one, two and three: fewer than half of the nodes are given back
    assert searched(list("abcdefgh"), lambda kept, count: 1.0 + len(kept))[0] == set()


def test_of_two_nodes_one_may_be_given_back_and_of_one_itself():
    assert searched(["a", "b"], alone({"a": 0.01, "b": 1.0}))[0] == {"b"}
    assert searched(["a"], alone({"a": 1.0}))[0] == {"a"}


def test_of_several_plans_that_with_the_least_error_is_taken():
    plans: Any = {name: (["x", "y"], lambda kept, name=name: (name, kept)) for name in ("one", "two", "three")}
    errors = {"one": 0.3, "two": 0.2, "three": 0.2}
    seen: list[str] = []

    def error(model: Any, count: int) -> float:
        seen.append(model[0])
        return 0.0 if model[1] else errors[model[0]]

    class Sized(tuple[Any, ...]):
        def ByteSize(self) -> int:
            return 1

    plans = {name: (names, lambda kept, build=build: Sized(build(kept))) for name, (names, build) in plans.items()}
    model, kept = Search(error).best(plans)
    assert (model[0], len(kept)) == ("two", 1)  # type: ignore[index]
    assert seen[:3] == ["one", "two", "three"]
    assert set(seen[3:]) == {"two"}


def test_nodes_that_are_too_many_to_measure_come_last(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sensitivity, "FEWEST", 2)
    monkeypatch.setattr(sensitivity, "MEASURED_BYTES", 3000)
    costs = {"a": 0.001, "b": 0.001, "c": 1.0, "d": 0.5, "e": 0.001}
    _, asked = searched(list(costs), alone(costs))
    assert [given for given, count in asked if count == FEW] == [frozenset(costs) - {name} for name in "eab"]


@pytest.mark.parametrize(
    ("given", "right", "distance"),
    [
        ([1, 3], [1, 3], 0.0),
        ([2, 4], [1, 3], 1.0),  # a spread of 1
        ([1, 3 + 2 * np.sqrt(2)], [1, 3], 2.0),  # squared before the mean
        ([5, 9], [1, 5], 2.0),
        ([1, 1], [1, 1], 0.0),
        ([1 + 2e-6, 1 + 2e-6], [1, 1], 2.0),  # a spread of 1e-6 at least
        ([np.nan, 1], [1, 3], np.inf),
        ([np.inf, 1], [1, 3], np.inf),
    ],
)
def test_a_distance_is_in_spreads_of_the_reference(given: list[float], right: list[float], distance: float):
    assert _distance(np.array(given, float), np.array(right, float)) == pytest.approx(distance, rel=1e-4)


@pytest.mark.parametrize(
    ("count", "samples"), [(0, []), (1, [6]), (2, [5, 6]), (3, [5, 6, 4]), (9, [5, 6, 2, 3, 4, 0, 1])]
)
def test_the_last_samples_are_looked_at(count: int, samples: list[int]):
    batches = [{"x": np.array(rows), "y": -np.array(rows)} for rows in ([0, 1], [2, 3, 4], [5, 6])]
    found = _last(batches, count)
    assert [int(at) for batch in found for at in batch["x"]] == samples
    assert [-int(at) for batch in found for at in batch["y"]] == samples


def scaled(by: float, other: float) -> ModelProto:
    """x times two numbers."""
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", name], [f"{name}/y"]) for name in ("a", "b")],
        "graph",
        [helper.make_tensor_value_info("x", floats, ["N", "L"])],
        [helper.make_tensor_value_info(f"{name}/y", floats, None) for name in ("a", "b")],
        [numpy_helper.from_array(np.float32(value), name) for name, value in (("a", by), ("b", other))],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_the_error_of_a_model_is_that_of_its_worst_output_for_so_many_samples():
    rows = np.array([[-1, 1]] * 200, np.float32)  # a spread of 1
    rows[:192] *= 100
    batches = [{"x": rows[:150]}, {"x": np.tile(rows[150:], 2)}]  # batches differ in length
    error = relative_error(scaled(1, 1), batches, ["a/y", "b/y"])
    assert error(scaled(1, 1), FEW) == 0.0
    assert error(scaled(1.5, 1.25), FEW) == pytest.approx(0.5)
    assert error(scaled(1.25, 0.5), WHOLE) == pytest.approx(0.5)
    shift = relative_error(scaled(1, 1), batches, ["b/y"])
    assert shift(scaled(9, 1.25), FEW) == pytest.approx(0.25)

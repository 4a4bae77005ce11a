"""The parts of a proof by hand: limits, rounds, drops of a metric, the figures and what is judged by them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tlzoo.artifact.manifest import Parity, ProofLimits
from tlzoo.errors import InputError, ParityError
from tlzoo.exporting.batches import BatchPart
from tlzoo.exporting.check import (
    NOT_WRITTEN_HINT,
    THRESHOLDS,
    ArrayCase,
    Proof,
    _answers,
    _case_outputs,
    _Comparison,
    _differences,
    _judge,
    _judge_case,
    _of_case,
    _parity,
    _replaced,
    _rounds,
    _stacked,
    _together,
    asked_limits,
    default_thresholds,
    metric_drop,
)
from tlzoo.options import Thresholds
from tlzoo.tasks import make_task
from tlzoo.tasks.rows import Output

TASK: Any = make_task("image-classification", ("a", "b"))
NUMBER: Any = make_task("image-regression", ["price"])


@pytest.mark.parametrize(
    ("precision", "raw_input", "limits"),
    [
        ("fp32", False, (1e-4, 1.0, 0.5)),
        ("fp16", False, (0.02, 0.99, 0.5)),
        ("int8", False, (1.5, 0.95, 0.5)),
        ("fp32", True, (0.5, 0.95, 0.5)),
        ("int8", True, (1.5, 0.95, 0.5)),
    ],
)
def test_the_default_limits_are_the_looser_ones(precision: str, raw_input: bool, limits: tuple[float, ...]):
    expected = ProofLimits(difference=limits[0], agreement=limits[1], drop=limits[2])
    assert default_thresholds(precision, raw_input) == expected
    assert asked_limits(None, precision, raw_input) is None
    asked = asked_limits(Thresholds(drop=3), precision, raw_input)
    assert asked == expected.model_copy(update={"drop": 3.0})


@pytest.mark.parametrize(
    ("task", "before", "after", "drop"),
    [(TASK, 0.9, 0.8, 10.0), (TASK, 0.8, 0.9, -10.0), (NUMBER, 2.0, 2.5, 25.0), (NUMBER, 2.0, 1.0, -50.0)],
)
def test_a_drop_is_in_points_or_in_percent_of_an_error(task: Any, before: float, after: float, drop: float):
    assert metric_drop(task, before, after) == pytest.approx(drop)
    assert metric_drop(NUMBER, 0.0, 1.0) == pytest.approx(1e14)


def test_no_position_is_twice_in_a_round():
    rounds = [places.tolist() for places in _rounds(np.array([5, 7, 5, 5, 9, 7]))]
    assert rounds == [[0, 1, 4], [2, 5], [3]]
    assert [places.tolist() for places in _rounds(np.array([3, 1]))] == [[0, 1]]


def test_rows_of_one_size_are_an_array_and_others_a_list():
    one = _stacked([np.zeros(2), np.ones(2)])
    assert isinstance(one, np.ndarray)
    assert one.tolist() == [[0, 0], [1, 1]]
    assert isinstance(_stacked([np.zeros(2), np.ones(3)]), list)
    every = {"x": np.zeros((3, 2)), "y": [np.zeros(1), np.zeros(2), np.zeros(3)]}
    mixed = _replaced(every, np.array([2, 0]), {"x": np.array([[5, 6], [7, 8]]), "y": [np.ones(3), np.ones(1)]})
    assert np.asarray(mixed["x"]).tolist() == [[7, 8], [0, 0], [5, 6]]
    assert [row.tolist() for row in mixed["y"]] == [[1], [0, 0], [1, 1, 1]]
    assert not every["x"].any()


def test_the_parts_together_are_all_inputs_in_order():
    task: Any = SimpleNamespace(outputs=[Output("x", ("batch", 1)), Output("y", ("batch", "length"))])
    ran = [
        (BatchPart(2, np.array([2, 0])), {"x": np.array([[2.0], [0.0]]), "y": [np.ones(2), np.ones(1)], "z": []}),
        (BatchPart(1, np.array([1])), {"x": np.array([[1.0]]), "y": [np.ones(1)], "z": []}),
    ]
    found = _together(task, ran, 3)  # type: ignore[arg-type]
    assert np.asarray(found["x"]).tolist() == [[0.0], [1.0], [2.0]]
    assert isinstance(found["y"], list)
    assert [len(row) for row in found["y"]] == [1, 1, 2]


def parity_of(worst: dict[str, list[float]], tolerances: dict[str, float], same: list[float]) -> Parity:
    found = _Comparison(dict.fromkeys(worst, 10.0), {n: np.array(w) for n, w in worst.items()}, np.array(same))
    parts = [
        BatchPart(32, np.arange(3)),
        BatchPart(2, np.arange(2)),
        BatchPart(1, np.arange(3)),
        BatchPart(33, np.arange(33)),
    ]
    cases = [ArrayCase("here", {}, {}, length) for length in (8, 0, 2)]
    return _parity(found, tolerances, THRESHOLDS["fp32"], 0.25, parts, cases)


def test_the_figures_are_those_of_the_output_that_is_furthest_off_its_tolerance():
    parity = parity_of({"x": [0.1, 0.3, 0.2], "y": [0.0, 0.0, 0.2]}, {"x": 1.0, "y": 0.5}, [1, 0, 1])
    assert (parity.max_abs_diff, parity.scale, parity.tolerance, parity.worst) == (0.2, 10.0, 0.5, 2)
    assert (parity.samples, parity.batches, parity.lengths) == (3, (1, 2, 33), (8, 2))
    assert (parity.top1_agreement, parity.drop) == (pytest.approx(2 / 3), 0.25)
    assert parity.thresholds == THRESHOLDS["fp32"]
    assert {name: (each.max_abs_diff, each.tolerance) for name, each in parity.outputs.items()} == {
        "x": (0.3, 1.0), "y": (0.2, 0.5)
    }  # fmt: skip
    assert parity_of({"x": [0.1, 0.3, 0.2]}, {"x": 0.0}, [1, 1, 1]).worst == 1
    assert parity_of({"x": [0.1, 0.3, np.nan]}, {"x": 1.0}, [1, 1, 1]).worst == 2


def test_a_comparison_keeps_the_worst_of_every_batch():
    found = _Comparison({"x": 1.0}, {"x": np.array([1.0, 5.0])}, np.array([1.0, 0.0]))
    found.add(SimpleNamespace(difference={"x": np.array([3.0, 2.0])}, same=np.array([0.5, 1.0])))  # type: ignore[arg-type]
    assert (found.worst["x"].tolist(), found.same.tolist()) == ([3.0, 5.0], [0.5, 0.0])


LIMITS = ProofLimits(difference=0.1, agreement=0.9, drop=0.5)
GOOD: dict[str, Any] = {"max_abs_diff": 1.0, "scale": 10.0, "tolerance": 1.0}


def judged(**changes: Any) -> str:
    """What is said of a proof with these figures; empty where it passes."""
    outputs = {"x": GOOD, "y": {**GOOD, **changes.pop("other", {})}}
    figures = {
        **GOOD,
        "samples": 20,
        "batches": (1,),
        "top1_agreement": 0.9,
        "drop": 0.5,
        "outputs": outputs,
        **changes,
    }
    try:
        _judge(Parity.model_validate(figures), LIMITS, "'a.png'", TASK)
    except ParityError as error:
        return error.message if error.hint == NOT_WRITTEN_HINT else error.hint
    return ""


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ({}, True),
        ({"max_abs_diff": 1.01}, False),
        ({"other": {"max_abs_diff": 1.01}}, False),
        ({"top1_agreement": 0.89}, False),
        ({"drop": 0.51}, False),
        ({"drop": -5.0}, True),
    ],
)
def test_each_limit_may_be_reached_and_none_passed(changes: dict[str, Any], passes: bool):
    assert (judged(**changes) == "") is passes


def test_what_is_said_has_all_figures():
    assert judged(max_abs_diff=2.5, top1_agreement=0.85, drop=1.234) == (
        "The exported file differs from the trained model: outputs by up to 2.5 (1 allowed), answers agree on 85.0% of "
        "20 held-out samples (90.0% required), accuracy drops by 1.23 points (0.5 allowed); it differs most on 'a.png'."
    )
    assert "accuracy drops by 0.00 points" in judged(max_abs_diff=2.5, drop=-0.001)


LOGITS = np.array([[1.0, -3.0]], np.float32)


def test_of_a_case_as_much_is_allowed_as_of_its_own_values_or_of_all():
    case = ArrayCase("on silence", {}, {"logits": LOGITS})
    assert _of_case(case, {"logits": 0.2}, 0.1) == {"logits": pytest.approx(0.3)}
    assert _of_case(case, {"logits": 0.4}, 0.1) == {"logits": 0.4}
    _judge_case(case, {"logits": 0.3}, {"logits": 0.3})
    for off in (0.31, float("nan")):
        with pytest.raises(ParityError) as caught:
            _judge_case(case, {"logits": off}, {"logits": 0.3})
        assert caught.value.message == (
            f"On silence the exported file differs from the trained model by {off:.3g} (0.3 allowed)."
        )
        assert caught.value.hint == NOT_WRITTEN_HINT


def test_the_difference_of_a_case_is_without_padding_and_of_numbers():
    case = ArrayCase("at a length of 3", {}, {"logits": LOGITS})
    off = LOGITS + np.array([[0.0, 0.5]])
    assert _differences(TASK, case, {"logits": off}, ["logits"], ()) == {"logits": 0.5}
    assert _differences(TASK, case, {"logits": off}, [], ()) == {}
    for found, reference, whose in (
        (LOGITS * np.nan, LOGITS, "exported file"),
        (LOGITS, LOGITS * np.inf, "trained model"),
    ):
        with pytest.raises(ParityError) as caught:
            _differences(TASK, ArrayCase("on silence", {}, {"logits": reference}), {"logits": found}, ["logits"], ())
        assert caught.value.message == f"On silence output 'logits' of the {whose} has NaN or infinity."
    with pytest.raises(ParityError, match=r"^At a length of 3 output 'more' of the exported file has NaN or infinity"):
        _differences(TASK, case, {"logits": off, "more": np.array([np.inf])}, ["logits"], ["more"])
    task: Any = SimpleNamespace(outputs=[Output("tags", ("batch", "length", 1))])
    arrays = {"attention_mask": np.array([[1, 1, 0], [1, 1, 1]])}
    right, found = np.zeros((2, 3, 1), np.float32), np.zeros((2, 3, 1), np.float32)
    found[0, 2], found[1, 2] = 9.0, 0.25
    assert _differences(task, ArrayCase("here", arrays, {"tags": right}), {"tags": found}, ["tags"], ()) == {
        "tags": 0.25
    }


def test_what_fails_is_said_with_where(monkeypatch: pytest.MonkeyPatch):
    def fails(*given: Any, **options: Any) -> Any:
        raise ValueError("no such\nshape")

    case = ArrayCase("on silence", {"x": LOGITS}, {})
    failing: Any = SimpleNamespace(task=TASK, outputs=fails, run=fails)
    with pytest.raises(ParityError, match=r"^The exported file fails on silence: no such") as caught:
        _case_outputs(failing, case, ())
    assert caught.value.hint == NOT_WRITTEN_HINT
    part = BatchPart(2, np.array([1, 0]))
    with pytest.raises(ParityError, match=r"^The exported file fails on held-out samples in batches of 2: no such"):
        _answers(failing, ["a", "b"], part, (), lambda count: None)

    def refuses(*given: Any, **options: Any) -> Any:
        raise InputError("b is gone.", hint="")

    failing.outputs = refuses
    with pytest.raises(InputError, match=r"b is gone\."):
        _answers(failing, ["a", "b"], part, (), lambda count: None)


def test_a_part_is_run_in_its_size_with_the_outputs_that_are_wanted():
    asked: list[Any] = []

    def outputs(given: Any, names: Any = None, *, batch: int, finite: bool) -> str:
        asked.append((given, names, batch, finite))
        return "answers"

    advanced: list[int] = []
    predictor: Any = SimpleNamespace(task=TASK, outputs=outputs, run=lambda arrays, names: (arrays, names))
    part = BatchPart(7, np.array([2, 0]))
    assert _answers(predictor, "abc", part, (), advanced.append) == "answers"
    assert _answers(predictor, "abc", part, ["more"], advanced.append) == "answers"
    assert asked == [(["c", "a"], None, 7, False), (["c", "a"], ("logits", "more"), 7, False)]
    assert advanced == [2, 2]
    case = ArrayCase("here", {"x": LOGITS}, {})
    assert _case_outputs(predictor, case, ["more"]) == (case.arrays, ("logits", "more"))
    tried = Proof(None, {}, "", ((part, {"p": 1}),), ((case, {"c": 2}),)).tried  # type: ignore[arg-type, dict-item]
    assert tried == [("in batches of 7", {"p": 1}), ("here", {"c": 2})]

"""Intervals at their bounds: shares of none and all, few samples, ranges, and tests of paired scores by hand."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
import pytest

from tlzoo.tasks import make_task
from tlzoo.tasks.intervals import beats, few_samples_note, metric_interval, paired_difference, wilson_interval


def quick(task: Any) -> Any:
    """The task with a tenth of its resamples."""
    return type("Quick", (type(task),), {"resamples": 200})(task.name, task.labels)


LABELS: Any = quick(make_task("text-classification", ("a", "b")))
NUMBER: Any = quick(make_task("text-regression", ("x",)))


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [
        (6, 6, 0.6096657, 1.0),
        (0, 6, 0.0, 0.3903343),
        (5, 10, 0.2365931, 0.7634069),
        (1, 1, 0.2065493, 1.0),
        (9, 10, 0.5958500, 0.9821238),
    ],
)
def test_wilsons_interval_is_that_of_the_tables(right: float, count: int, low: float, high: float):
    assert wilson_interval(right, count) == pytest.approx((low, high), abs=1e-7)


@pytest.mark.parametrize(
    ("task", "count", "note"),
    [
        (LABELS, 20, ""),
        (
            LABELS,
            19,
            "19 held-out samples are too few for a reliable figure: even 19 of 19 right would have a 95% interval of "
            "83% to 100%. Hold out 20 or more.",
        ),
        (
            LABELS,
            1,
            "1 held-out sample is too few for a reliable figure: even 1 of 1 right would have a 95% interval of "
            "21% to 100%. Hold out 20 or more.",
        ),
        (NUMBER, 20, ""),
        (NUMBER, 5, "5 held-out samples are too few for a reliable figure. Hold out 20 or more."),
        (NUMBER, 4, "4 held-out samples are too few for any rmse. Hold out 20 or more."),
    ],
)
def test_few_samples_are_said_to_be_few(task: Any, count: int, note: str):
    assert few_samples_note(task, count) == note
    assert few_samples_note(task, 2, "test", "Take").endswith("Take 20 or more.")
    assert few_samples_note(task, 2, copies=True).startswith("2 held-out samples, copies aside, are too few")


def test_a_share_of_right_and_wrong_has_wilsons_interval():
    logits = {"logits": np.array([[1, 0]] * 9 + [[0, 1]], np.float32)}
    found = metric_interval(LABELS, logits, ["a"] * 10, [None] * 10, 0.9, 0)
    low, high = wilson_interval(9, 10)
    assert found == {"metric": "accuracy", "level": 0.95, "low": low, "high": high}


def numbers(*values: float) -> dict[str, np.ndarray]:
    return {"logits": np.array(values, np.float64)[:, None]}


def test_of_fewer_than_five_numbers_only_the_range_is_known():
    found = metric_interval(NUMBER, numbers(1, 2, 3, 5), ["1", "2", "3", "4"], [None] * 4, 0.5, 0)
    assert (found["low"], found["high"]) == (0, None)
    found = metric_interval(NUMBER, numbers(1, 2, 3, 4, 6), ["1", "2", "3", "4", "5"], [None] * 5, 0.2**0.5, 0)
    assert found["low"] == 0
    assert 0.6 < found["high"] < inf


@pytest.mark.parametrize(
    ("wins", "losses", "beaten"),
    [(4, 0, False), (5, 0, True), (6, 1, False), (8, 1, True), (0, 0, False), (0, 5, False), (2, 2, False)],
)
def test_signs_decide_as_mcnemars_exact_test_does(wins: int, losses: int, beaten: bool):
    one = np.array([1.0] * wins + [0.0] * losses + [1.0] * 3)
    other = np.array([0.0] * wins + [1.0] * losses + [1.0] * 3)
    assert beats(one, other) is beaten


@pytest.mark.parametrize(("wins", "losses", "beaten"), [(14, 0, True), (15, 0, True), (12, 9, False), (20, 6, True)])
def test_of_many_differences_signs_are_drawn(wins: int, losses: int, beaten: bool):
    scores = np.array([1.0] * wins + [-1.0] * losses)
    assert beats(scores, np.zeros(wins + losses)) is beaten


def logits(right: list[bool]) -> dict[str, np.ndarray]:
    return {"logits": np.array([[1, 0] if each else [0, 1] for each in right], np.float32)}


@pytest.mark.parametrize(
    ("run", "other", "value", "verdict"),
    [
        ([True] * 30, [True] * 10 + [False] * 20, 2 / 3, "better"),
        ([True] * 10 + [False] * 20, [True] * 30, -2 / 3, "worse"),
        ([True] * 30, [True] * 27 + [False] * 3, 0.1, "chance"),
        ([True] * 30, [True] * 30, 0.0, "chance"),
    ],
)
def test_two_models_are_compared_on_the_same_samples(run: list[bool], other: list[bool], value: float, verdict: str):
    found = paired_difference(LABELS, logits(run), logits(other), ["a"] * 30, [None] * 30, 0)
    assert found.value == pytest.approx(value)
    assert found.verdict == verdict
    assert found.low is not None
    assert found.high is not None
    assert -1 <= found.low <= value <= found.high <= 1
    assert (found.low <= 0 <= found.high) is (verdict == "chance")
    assert found.high >= value + 0.5 / 30 - 1e-9 or found.high == 1


def test_a_smaller_error_is_better_and_few_numbers_say_nothing():
    targets = [str(at) for at in range(30)]
    near, far = numbers(*(at + 0.1 for at in range(30))), numbers(*(at + 1 + at % 3 for at in range(30)))
    found = paired_difference(NUMBER, near, far, targets, [None] * 30, 0)
    assert (found.verdict, found.value < 0, found.high is not None and found.high < 0) == ("better", True, True)
    assert paired_difference(NUMBER, far, near, targets, [None] * 30, 0).verdict == "worse"
    few = paired_difference(
        NUMBER, {"logits": near["logits"][:4]}, {"logits": far["logits"][:4]}, targets[:4], [None] * 4, 0
    )
    assert (few.verdict, few.low, few.high) == ("chance", None, None)

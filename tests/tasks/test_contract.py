"""What a plugin's task returns is judged before it is used."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tlzoo.tasks import OperatingPoint, make_task
from tlzoo.tasks.contract import class_problem, operating_point_problem, prior_problem, shares_problem

TASK: Any = make_task("image-classification", ("a", "b"))
POINT = OperatingPoint(0.5, "recall >= 0.9", 12, "accuracy", 0.92, 0.8, 0.97)


@pytest.mark.parametrize("point", [None, POINT])
def test_no_operating_point_and_a_whole_one_are_right(point: OperatingPoint | None):
    assert operating_point_problem(TASK, point) == ""


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"threshold": "0.5"}, "`threshold` is '0.5', not a finite number."),
        ({"threshold": 2.0}, "`threshold` is 2.0, not from 0 to 1."),
        ({"low": float("nan")}, "`low` is nan, not a finite number."),
        ({"chosen_for": 5}, "`chosen_for` is 5, not what the threshold was chosen for."),
        ({"samples": "many"}, "`samples` is 'many', not a number of samples."),
        ({"metric": None}, "`metric` is None, not one of the task's: accuracy, macro_f1, log_loss."),
    ],
)
def test_a_field_that_cannot_be_is_named(change: dict[str, Any], problem: str):
    assert operating_point_problem(TASK, replace(POINT, **change)) == problem


def test_anything_else_is_no_operating_point():
    assert operating_point_problem(TASK, 0.5) == "it is float, not an OperatingPoint."


@pytest.mark.parametrize(
    ("prior", "problem"),
    [
        (lambda self, targets, count: None, ""),
        (lambda self, targets, count: {"logits": np.zeros((count, 2))}, ""),
        (lambda self, targets, count: [1.0], "`prior_outputs` returns list, not the task's outputs by name."),
        (lambda self, targets, count: {"other": 1}, "`prior_outputs` returns other, not the task's outputs by name."),
        (lambda self, targets, count: {"logits": np.zeros((1, 2))}, "returns 1 rows of 'logits' for 3 samples."),
    ],
)
def test_outputs_that_see_no_input_are_the_tasks_or_none(prior: Any, problem: str):
    task = type("Odd", (type(TASK),), {"prior_outputs": prior})(TASK.name, TASK.labels)
    assert prior_problem(task, ["a", "b", "a"], [None] * 3).endswith(problem)
    assert bool(prior_problem(task, ["a", "b", "a"], [None] * 3)) == bool(problem)


@pytest.mark.parametrize(
    ("shares", "problem"),
    [
        ({}, ""),
        ({"a": 0.25, "b": 0.75}, ""),
        ([("a", 1.0)], "`answer_shares` returns list, not a dict."),
        ({"a": "all"}, "`answer_shares` returns 'all' for 'a', not a share by label."),
        ({1: 0.5}, "`answer_shares` returns 0.5 for 1, not a share by label."),
        ({"a": float("nan")}, "`answer_shares` returns nan for 'a', not from 0 to 1."),
        ({"a": 2.0}, "`answer_shares` returns 2.0 for 'a', not from 0 to 1."),
    ],
)
def test_shares_of_answers_are_by_label(shares: Any, problem: str):
    assert shares_problem(shares) == problem


@pytest.mark.parametrize(
    ("ranges", "problem"),
    [
        (["accuracy"], "not a mapping of metrics"),
        ({"recall": (0, 1)}, "which is not among `directions`"),
        ({"accuracy": (1, 0)}, "The range of 'accuracy' is (1, 0)"),
        ({"accuracy": "01"}, "The range of 'accuracy' is '01'"),
    ],
)
def test_a_range_has_a_least_and_a_largest_value(ranges: Any, problem: str):
    assert problem in class_problem(type("Odd", (type(TASK),), {"ranges": ranges}))
    assert class_problem(type("Odd", (type(TASK),), {"ranges": {"accuracy": (0, 1)}})) == ""

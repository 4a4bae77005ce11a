"""What a plugin's task returns is judged before it is used."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tlzoo.tasks import OperatingPoint, make_task
from tlzoo.tasks.contract import operating_point_problem

TASK: Any = make_task("image-classification", ("a", "b"))
POINT = OperatingPoint(0.5, "recall >= 0.9", 12, "recall", 0.92, 0.8, 0.97)


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
        ({"metric": None}, "`metric` is None, not a name."),
    ],
)
def test_a_field_that_cannot_be_is_named(change: dict[str, Any], problem: str):
    assert operating_point_problem(TASK, replace(POINT, **change)) == problem


def test_anything_else_is_no_operating_point():
    assert operating_point_problem(TASK, 0.5) == "it is float, not an OperatingPoint."

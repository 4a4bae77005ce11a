"""One number per sample: every figure and answer against what is counted by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tlzoo.errors import DataError
from tlzoo.tasks import make_task
from tlzoo.tasks.base import Output
from tlzoo.tasks.row import Row

TASK: Any = make_task("text-regression", ("price",))
TARGETS = ["1", "2.0", "6"]
LOGITS = {"logits": np.array([[2], [2], [3]], np.float32)}


def row(cell: Any) -> Row:
    return Row(Path("d.csv"), "line 2", {"price": cell}, ("price",), {"label": "price"})


@pytest.mark.parametrize(
    ("cell", "text"),
    [("1.50", "1.50"), (" -2e3 ", "-2e3"), (3, "3"), (0, "0"), ("3.4e38", "3.4e38"), ("-3.4e38", "-3.4e38")],
)
def test_a_number_is_kept_as_it_is_written(cell: Any, text: str):
    assert TASK.read(row(cell)) == text


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("", "nothing"),
        (None, "nothing"),
        ("many", "many"),
        ("1_000", "1_000"),
        ("nan", "nan"),
        ("-inf", "-inf"),
        ("3.5e38", "3.5e38"),
        (True, "True"),
        ("x" * 60, "x" * 50),
    ],
)
def test_anything_else_is_named(cell: Any, shown: str):
    with pytest.raises(DataError) as error:
        TASK.read(row(cell))
    assert error.value.message == (
        f"File d.csv has {shown} as 'price' in line 2, which is not a number between -3.4e+38 and 3.4e+38."
    )
    assert error.value.hint == "Correct the cell or delete the row."


def test_there_is_something_to_learn_from_two_numbers():
    TASK.check(["1", "2"], Path("d.csv"))
    with pytest.raises(DataError) as error:
        TASK.check(["1", "1.0"], Path("d.csv"))
    assert error.value.message == "d.csv has only one target value, 1: there is nothing to learn."
    fitted = TASK.fit(["1", "2"], "size")
    assert (fitted.name, fitted.labels, type(fitted)) == ("text-regression", ("size",), type(TASK))
    assert TASK.outputs == (Output("logits", ("batch", 1)),)


def test_targets_become_numbers_or_are_named():
    found = TASK.collate(["1.5", 2])["values"]
    assert (found.tolist(), found.dtype) == ([1.5, 2.0], np.float32)
    for wrong in ("x", "nan", "1e39"):
        with pytest.raises(DataError) as error:
            TASK.collate(["1", wrong])
        assert error.value.message == f"Target {wrong!r} of sample 2 is not a finite number."


def test_the_head_gets_mean_and_deviation():
    assert TASK.head_options(TARGETS) == pytest.approx({"mean": 3.0, "std": (14 / 3) ** 0.5})
    with pytest.raises(DataError) as error:
        TASK.head_options(["5", "5.0"])
    assert error.value.message == "All 2 training targets are 5: there is nothing to learn."
    assert TASK.head_options(["-1000000", "-1000001"]) == pytest.approx({"mean": -1000000.5, "std": 0.5})
    with pytest.raises(DataError):
        TASK.head_options(["10000000", "10000001"])
    assert TASK.head_options(["0.0", "1e-9"])["std"] == pytest.approx(5e-10)


def test_metrics_are_those_counted_by_hand():
    found = TASK.metrics(LOGITS, TARGETS)
    assert found == pytest.approx({"rmse": (10 / 3) ** 0.5, "mae": 4 / 3, "r2": 1 - 10 / 14})


def test_where_targets_do_not_vary_r2_is_one_for_no_error_at_all_else_none():
    assert TASK.metrics({"logits": np.ones((2, 1))}, ["1", "1"]) == {"rmse": 0.0, "mae": 0.0, "r2": 1.0}
    assert TASK.metrics({"logits": np.zeros((2, 1))}, ["1", "1"]) == {"rmse": 1.0, "mae": 1.0, "r2": 0.0}


def test_samples_are_scored_by_their_squared_error():
    found = TASK.samplewise(LOGITS, TARGETS)
    assert (found.tolist(), found.dtype) == ([1.0, 0.0, 9.0], np.float64)
    assert TASK.resample(LOGITS, TARGETS, [], [np.array([0, 1]), np.array([2, 2])]) == pytest.approx([0.5**0.5, 3])
    assert TASK.prior_outputs(TARGETS, 2)["logits"].tolist() == [[3.0], [3.0]]


@pytest.mark.parametrize(
    ("right", "scale"),
    [([1, 3, 8], 4.0), ([100, 100.1], 1.001), ([5], 5.0), ([-5], 5.0), ([0, 0], 1e-12), ([7, 7], 0.07)],
)
def test_the_scale_is_the_distance_from_the_mean_but_no_less_than_a_share_of_the_size(right: list[float], scale: float):
    reference = {"logits": np.array(right, np.float64)[:, None]}
    mine = {"logits": reference["logits"] + 0.5 * scale}
    found = TASK.agree(mine, reference, 0.5001)
    assert found.scale["logits"] == pytest.approx(scale)
    assert found.difference["logits"] == pytest.approx([0.5 * scale] * len(right))
    assert found.same.all()
    assert not TASK.agree(mine, reference, 0.4999).same.any() or scale == 1e-12


def test_answers_are_the_numbers():
    one, two = TASK.decode({"logits": np.array([[1.5], [-2]], np.float32)})
    assert (one.value, two.value, type(one.value)) == (1.5, -2.0, float)

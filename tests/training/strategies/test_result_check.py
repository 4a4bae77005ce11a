"""What a plugin's strategy returns is compared with the model that it trained."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from torch import nn

from tlzoo.data.dataset import TaskDataset
from tlzoo.interfaces import Head
from tlzoo.models.model import TaskModel
from tlzoo.tasks import make_task
from tlzoo.training.strategies.base import TrainResult
from tlzoo.training.strategies.result_check import FEW, TOLERANCE, result_problem

TASK: Any = make_task("image-classification", ("a", "b"))
ROWS = np.array([[0, 10], [10, 0]] * 6, np.float32)
TEST = TaskDataset(list(ROWS), ["a"] * 12, lambda inputs: {"image": np.stack(inputs)}, TASK)


def model_of() -> TaskModel:
    parts: Any = SimpleNamespace(module=nn.Identity(), output="vector")
    return TaskModel(SimpleNamespace(plugin=""), TASK, parts, Head(nn.Identity(), lambda *given: None))  # type: ignore[arg-type]


GOOD = TrainResult(model_of(), {"logits": ROWS}, [{"epoch": 1}], {"tensors": 0}, {"lr": 0.1})


def moved(row: int, by: float) -> np.ndarray:
    """The outputs, one of them moved."""
    rows = ROWS.copy()
    rows[row, 0] += by
    return rows


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, ""),
        ({"probe": {"logits": -ROWS}}, ""),
        ({"model": nn.Identity()}, "returned a TrainResult whose `model` is Identity, not TaskModel"),
        ({"outputs": ROWS}, "returned a TrainResult whose `outputs` is ndarray, not Mapping"),
        ({"history": ({},)}, "returned a TrainResult whose `history` is tuple, not list"),
        ({"frozen": None}, "returned a TrainResult whose `frozen` is NoneType, not dict"),
        ({"details": []}, "returned a TrainResult whose `details` is list, not dict"),
        ({"probe": ROWS}, "returned a TrainResult whose `probe` is ndarray, not Mapping"),
        ({"outputs": {}}, "returned the outputs []; the task declares ['logits']"),
        (
            {"outputs": {"logits": ROWS, "extra": ROWS}},
            "returned the outputs ['extra', 'logits']; the task declares ['logits']",
        ),
        ({"probe": {"scores": ROWS}}, "returned the outputs ['scores']; the task declares ['logits']"),
        ({"outputs": {"logits": ROWS[:11]}}, "returned outputs for 11 samples; the test data has 12"),
        ({"probe": {"logits": ROWS[:1]}}, "returned outputs for 1 samples; the test data has 12"),
        ({"outputs": {"logits": moved(11, np.nan)}}, "returned outputs with NaN or infinity"),
        ({"probe": {"logits": moved(11, np.inf)}}, "returned outputs with NaN or infinity"),
        ({"outputs": {"logits": moved(7, 1.0)}}, "returned 'logits' that differ from those of its model by 1"),
        ({"outputs": {"logits": moved(7, 0.01)}}, ""),
        ({"outputs": {"logits": moved(8, 1.0)}}, ""),  # the first eight are tried
    ],
)
def test_the_first_thing_wrong_is_said(changes: dict[str, Any], problem: str):
    assert result_problem(replace(GOOD, **changes), TEST) == problem
    assert (FEW, TOLERANCE) == (8, 0.02)


@pytest.mark.parametrize("name", ["history", "frozen", "details"])
def test_records_are_json(name: str):
    strange = {"of": {1, 2}}
    given: Any = [strange] if name == "history" else strange
    assert result_problem(replace(GOOD, **{name: given}), TEST) == (
        "returned a history, frozen or details that are not JSON: Object of type set is not JSON serializable"
    )
    around: dict[str, Any] = {}
    around["self"] = around
    assert result_problem(replace(GOOD, details=around), TEST).endswith("not JSON: Circular reference detected")


def test_a_model_whose_own_outputs_are_no_numbers_differs():
    class Lost(nn.Module):
        def forward(self, given: Any) -> Any:
            return given * float("nan")

    model = GOOD.model.with_head(Head(Lost(), lambda *given: None))  # type: ignore[arg-type]
    assert result_problem(replace(GOOD, model=model), TEST) == (
        "returned 'logits' that differ from those of its model by inf"
    )

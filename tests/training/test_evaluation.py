"""Outputs and metrics by eager torch, on a model of a few numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import TrainingError
from tlzoo.interfaces import Head
from tlzoo.models.model import TaskModel
from tlzoo.tasks import make_task
from tlzoo.training.evaluation import (
    batch_outputs,
    check_finite,
    measure,
    outputs,
    outputs_and_features,
    rounding_effect,
)

TASK: Any = make_task("image-classification", ("a", "b"))
ROWS = np.array([[1, 0], [0, 3], [2, 1], [0, 1], [5, 4]], np.float32)
TURN = torch.tensor([[2.0, 0.0], [0.0, 1.0]])


class Turn(nn.Module):
    """Numbers times a matrix; remembers its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        assert not self.training
        assert not torch.is_grad_enabled()
        self.sizes.append(len(given))
        return given @ TURN


def model_of(backbone: nn.Module | None = None, head: nn.Module | None = None) -> TaskModel:
    parts: Any = SimpleNamespace(module=backbone or Turn(), output="vector")
    return TaskModel(SimpleNamespace(plugin=""), TASK, parts, Head(head or nn.Identity(), lambda *given: None))  # type: ignore[arg-type]


def data_of(rows: np.ndarray = ROWS, targets: str = "ababa") -> TaskDataset:
    return TaskDataset(list(rows), list(targets), lambda inputs: {"image": np.stack(inputs)}, TASK)


def test_every_sample_is_answered_at_its_place_in_batches():
    model = model_of(head=nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        model.head.weight.copy_(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    found, features = outputs_and_features(model.train(), data_of(), batch=2)
    assert features is not None
    assert features.dtype == np.float32
    assert features.tolist() == [[2, 0], [0, 3], [4, 1], [0, 1], [10, 4]]
    assert found["logits"].tolist() == features[:, ::-1].tolist()  # type: ignore[union-attr]
    assert model.backbone.sizes == [2, 2, 1]
    assert outputs(model, data_of())["logits"].tolist() == found["logits"].tolist()  # type: ignore[union-attr]
    assert model.backbone.sizes[3:] == [5]


def test_what_is_no_vector_for_each_sample_is_no_feature():
    model = model_of(nn.Unflatten(1, (1, 2)), nn.Flatten())
    found, features = outputs_and_features(model, data_of())
    assert features is None
    assert found["logits"].tolist() == ROWS.tolist()  # type: ignore[union-attr]


def test_the_metrics_are_the_tasks():
    assert measure(model_of(), data_of())["accuracy"] == 1.0
    assert measure(model_of(), data_of(targets="bbaba"))["accuracy"] == pytest.approx(0.8)


def test_the_outputs_of_a_batch_are_in_its_order_finite_or_not():
    strange = ROWS.copy()
    strange[4] = np.nan
    found = batch_outputs(model_of(), data_of(strange), [4, 0, 1])["logits"]
    np.testing.assert_array_equal(found, [[np.nan, np.nan], [2, 0], [0, 3]])


@pytest.mark.parametrize(("value", "count"), [(np.nan, 1), (np.inf, 2)])
def test_outputs_that_are_no_numbers_are_counted_by_sample(value: float, count: int):
    strange = ROWS.copy()
    strange[:count] = value
    with pytest.raises(TrainingError) as caught:
        outputs(model_of(nn.Identity()), data_of(strange))
    assert caught.value.message == f"The model returns NaN or infinite outputs for {count} of 5 samples."
    assert caught.value.hint == "Train again with a smaller `lr`."
    assert caught.value.parameter == "lr"


def test_what_was_saved_before_is_said():
    check_finite({"logits": ROWS}, " Kept.", "Less.")
    with pytest.raises(TrainingError) as caught:
        check_finite({"logits": np.array([[0.0, np.inf], [0.0, 1.0]])}, " Kept.", "Less.")
    assert caught.value.message == "The model returns NaN or infinite outputs for 1 of 2 samples. Kept."
    assert caught.value.hint == "Less."


def test_the_effect_of_rounding_is_the_largest_change_and_the_answers_that_stay():
    rounded = ROWS + np.array([[0, 0], [0.25, 0], [0, 1.5], [0, 0], [0, 0]], np.float32)
    found = rounding_effect(TASK, {"logits": rounded}, {"logits": ROWS})
    assert found == {"samples": 5, "max_logit_change": 1.5, "agreement": pytest.approx(0.8)}
    none = rounding_effect(TASK, {"logits": ROWS}, {"logits": ROWS})
    assert none == {"samples": 5, "max_logit_change": 0.0, "agreement": 1.0}

"""What a probe is fitted by in the tasks with labels: arrays, losses, shares and temperatures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tlzoo.models.heads import probe_objective
from tlzoo.tasks import make_task
from tlzoo.tasks.calibration import fit_temperature, logistic_loss, multinomial_loss

LABELS = ("a", "b", "c")
RANDOM = np.random.default_rng(0)
LOGITS = 4 * RANDOM.normal(size=(60, 3))
NUMBERS = RANDOM.integers(0, 3, 60)


@pytest.mark.parametrize(
    ("family", "targets", "loss"),
    [
        ("image-classification", NUMBERS, multinomial_loss),
        ("text-tokens", NUMBERS, multinomial_loss),
        ("image-multilabel", np.eye(3, dtype=np.float32)[NUMBERS], logistic_loss),
    ],
)
def test_the_temperature_is_that_of_the_loss(family: str, targets: np.ndarray, loss: Any):
    found = probe_objective(make_task(family, LABELS), {})
    assert (found.target, found.outputs) == ("labels", 3)
    assert found.temperature is not None
    assert found.temperature(LOGITS, targets) == fit_temperature(loss(LOGITS, targets)) > 1


def test_numbers_have_one_output_and_no_temperature():
    found = probe_objective(make_task("image-regression", ("x",)), {})
    assert (found.target, found.outputs, found.temperature) == ("values", 1, None)


def test_weighted_samples_have_their_share():
    one = probe_objective(make_task("image-classification", LABELS), {"class_weights": [1.0, 2.0, 5.0]})
    assert one.share is not None
    assert one.share(torch.tensor([0, 1, 2, 2])).tolist() == [1.0, 2.0, 5.0, 5.0]
    several = probe_objective(make_task("image-multilabel", LABELS), {})
    assert several.share is not None
    assert several.share(torch.zeros(4, 3)).tolist() == [3.0] * 4

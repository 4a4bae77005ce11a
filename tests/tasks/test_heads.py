"""The core's head: the loss of each task, and numbers in the targets' unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tlzoo.errors import DataError, TrainingError, UsageError
from tlzoo.interfaces import Backbone, FeatureKind, Stage
from tlzoo.registry.schema import ImageSpec
from tlzoo.tasks import Task, make_task
from tlzoo.tasks.heads import head_from, linear_head, target_options

SINGLE = make_task("image-classification", ["a", "b", "c"])
SEVERAL = make_task("image-multilabel", ["a", "b", "c"])
NUMBER = make_task("image-regression", ["lux"])
LOGITS = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])


def backbone(output: FeatureKind = "vector") -> Backbone:
    spec = ImageSpec(kind="image", size=(8, 8), mean=(0, 0, 0), std=(1, 1, 1))
    return Backbone(nn.Identity(), 4, (Stage("all", ("",)),), {"image": torch.zeros(2, 4)}, {}, output, spec)


def head(task: Task, **options: Any) -> Any:
    torch.manual_seed(0)
    return linear_head(backbone(), task, options)


def test_one_label_is_judged_by_cross_entropy_smoothed_and_weighted():
    targets, weights = torch.tensor([0, 2]), [1.0, 2.0, 5.0]
    expected = cross_entropy(LOGITS, targets, weight=torch.tensor(weights), label_smoothing=0.1)
    assert head(SINGLE, label_smoothing=0.1, class_weights=weights).loss(LOGITS, targets) == expected
    assert head(SINGLE).loss(LOGITS, targets) == cross_entropy(LOGITS, targets)


def test_several_labels_are_judged_one_by_one_those_that_are_there_by_their_weight():
    targets = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    shares = LOGITS.double().sigmoid()
    weights = torch.tensor([1.0, 2.0, 5.0])
    losses = -(weights * targets * shares.log() + (1 - targets) * (1 - shares).log())
    loss = head(SEVERAL, class_weights=weights.tolist()).loss(LOGITS, targets)
    assert float(losses.mean()) == pytest.approx(float(loss))
    smooth = 0.8 * targets + 0.1
    losses = -(smooth * shares.log() + (1 - smooth) * (1 - shares).log())
    assert float(losses.mean()) == pytest.approx(float(head(SEVERAL, label_smoothing=0.2).loss(LOGITS, targets)))


def test_the_loss_and_gradients_of_numbers_do_not_depend_on_their_unit():
    features, targets = torch.randn(6, 4, generator=torch.manual_seed(1)), torch.tensor([1.0, 2, 3, 4, 5, 6])
    found = []
    for factor, shift in ((1.0, 0.0), (1000.0, 5e4)):
        scaled = targets * factor + shift
        made = head(NUMBER, **target_options(NUMBER, scaled.numpy()))
        loss = made.loss(made.module(features), scaled)
        loss.backward()
        found.append((loss.item(), made.module.weight.grad))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-3)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-3, atol=1e-4)


def test_a_fresh_head_for_numbers_starts_near_their_mean():
    made = head(NUMBER, mean=5000.0, std=2.0)
    outputs = made.module(torch.randn(8, 4))
    assert tuple(outputs.shape) == (8, 1)
    assert bool(((outputs - 5000).abs() < 20).all())


def test_numbers_keep_their_digits_in_half_precision():
    made = head(NUMBER, mean=1e5, std=2.0)
    features = torch.randn(8, 4)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = made.module(features)
    torch.testing.assert_close(outputs, made.module(features), rtol=0, atol=0.1)


@pytest.mark.parametrize("task", [SINGLE, SEVERAL, NUMBER], ids=lambda task: task.kind)
def test_a_head_of_given_weights_gives_what_they_give_whatever_its_options(task: Task):
    weight, bias, features = torch.randn(task.outputs, 4), torch.randn(task.outputs), torch.randn(5, 4)
    options = {"mean": 3.0, "std": 10.0} if task is NUMBER else {"label_smoothing": 0.1}
    for made in (head_from(weight, bias, task), head_from(weight, bias, task, options)):
        torch.testing.assert_close(made.module(features), features @ weight.T + bias, rtol=1e-4, atol=1e-5)


def test_weights_and_scale_come_back_from_a_state_dict_into_a_plain_head():
    trained = head_from(torch.randn(1, 4), torch.randn(1), NUMBER, {"mean": 3.0, "std": 10.0})
    plain = head(NUMBER)
    plain.module.load_state_dict(trained.module.state_dict(), strict=True)
    features, targets = torch.randn(5, 4), torch.randn(5)
    for made in (plain, trained):
        made.module.requires_grad_(False)
    torch.testing.assert_close(plain.module(features), trained.module(features))
    assert isinstance(plain.module, nn.Linear)
    outputs = trained.module(features)
    assert float(plain.loss(outputs, targets)) == pytest.approx(float(trained.loss(outputs, targets)))


def test_only_regression_needs_to_know_its_targets_and_they_must_vary():
    assert target_options(SINGLE, np.array([0, 1])) == {}
    assert target_options(NUMBER, np.array([1, 3], dtype=np.float32)) == {"mean": 2.0, "std": 1.0}
    with pytest.raises(DataError):
        target_options(NUMBER, np.ones(4, dtype=np.float32))


@pytest.mark.parametrize(
    ("task", "options"),
    [
        (SINGLE, {"label_smoothing": 1.0}),
        (SINGLE, {"label_smoothing": -0.1}),
        (SINGLE, {"label_smoothing": float("nan")}),
        (SINGLE, {"class_weights": [1.0, 2.0]}),
        (SEVERAL, {"class_weights": [1.0, 2.0, 0.0]}),
        (SEVERAL, {"class_weights": [1.0, 2.0, float("inf")]}),
        (NUMBER, {"class_weights": [1.0]}),
    ],
)
def test_options_that_cannot_be_are_refused(task: Task, options: dict[str, Any]):
    with pytest.raises(UsageError):
        head(task, **options)


def test_a_backbone_that_gives_no_vector_needs_a_head_of_its_own():
    with pytest.raises(TrainingError, match="'sequence'"):
        linear_head(backbone("sequence"), SINGLE, {})

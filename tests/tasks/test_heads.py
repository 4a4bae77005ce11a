"""Heads of tasks: the loss of each, numbers in the targets' unit, and what is said where a task brings none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tlzoo.errors import DataError, PluginError, TrainingError, UsageError
from tlzoo.interfaces import Backbone, FeatureKind, Stage
from tlzoo.models.heads import default_head, linear_head, probe_objective
from tlzoo.specs import ImageSpec
from tlzoo.tasks import Task, make_task
from tlzoo.tasks.classification.task import Classification

SINGLE = make_task("image-classification", ["a", "b", "c"])
SEVERAL = make_task("image-multilabel", ["a", "b", "c"])
NUMBER = make_task("image-regression", ["lux"])
LOGITS = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])


def backbone(output: FeatureKind = "vector") -> Backbone:
    spec = ImageSpec(kind="image", size=(8, 8), mean=(0, 0, 0), std=(1, 1, 1))
    return Backbone(nn.Identity(), 4, (Stage("all", ("",)),), {"image": torch.zeros(2, 4)}, {}, output, spec)


def head(task: Task, **options: Any) -> Any:
    torch.manual_seed(0)
    return default_head(backbone(), task, options)


def loss_of(made: Any, outputs: torch.Tensor, targets: torch.Tensor, name: str = "labels") -> torch.Tensor:
    """What a head's loss says of its outputs and the array of targets of this name."""
    loss: torch.Tensor = made.loss({"logits": outputs}, {name: targets})
    return loss


def test_one_label_is_judged_by_cross_entropy_smoothed_and_weighted():
    targets, weights = torch.tensor([0, 2]), [1.0, 2.0, 5.0]
    expected = cross_entropy(LOGITS, targets, weight=torch.tensor(weights), label_smoothing=0.1)
    assert loss_of(head(SINGLE, label_smoothing=0.1, class_weights=weights), LOGITS, targets) == expected
    assert loss_of(head(SINGLE), LOGITS, targets) == cross_entropy(LOGITS, targets)


def test_several_labels_are_judged_one_by_one_those_that_are_there_by_their_weight():
    targets = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    shares = LOGITS.double().sigmoid()
    weights = torch.tensor([1.0, 2.0, 5.0])
    losses = -(weights * targets * shares.log() + (1 - targets) * (1 - shares).log())
    loss = loss_of(head(SEVERAL, class_weights=weights.tolist()), LOGITS, targets)
    assert float(losses.mean()) == pytest.approx(float(loss))
    smooth = 0.8 * targets + 0.1
    losses = -(smooth * shares.log() + (1 - smooth) * (1 - shares).log())
    loss = loss_of(head(SEVERAL, label_smoothing=0.2), LOGITS, targets)
    assert float(losses.mean()) == pytest.approx(float(loss))


def test_the_loss_and_gradients_of_numbers_do_not_depend_on_their_unit():
    features, targets = torch.randn(6, 4, generator=torch.manual_seed(1)), torch.tensor([1.0, 2, 3, 4, 5, 6])
    found = []
    for factor, shift in ((1.0, 0.0), (1000.0, 5e4)):
        scaled = targets * factor + shift
        made = head(NUMBER, **NUMBER.head_options([str(value) for value in scaled.tolist()]))
        loss = loss_of(made, made.module(features), scaled, "values")
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


@pytest.mark.parametrize("task", [SINGLE, SEVERAL, NUMBER], ids=lambda task: task.family)
def test_a_head_of_given_weights_gives_what_they_give_whatever_its_options(task: Task):
    [width] = [output.axes[-1] for output in task.outputs]
    weight, bias, features = torch.randn(width, 4), torch.randn(width), torch.randn(5, 4)
    options = {"mean": 3.0, "std": 10.0} if task is NUMBER else {"label_smoothing": 0.1}
    for made in (linear_head(backbone(), weight, bias, task), linear_head(backbone(), weight, bias, task, options)):
        torch.testing.assert_close(made.module(features), features @ weight.T + bias, rtol=1e-4, atol=1e-5)


def test_weights_and_scale_come_back_from_a_state_dict_into_a_plain_head():
    trained = linear_head(backbone(), torch.randn(1, 4), torch.randn(1), NUMBER, {"mean": 3.0, "std": 10.0})
    plain = head(NUMBER)
    plain.module.load_state_dict(trained.module.state_dict(), strict=True)
    features, targets = torch.randn(5, 4), torch.randn(5)
    for made in (plain, trained):
        made.module.requires_grad_(False)
    torch.testing.assert_close(plain.module(features), trained.module(features))
    assert isinstance(plain.module, nn.Linear)
    outputs = trained.module(features)
    losses = [float(loss_of(made, outputs, targets, "values")) for made in (plain, trained)]
    assert losses[0] == pytest.approx(losses[1])


def test_only_regression_needs_to_know_its_targets_and_they_must_vary():
    assert SINGLE.head_options(["a", "b"]) == SEVERAL.head_options(["a", "a;b"]) == {}
    assert NUMBER.head_options(["1", "3"]) == {"mean": 2.0, "std": 1.0}
    with pytest.raises(DataError):
        NUMBER.head_options(["1"] * 4)


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
    with pytest.raises(TrainingError, match=r"image-classification needs a vector .*a sequence"):
        default_head(backbone("sequence"), SINGLE, {})


@dataclass(frozen=True)
class Headless(Classification):
    """A task whose head cannot be imported."""

    head: ClassVar[str] = "tlzoo_gone.head"
    plugin: ClassVar[str] = "gone"


@dataclass(frozen=True)
class Unprobed(Classification):
    """A task without a probe."""

    supports: ClassVar[frozenset[str]] = frozenset()


def test_a_task_whose_head_cannot_be_imported_names_itself_and_its_plugin():
    with pytest.raises(PluginError, match=r"'tlzoo_gone\.head' of image-classification \(plugin 'gone'\)"):
        default_head(backbone(), Headless("image-classification", ("a", "b")), {})


def test_a_task_without_a_probe_has_no_objective_and_says_how_it_trains():
    with pytest.raises(UsageError, match="not support a probe") as error:
        probe_objective(Unprobed("image-classification", ("a", "b")), {})
    assert "`strategy='finetune'`" in error.value.hint


def test_the_objective_of_a_probe_is_the_heads_own_loss_and_gradient():
    given = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    for task, targets in ((SINGLE, torch.tensor([0, 2])), (SEVERAL, given)):
        options = {"class_weights": [1.0, 2.0, 5.0]}
        objective, logits = probe_objective(task, options), LOGITS.clone().requires_grad_()
        assert (objective.target, objective.output, objective.outputs) == ("labels", "logits", 3)
        assert objective.loss is not None
        expected = loss_of(head(task, **options), logits, targets)
        expected.backward()
        losses, slope = objective.loss(LOGITS, targets)
        share = float(objective.share(targets).sum())
        assert float(losses.sum()) / share == pytest.approx(expected.item(), rel=1e-6)
        torch.testing.assert_close(slope / share, logits.grad)

"""A dry run before training names what a plugin's task or head does wrong."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import HookError, UsageError
from tlzoo.interfaces import Head
from tlzoo.models.model import TaskModel
from tlzoo.tasks import make_task
from tlzoo.training import dry_run as module
from tlzoo.training.dry_run import dry_run

CORE: Any = make_task("image-classification", ("a", "b"))
ROWS = np.random.default_rng(0).standard_normal((100, 2)).astype(np.float32)
OF_TASK = "The task image-classification of plugin 'demo' cannot be used: "
OF_HEAD = "The head demo/odd of plugin 'demo' cannot be used: "


def task_of(**changes: Any) -> Any:
    """The task as if a plugin brought it, with these changes."""
    return type("Odd", (type(CORE),), {"plugin": "demo", **changes})(CORE.name, CORE.labels)


def data_of(rows: np.ndarray = ROWS, task: Any = CORE, name: str = "image") -> TaskDataset:
    return TaskDataset(list(rows), ["a", "b"] * (len(rows) // 2), lambda inputs: {name: np.stack(inputs)}, task)


def mean_loss(outputs: Any, batch: Any) -> Any:
    return cross_entropy(outputs["logits"], batch["labels"])


class Called(nn.Module):
    """A function as a head."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.ones(2))

    def forward(self, given: Any) -> Any:
        return self.function(given * self.weight)


def model_of(
    head: nn.Module | None = None, loss: Any = mean_loss, *, task: Any = CORE, name: str = "demo/odd", plugin: str = ""
) -> TaskModel:
    parts: Any = SimpleNamespace(module=nn.Identity(), output="vector", preprocess=None)
    return TaskModel(SimpleNamespace(plugin=plugin), task, parts, Head(head or nn.Linear(2, 2), loss), name)  # type: ignore[arg-type]


def said(model: TaskModel, data: TaskDataset | None = None) -> str:
    with pytest.raises(HookError) as caught:
        dry_run(model, data or data_of(task=model.task))
    return caught.value.message


def test_what_is_right_draws_no_random_numbers_and_changes_nothing():
    calls: list[int] = []

    def forward(given: torch.Tensor) -> torch.Tensor:
        calls.append(len(given))
        return given + 0.0 * torch.rand(1)

    model = model_of(Called(forward), task=task_of())
    before = torch.get_rng_state()
    dry_run(model.train(), data_of(task=model.task))
    assert torch.equal(before, torch.get_rng_state())
    assert calls == [4]
    assert model.head.weight.grad is None
    assert not model.training


def test_of_the_core_nothing_is_tried():
    dry_run(model_of(Called(lambda given: 1 / 0), name="linear"), data_of())


def fails(given: Any) -> Any:
    raise ValueError("no such\nnumber")


class InPlace(nn.Linear):
    """Changes what it is given."""

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        made = super().forward(given)
        given += 1
        return made


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        (InPlace(2, 2), "The head changes its input in place."),
        (Called(lambda given: (given, 3)), "The head returns int, not a tensor."),
        (Called(lambda given: (given, given)), "The model returns 2 outputs; the task declares 1."),
        (Called(lambda given: given / 0), "Output 'logits' has NaN or infinity."),
        (Called(fails), "ValueError: no such number."),
    ],
)
def test_a_heads_outputs_are_the_tasks(head: nn.Module, problem: str):
    assert said(model_of(head)) == OF_HEAD + problem
    assert said(model_of(head, name="linear", task=task_of())) == OF_TASK + problem


def test_outputs_of_features_that_are_no_numbers_are_not_blamed_on_the_head():
    dry_run(model_of(), data_of(np.full((4, 2), np.nan, np.float32)))
    dry_run(model_of(InPlace(2, 2)), data_of(np.full((4, 2), np.nan, np.float32)))


@pytest.mark.parametrize(
    ("loss", "problem"),
    [
        (lambda outputs, batch: 0.5, "The loss is float, not a tensor."),
        (lambda outputs, batch: outputs["logits"].sum(1), "The loss is of shape [4]."),
        (lambda outputs, batch: outputs["logits"].detach().sum(), "No gradient of the loss reaches the head."),
        (lambda outputs, batch: outputs["logits"].sum() / 0, "The loss of the first 64 samples is "),
        (fails, "TypeError: "),
    ],
)
def test_a_loss_is_a_finite_number_that_the_head_can_learn_from(loss: Any, problem: str):
    assert said(model_of(loss=loss)).startswith(OF_HEAD + problem)


def test_a_head_without_parameters_needs_no_gradient():
    dry_run(model_of(nn.Identity()), data_of())
    with pytest.raises(HookError, match="No gradient of the loss reaches the head"):
        dry_run(model_of(loss=lambda outputs, batch: torch.tensor(1.0)), data_of())


def nan_below(count: int) -> Any:
    """A loss that is a number from so many samples on."""

    def loss(outputs: Any, batch: Any) -> Any:
        seen.append(len(outputs["logits"]))
        return outputs["logits"].sum() * (float("nan") if seen[-1] < count else 1.0)

    seen: list[int] = []
    loss.seen = seen  # type: ignore[attr-defined]
    return loss


@pytest.mark.parametrize(("samples", "tried"), [(100, [4, 64]), (6, [4, 6]), (4, [4])])
def test_a_loss_that_is_no_number_is_tried_again_with_more_samples(samples: int, tried: list[int]):
    loss = nan_below(1000)
    assert said(model_of(loss=loss), data_of(ROWS[:samples])) == (
        f"{OF_HEAD}The loss of the first {tried[-1]} samples is nan."
    )
    assert loss.seen == tried
    loss = nan_below(tried[-1])
    dry_run(model_of(loss=loss), data_of(ROWS[:samples]))
    assert loss.seen == tried
    assert (module.FEW, module.MANY) == (4, 64)


def test_a_loss_of_features_that_are_no_numbers_is_not_blamed_on_the_head():
    dry_run(model_of(loss=nan_below(1000)), data_of(np.full((4, 2), np.inf, np.float32)))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"collate": lambda self, targets, contexts=(): {"labels": np.zeros(3)}},
            "`collate` returns 'labels' of shape",
        ),
        ({"collate": fails}, "TypeError: "),
        ({"metrics": lambda self, *given: {"accuracy": 0.5}}, "`metrics` returns accuracy; `directions` names"),
        ({"decode": lambda self, *given: []}, "`decode` returns 0 predictions for 4 samples."),
    ],
)
def test_what_a_plugins_task_makes_of_samples_is_checked(changes: dict[str, Any], problem: str):
    assert said(model_of(task=task_of(**changes))).startswith(OF_TASK + problem)


def test_an_output_may_not_be_called_as_an_input():
    task = task_of()
    assert said(model_of(task=task), data_of(task=task, name="logits")) == (
        f"{OF_TASK}An output is called 'logits', as an input of the model is."
    )
    (derived,) = task.derived
    assert said(model_of(task=task), data_of(task=task, name=derived.name)) == (
        f"{OF_TASK}An output is called {derived.name!r}, as an input of the model is."
    )
    dry_run(model_of(), data_of(name="logits"))  # of a core's task it is not asked


@pytest.mark.parametrize(
    ("task", "name", "plugin", "start"),
    [
        (task_of(), "linear", "", OF_TASK),
        (task_of(), "demo/odd", "", OF_TASK),
        (task_of(), "plugin", "demo", OF_TASK),
        (task_of(), "other/odd", "", "The head other/odd of plugin 'other' cannot be used: "),
        (task_of(), "plugin", "other", "The head plugin of plugin 'other' cannot be used: "),
        (CORE, "plugin", "other", "The head plugin of plugin 'other' cannot be used: "),
    ],
)
def test_whose_head_it_is_is_named(task: Any, name: str, plugin: str, start: str):
    assert said(model_of(Called(lambda given: 3), task=task, name=name, plugin=plugin)) == (
        f"{start}The head returns int, not a tensor."
    )


def test_an_error_of_tlzoo_passes_as_it_is():
    def loss(outputs: Any, batch: Any) -> Any:
        raise UsageError("Such a loss cannot be.", hint="", parameter="head")

    with pytest.raises(UsageError, match="Such a loss cannot be"):
        dry_run(model_of(loss=loss), data_of())


@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit])
def test_what_is_no_exception_passes_too(kind: type[BaseException]):
    def loss(outputs: Any, batch: Any) -> Any:
        raise kind

    with pytest.raises(kind):
        dry_run(model_of(loss=loss), data_of())


def test_what_a_head_changes_among_several_features_is_noticed():
    class Both(nn.Linear):
        def forward(self, given: Any) -> torch.Tensor:
            made = super().forward(given["b"])
            given["b"] *= 2
            return made

    model = model_of(Both(2, 2))
    model.parts.output = ("a", "b")  # type: ignore[misc]
    model.backbone = Called(lambda given: (given, given + 1))
    assert said(model) == f"{OF_HEAD}The head changes its input in place."

"""Models of a module given, and what holds between one and its cut."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from tlzoo.features.cut import Cut
from tlzoo.interfaces import Backbone, Head
from tlzoo.models.model import TaskModel

Tensors = tuple[torch.Tensor, ...]


def judged(outputs: Mapping[str, torch.Tensor], batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """A head's loss."""
    return functional.cross_entropy(outputs["logits"], batch["labels"])


def wrapped(
    module: nn.Module,
    *examples: torch.Tensor,
    frozen: str,
    axes: Mapping[int, str] | None = None,
    dim: int = 8,
    head: nn.Module | None = None,
) -> TaskModel:
    """A model of `module`, what is named `frozen...` in it frozen and in eval mode, its batch norms moved a little."""
    names = [f"input{at}" for at in range(len(examples))]
    parts = Backbone(
        module=module,
        feature_dim=dim,
        stages=(),
        example_inputs=dict(zip(names, examples, strict=True)),
        dynamic_axes={name: axes or {0: "batch"} for name in names},
        output="vector",
        preprocess=None,  # type: ignore[arg-type]
    )
    model = TaskModel(None, None, parts, Head(head or nn.Linear(dim, 3), judged))  # type: ignore[arg-type]
    model.train()
    with torch.no_grad():
        model(*examples)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = not name.startswith(f"backbone.{frozen}")
    for name, part in module.named_modules():
        if name.startswith(frozen):
            part.eval()
    return model


def several(made: torch.Tensor | Tensors) -> Tensors:
    """The outputs of a model that gives one or more."""
    return made if isinstance(made, tuple) else (made,)


def assert_equal_to_the_model(found: Cut | None, model: TaskModel, inputs: Tensors) -> None:
    """The halves draw, move and compute what the whole does, and gradients end where they do."""
    assert found is not None
    assert 0 <= found.share <= 1
    whole = copy.deepcopy(model)
    values = [value.detach() for value in found.prefix(*inputs)]
    assert [tuple(v.shape[1:]) for v in values] == [
        tuple(size if wanted is None else wanted for wanted, size in zip(layout.shape, v.shape[1:], strict=True))
        for layout, v in zip(found.layouts, values, strict=True)
    ]
    torch.manual_seed(7)
    expected = whole(*inputs)
    torch.manual_seed(7)
    actual = found.train(*values)
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=1e-5)
    for (name, buffer), (_, other) in zip(model.named_buffers(), whole.named_buffers(), strict=True):
        torch.testing.assert_close(buffer, other, atol=1e-6, rtol=1e-5, msg=name)
    for made in (expected, actual):
        sum(value.square().sum() for value in several(made)).backward()
    for (name, parameter), (_, other) in zip(model.named_parameters(), whole.named_parameters(), strict=True):
        assert (parameter.grad is None) == (other.grad is None), name
        if parameter.grad is not None:
            torch.testing.assert_close(parameter.grad, other.grad, atol=1e-5, rtol=1e-4, msg=name)
    with torch.no_grad():
        torch.testing.assert_close(found.evaluate(*values), whole.eval()(*inputs), atol=1e-6, rtol=1e-5)

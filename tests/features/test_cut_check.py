"""A cut is compared with the model before anything is computed once, gradients with code of their own included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from shared_fixtures.cuts import wrapped
from torch import nn

from tlzoo.features.cut import find_cut
from tlzoo.features.cut_check import TOLERANCE, difference
from tlzoo.models.model import TaskModel


class Doubled(torch.autograd.Function):
    """The identity with twice the gradient."""

    @staticmethod
    def forward(ctx: Any, given: torch.Tensor) -> torch.Tensor:
        return given.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return 2 * gradient


class OwnGradient(nn.Module):
    """A layer whose gradient is not that of its operators where it trains, as YOSO's attention has it."""

    def __init__(self, doubled: bool) -> None:
        super().__init__()
        self.frozen_first = nn.Linear(8, 8)
        self.last = nn.Linear(8, 8)
        self.doubled = doubled

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        made = self.last(self.frozen_first(given))
        return Doubled.apply(made) if self.doubled else made


def compared(module: nn.Module, prepare: Callable[[TaskModel], None] = lambda model: None) -> float:
    model = wrapped(module, torch.randn(2, 8), frozen="frozen")
    found = find_cut(model)
    assert found is not None
    prepare(model)
    return difference(found, model, [(torch.randn(2, 8),), (torch.randn(3, 8),)], model.train)


@pytest.mark.parametrize("doubled", [False, True])
def test_gradients_are_compared_too(doubled: bool):
    assert (compared(OwnGradient(doubled)) > TOLERANCE) is doubled


def test_nothing_is_left_behind_in_the_gradients():
    kept: list[TaskModel] = []
    compared(OwnGradient(False), kept.append)
    assert [parameter.grad for parameter in kept[0].parameters()] == [None] * 6

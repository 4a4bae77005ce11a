"""What is found out by a few steps leaves the model as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tlzoo.models.freezing import freeze
from tlzoo.options import Finetune
from tlzoo.training.steps import seconds_per_step


@pytest.mark.parametrize("policy", ["none", "last:1"])
def test_timing_a_step_trains_a_copy(prepared: Callable[..., tuple[Any, Any]], policy: str):
    model, sets = prepared("vision/test-resnet")
    frozen = freeze(model, policy)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    assert seconds_per_step(model, frozen, sets, Finetune(batch=8, lr=1e-2)) > 0
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert modes == [module.training for module in model.modules()]

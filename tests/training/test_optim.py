"""Rates by stage, their schedule, averaged weights and the pull to the pretrained ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from tlzoo.models.freezing import freeze
from tlzoo.options import Finetune
from tlzoo.training.optim import apply_l2_sp, build_adamw, schedule, set_learning_rate, update_ema

Prepared = Callable[..., tuple[Any, Any]]


@pytest.fixture
def vit(zoo: Any, prepared: Prepared) -> Any:
    model, _ = prepared("vision/test-vit")
    return model


def group_of(optimizer: torch.optim.Optimizer, model: Any, name: str) -> dict[str, Any]:
    parameter = model.get_parameter(name)
    [group] = [each for each in optimizer.param_groups if any(held is parameter for held in each["params"])]
    return group


def test_each_stage_has_its_rate_and_only_matrices_decay(vit: Any):
    names = freeze(vit, "none").trainable
    optimizer = build_adamw(vit, names, Finetune(layer_decay=0.5, head_factor=20.0, weight_decay=0.03), 1e-3)
    peaks = {name: group_of(optimizer, vit, name)["peak"] for name in names}
    assert peaks["head.weight"] == peaks["head.bias"] == pytest.approx(2e-2)
    stages = [stage.name for stage in vit.parts.stages]
    assert stages == ["stem", *(f"blocks.{at}" for at in range(6)), "norm"]
    for behind, stage in enumerate(reversed(vit.parts.stages)):
        owned = {peaks[name] for name in names if stage.owns(name.removeprefix("backbone."))}
        assert owned == {1e-3 * 0.5**behind}
    for name in names:
        decays = vit.get_parameter(name).ndim >= 2
        assert group_of(optimizer, vit, name)["weight_decay"] == (0.03 if decays else 0.0)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(names)


def test_the_optimiser_holds_what_trains_and_nothing_else(vit: Any):
    names = freeze(vit, "last:2").trainable
    held = {id(p) for group in build_adamw(vit, names, Finetune(), 1e-3).param_groups for p in group["params"]}
    assert held == {id(parameter) for name, parameter in vit.named_parameters() if name in names}


def test_a_backbone_that_l2_sp_pulls_does_not_decay_besides(vit: Any):
    optimizer = build_adamw(vit, freeze(vit, "none").trainable, Finetune(l2_sp=0.1), 1e-3)
    assert group_of(optimizer, vit, "backbone.net.blocks.0.attn.qkv.weight")["weight_decay"] == 0
    assert group_of(optimizer, vit, "head.weight")["weight_decay"] == 0.01


def test_adapters_have_ten_times_the_rate(vit: Any):
    names = freeze(vit, "lora:2").trainable
    optimizer = build_adamw(vit, names, Finetune(head_factor=3.0), 1e-3)
    adapter = next(name for name in names if ".lora_" in name)
    assert group_of(optimizer, vit, adapter)["peak"] == pytest.approx(1e-2)
    assert group_of(optimizer, vit, "head.weight")["peak"] == pytest.approx(3e-3)


@pytest.mark.parametrize(("steps", "warmup", "rising"), [(50, 0.1, 5), (50, 0.0, 1), (3, 0.1, 1), (1, 0.1, 1)])
def test_the_rate_rises_in_equal_steps_and_falls_to_nothing(steps: int, warmup: float, rising: int):
    shares = [schedule(step, steps, warmup) for step in range(steps + 1)]
    assert shares[:rising] == pytest.approx([(step + 1) / rising for step in range(rising)])
    assert shares[rising:] == sorted(shares[rising:], reverse=True)
    assert steps == 1 or shares[-1] == pytest.approx(0)
    assert 0 < min(shares[:-1]) <= max(shares) == 1


def test_every_group_follows_the_schedule_from_its_own_peak():
    layers = [nn.Linear(1, 1), nn.Linear(1, 1)]
    groups = [{"params": layer.parameters(), "peak": peak} for layer, peak in zip(layers, (1.0, 5.0), strict=True)]
    optimizer = torch.optim.AdamW(groups)
    share = set_learning_rate(optimizer, 30, 40, 0.25)
    assert 0 < share < 1
    assert [share, 5 * share] == [group["lr"] for group in optimizer.param_groups]


def test_the_pull_is_the_gradient_of_half_the_squared_distance():
    start = torch.tensor([1.0, -2.0, 0.5])
    pulled, free = nn.Parameter(torch.tensor([3.0, 0.0, 0.5])), nn.Parameter(torch.ones(2))
    ((pulled - start).square().sum() * 0.7 / 2 + free.sum()).backward()
    expected, pulled.grad = pulled.grad, torch.zeros(3)
    apply_l2_sp({"pulled": pulled, "free": free}, {"pulled": start, "elsewhere": free}, 0.7)
    torch.testing.assert_close(pulled.grad, expected)
    assert free.grad.tolist() == [1.0, 1.0]


def test_averages_follow_quickly_at_first_and_slowly_later():
    mean, present = {"w": torch.zeros(2), "n": torch.tensor(0)}, {"w": torch.ones(2), "n": torch.tensor(5)}
    update_ema(mean, present, 0.999, step=0)
    assert pytest.approx(mean["w"].tolist()) == [0.9, 0.9]
    assert mean["n"] == 5
    mean["w"].zero_()
    update_ema(mean, present, 0.75, step=10_000)
    assert pytest.approx(mean["w"].tolist()) == [0.25, 0.25]

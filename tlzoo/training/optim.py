"""AdamW over what trains: rates by stage, warm-up and cosine, averaged weights, L2-SP."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import nn

from tlzoo.models.model import TaskModel
from tlzoo.options import Finetune, GradientDescent

EPSILON = 1e-6
"""As for BERT (Devlin et al. 2019): a parameter whose gradient is nothing but rounding stays where it is."""


ADAPTER_FACTOR = 10.0
"""The rate of adapters over that of the weights they stand for: a usual ratio, see docs/training.md."""


def build_adamw(model: TaskModel, names: Iterable[str], options: GradientDescent, lr: float) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019) over the parameters of these names, one group per rate and decay.

    The rate of the last stage is `lr`, that of the head `lr * head_factor`, that of adapters ten times `lr`; each stage
    has `layer_decay` times the rate of the next (discriminative rates, Howard & Ruder 2018). Vectors do not decay, nor
    does a backbone under L2-SP. Each group keeps its peak rate under `peak`; `set_learning_rate` sets the present one.
    """
    wanted = set(names)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if name in wanted:
            rate = lr * _factor(model, name, options)
            pulled = options.l2_sp > 0 and name.startswith("backbone.")
            decay = 0.0 if parameter.ndim < 2 or pulled else options.weight_decay
            groups.setdefault((rate, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": chosen, "lr": rate, "peak": rate, "weight_decay": decay}
            for (rate, decay), chosen in groups.items()
        ],
        eps=EPSILON,
        fused=True,
    )


def _factor(model: TaskModel, name: str, options: GradientDescent) -> float:
    if not name.startswith("backbone."):
        return options.head_factor
    if ".lora_" in name:
        return ADAPTER_FACTOR
    stages = model.parts.stages
    owners = [at for at, stage in enumerate(stages) if stage.owns(name.removeprefix("backbone."))]
    behind = len(stages) - 1 - owners[0] if owners else 0
    return float(options.layer_decay**behind) if isinstance(options, Finetune) else 1.0


def set_learning_rate(optimizer: torch.optim.Optimizer, step: int, steps: int, warmup: float) -> float:
    """Set the rates of step `step` of `steps` (from 0) and return the share of the peak: a function of these alone.

    Up in equal steps over the first `warmup` share, then down to 0 by half a cosine (Loshchilov & Hutter 2017).
    """
    share = schedule(step, steps, warmup)
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share
    return share


def schedule(step: int, steps: int, warmup: float) -> float:
    """The share of the peak rate at a step, in 0..1."""
    rising = max(1, round(warmup * steps))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1, steps - rising))))


@torch.no_grad()
def apply_l2_sp(
    parameters: Mapping[str, nn.Parameter], pretrained: Mapping[str, torch.Tensor], strength: float
) -> None:
    """Add the gradient of strength/2 * ||w - w0||^2 (L2-SP; Li, Grandvalet & Davoine 2018) to those that have one."""
    for name, start in pretrained.items():
        parameter = parameters.get(name)
        if parameter is not None and parameter.grad is not None:
            parameter.grad.add_(parameter - start, alpha=strength)


@torch.no_grad()
def update_ema(
    averages: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor], decay: float, step: int
) -> None:
    """Move the averaged weights towards the current ones (Polyak & Juditsky 1992); faster in the first steps."""
    keep = min(decay, (1 + step) / (10 + step))
    for name, mean in averages.items():
        if mean.is_floating_point():
            mean.lerp_(tensors[name], 1 - keep)
        else:
            mean.copy_(tensors[name])

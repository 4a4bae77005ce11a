"""The heads: features of one kind are normalised together, then the layer of the task, or means and deviations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from tlzoo.plugin import Backbone, Head, default_head
from torch import nn
from torch.nn.functional import softplus

if TYPE_CHECKING:
    from tlzoo.plugin import Task

SMALLEST = 1e-3
"""No forecast is surer than so many standard deviations of its series."""
KINDS = 2
"""Both backbones give two kinds of features, half and half: maxima and shares, or means and spreads over time."""


def normalised_head(backbone: Backbone, task: Task, options: Mapping[str, Any]) -> Head:
    """Features [N, D] to logits [N, C]: group normalisation (Wu & He 2018) with a group for each kind, then linear.

    A kernel's maximum is several times its share, and gradient descent would see the maxima only. The loss, with
    smoothing and class weights, is the task's own.
    """
    plain = default_head(backbone, task, options)
    module = nn.Sequential(nn.GroupNorm(KINDS, backbone.feature_dim), plain.module)
    return Head(module, plain.loss, plain.takes_weights)


class Distribution(nn.Module):
    """Features [N, D] to `mean` and `deviation` [N, H] of a normal distribution for each of the next H values."""

    def __init__(self, width: int, horizon: int) -> None:
        super().__init__()
        self.normalised = nn.GroupNorm(KINDS, width)
        self.mean, self.deviation = nn.Linear(width, horizon), nn.Linear(width, horizon)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.normalised(features)
        return self.mean(features), softplus(self.deviation(features)) + SMALLEST


def build_head(backbone: Backbone, task: Task, options: Mapping[str, Any]) -> Head:
    """The head of forecasting, with the negative log likelihood (Nix & Weigend 1994)."""

    def loss(outputs: Mapping[str, torch.Tensor], batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        apart = (batch["future"] - outputs["mean"]) / outputs["deviation"]
        return (0.5 * apart.square() + outputs["deviation"].log()).mean()

    return Head(Distribution(backbone.feature_dim, task.outputs[0].axes[1]), loss)

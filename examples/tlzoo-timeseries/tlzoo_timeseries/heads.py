"""The head: features of one kind are normalised together, then the task's own layer and loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tlzoo.plugin import Backbone, Head, default_head
from torch import nn

if TYPE_CHECKING:
    from tlzoo.plugin import Task

KINDS = 2
"""Both backbones give two kinds of features, half and half: maxima and shares, or means and spreads over time."""


def normalised_head(backbone: Backbone, task: Task, options: Mapping[str, Any]) -> Head:
    """Features [N, D] to logits [N, C]: group normalisation (Wu & He 2018) with a group for each kind, then linear.

    A kernel's maximum is several times its share, and gradient descent would see the maxima only. The loss, with
    smoothing and class weights, is the task's own.
    """
    plain = default_head(backbone, task, options)
    return Head(nn.Sequential(nn.GroupNorm(KINDS, backbone.feature_dim), plain.module), plain.loss)

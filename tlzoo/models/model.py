"""The model: backbone and head as one torch module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from tlzoo import plugins
from tlzoo.interfaces import Backbone, Head, Weights
from tlzoo.plugins.preprocess import plugins_own
from tlzoo.preprocess import Preprocessor
from tlzoo.preprocess import make_preprocessor as core_preprocessor
from tlzoo.registry.schema import Checkpoint
from tlzoo.specs import PluginSpec, Preprocess
from tlzoo.tasks import Task
from tlzoo.tasks.heads import linear_head


class Model(nn.Module):
    """`forward(*inputs)` takes the backbone's inputs in their order and returns logits [N, C].

    `parts` is the backbone as its plugin described it; `parts.module` is `backbone`.
    """

    def __init__(self, checkpoint: Checkpoint, task: Task, parts: Backbone, head: Head) -> None:
        super().__init__()
        self.checkpoint = checkpoint
        self.task = task
        self.parts = parts
        self.loss = head.loss
        self.backbone = parts.module
        self.head = head.module

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.backbone(*inputs))
        return logits

    @property
    def has_linear_head(self) -> bool:
        """Whether the head is a linear layer, which the core builds again without the plugin."""
        return isinstance(self.head, nn.Linear)

    def headless(self) -> Model:
        """The same backbone with nothing behind it; its outputs are features."""
        return Model(self.checkpoint, self.task, self.parts, Head(nn.Identity(), self.loss))

    def with_head(self, head: Head) -> Model:
        """The same backbone with another head."""
        return Model(self.checkpoint, self.task, self.parts, head)


def load_backbone(checkpoint: Checkpoint, weights: Weights | None) -> Backbone:
    """Ask the checkpoint's plugin for its backbone, pooled to one vector per sample."""
    return plugins.call(
        "load_backbone", checkpoint.plugin, Backbone, checkpoint=checkpoint, weights=weights, output="vector"
    )


def make_preprocessor(checkpoint: Checkpoint, spec: Preprocess) -> Preprocessor:
    """The preprocessor of the plugin that the specification names, else the checkpoint's, else the core's."""
    if isinstance(spec, PluginSpec):
        return plugins_own(spec)
    answer: Preprocessor = plugins.call(
        "make_preprocessor", checkpoint.plugin, object, default=core_preprocessor, spec=spec
    )  # type: ignore[assignment]
    return answer


def build(
    checkpoint: Checkpoint,
    task: Task,
    backbone: Backbone,
    *,
    plain: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Model:
    """A model with a fresh head: the plugin's, or with `plain` the core's, which is what a probe leaves.

    `options` are those of `tlzoo.tasks.heads.linear_head`.
    """
    if plain:
        return Model(checkpoint, task, backbone, linear_head(backbone, task, options or {}))
    head = plugins.call(
        "build_head", checkpoint.plugin, Head, default=linear_head, backbone=backbone, task=task, options=options or {}
    )
    return Model(checkpoint, task, backbone, head)

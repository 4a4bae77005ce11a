"""The head of the tasks: two layers, two losses."""

from __future__ import annotations

from torch import nn
from torch.nn.functional import cross_entropy, mse_loss, softplus

from tlzoo.plugin import Head


class TwoLayers(nn.Module):
    """Features [N, D] to `sign` [N, 2] and `size` [N]; with `steps` the size is so many equal parts added up."""

    def __init__(self, width, steps=0):
        super().__init__()
        self.sign, self.size = nn.Linear(width, 2), nn.Linear(width, 1)
        if steps:
            self.steps = steps

    def forward(self, features):
        if isinstance(features, dict):
            features = features["vector"] + features["sequence"][:, 0]
        size = softplus(self.size(features)[:, 0])
        steps = getattr(self, "steps", 0)
        if steps:
            part = size / steps
            size = part * 0
            for _ in range(steps):
                size = size + part
        return self.sign(features), size


def build_head(backbone, task, options):
    """Two layers; the loss adds cross-entropy and the squared error."""

    def loss(outputs, batch):
        return cross_entropy(outputs["sign"], batch["sign"]) + mse_loss(outputs["size"], batch["size"])

    return Head(TwoLayers(backbone.feature_dim, 5 if task.form == "loop" else 0), loss)

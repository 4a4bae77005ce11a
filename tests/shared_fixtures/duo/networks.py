"""What the hooks build."""

from __future__ import annotations

import torch
from tlzoo_duo.means import means
from torch import nn

from tlzoo.plugin import Backbone, Head, Stage, default_head

__all__ = ["adabn", "cosine_head", "means", "words"]


class Mean(nn.Module):
    """Tokens int64 [N, L] to the mean of their vectors, [N, 12]."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(64, 12)

    def forward(self, input_ids, attention_mask):
        mask = attention_mask.unsqueeze(-1).float()
        return (self.table(input_ids) * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def words(checkpoint):
    """The backbone of texts."""
    ids = torch.arange(10).reshape(2, 5)
    mask = torch.ones_like(ids)
    mask[1, 3:] = 0
    axes = {0: "batch", 1: "length"}
    return Backbone(
        module=Mean().eval(),
        feature_dim=12,
        stages=(Stage("table", ("table",)),),
        example_inputs={"input_ids": ids, "attention_mask": mask},
        dynamic_axes={"input_ids": axes, "attention_mask": axes},
        output="vector",
        preprocess=checkpoint.preprocess,
    )


class Cosine(nn.Linear):
    """A subclass of the core's layer that computes something else."""

    def forward(self, features):
        unit, rows = nn.functional.normalize(features, dim=-1), nn.functional.normalize(self.weight, dim=-1)
        return 10 * unit @ rows.T + self.bias


def cosine_head(backbone, task, options):
    """Cosines, with the task's own loss."""
    return Head(Cosine(backbone.feature_dim, len(task.labels)), default_head(backbone, task, options).loss)


def adabn(model, source, target, options):
    """The model with BatchNorm's running statistics measured anew on the target."""
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    with torch.no_grad():
        for start in range(0, len(target), 16):
            arrays = target.arrays(range(start, min(start + 16, len(target))))
            model(*map(torch.from_numpy, arrays.values()))
    return model.eval()

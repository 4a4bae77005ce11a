"""AdamW over what trains, with warm-up and cosine decay."""

from __future__ import annotations

import math

import torch

from tlzoo.engine.model import Model

HEAD_FACTOR = 10.0
WARMUP_SHARE = 0.1


def adamw(model: Model, lr: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019): `lr` for the backbone, ten times that for the new head, no decay on vectors."""
    groups = []
    for part, factor in (("backbone.", 1.0), ("head.", HEAD_FACTOR)):
        for vectors in (False, True):
            chosen = [
                parameter
                for name, parameter in model.named_parameters()
                if parameter.requires_grad and name.startswith(part) and (parameter.ndim < 2) == vectors
            ]
            if chosen:
                groups.append({"params": chosen, "lr": lr * factor, "weight_decay": 0.0 if vectors else weight_decay})
    return torch.optim.AdamW(groups)


def warmup_cosine(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """Rate from 0 up over the first tenth of `steps`, then down to 0 by half a cosine (Loshchilov & Hutter 2017)."""
    warmup = max(1, round(WARMUP_SHARE * steps))

    def share(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, share)

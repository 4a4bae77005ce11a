"""Whether prefix and suffix together are the model, on real samples, before anything is computed with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from tlzoo.data.dataset import TaskDataset
from tlzoo.features.cut import Cut
from tlzoo.features.extract import order_by_length
from tlzoo.models.model import TaskModel, as_tuple

BATCHES = (2, 3)
TOLERANCE = 1e-4
"""Largest difference, relative to the largest value of an output; float32 in another order stays below 1e-5."""


def cut_difference(cut: Cut, model: TaskModel, data: TaskDataset, train_mode: Callable[[], None]) -> float:
    """The largest difference of the cut from the model, relative to the outputs' size, at two batch sizes.

    Compared are both modes, in training with the same random draws; the model's statistics are as before afterwards.
    Infinite where shapes differ or one has a number where the other has none. The model is on the CPU and is left in
    the mode of `train_mode`.
    """
    positions = np.asarray(order_by_length(data))
    worst = 0.0
    for size in BATCHES:
        chosen = positions[np.linspace(0, len(positions) - 1, size).astype(int)]  # of a text: short beside long
        given = tuple(torch.from_numpy(array) for array in data.arrays(chosen.tolist()).values())
        with torch.no_grad(), _same_draws(model) as again:
            values = as_tuple(cut.prefix(*given))
            model.eval()
            worst = max(worst, _difference(cut.evaluate(*values), model(*given)))
            train_mode()
            again()
            whole = model(*given)
            again()
            worst = max(worst, _difference(cut.train(*values), whole))
    return worst


@contextmanager
def _same_draws(model: nn.Module) -> Iterator[Callable[[], None]]:
    """A function that puts back the model's statistics and the random numbers to come; both are put back at the end."""
    kept = {name: buffer.clone() for name, buffer in model.named_buffers()}

    def again() -> None:
        torch.manual_seed(0)
        for name, buffer in model.named_buffers():
            buffer.copy_(kept[name])

    with torch.random.fork_rng(devices=[]):
        yield again
        again()


def _difference(one: object, other: object) -> float:
    pairs = list(zip(as_tuple(one), as_tuple(other), strict=True))
    return max((_relative(a.double(), b.double()) for a, b in pairs), default=0.0)


def _relative(one: torch.Tensor, other: torch.Tensor) -> float:
    if one.shape != other.shape or not torch.equal(one.isfinite(), other.isfinite()):
        return float("inf")
    there = other.isfinite()
    if not bool(there.any()):
        return 0.0
    return float((one[there] - other[there]).abs().max() / other[there].abs().max().clamp_min(1e-12))

"""Whether prefix and suffix together are the model, on real samples, before anything is computed with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from tlzoo.data.dataset import TaskDataset
from tlzoo.features.cut import Cut
from tlzoo.features.extract import order_by_length
from tlzoo.models.model import TaskModel, as_tuple
from tlzoo.models.seeds import keep_generators, seed_generators

TensorTuple = tuple[torch.Tensor, ...]
BATCHES = (2, 3)
TOLERANCE = 1e-4
"""Largest difference, relative to the largest value of an output; float32 in another order stays below 1e-5."""


def cut_difference(cut: Cut, model: TaskModel, data: TaskDataset, train_mode: Callable[[], None]) -> float:
    """As `difference`, on samples of a data set; of texts a short one beside a long one."""
    positions = np.asarray(order_by_length(data))
    batches = []
    for size in BATCHES:
        chosen = positions[np.linspace(0, len(positions) - 1, size).astype(int)]
        batches.append(tuple(torch.from_numpy(array) for array in data.arrays(chosen.tolist()).values()))
    return difference(cut, model, batches, train_mode)


def difference(cut: Cut, model: TaskModel, batches: Sequence[TensorTuple], train_mode: Callable[[], None]) -> float:
    """The largest difference of the cut from the model, relative to the outputs' size, and of the first gradients.

    Compared are both modes, in training with the same random draws, and what they leave in the model's buffers, which
    are as before afterwards.
    Infinite where shapes differ or one has a number where the other has none. The model is on the CPU and is left in
    the mode of `train_mode`.
    """
    worst = 0.0
    for number, given in enumerate(batches):
        trained = [each for each in model.parameters() if each.requires_grad] if number == 0 else []
        with _same_draws(model) as again:
            with torch.no_grad():
                values = as_tuple(cut.prefix(*given))
                model.eval()
                still, moved = as_tuple(model(*given)), _statistics(model)
                again()
                worst = max(worst, _difference(cut.evaluate(*values), still), _difference(_statistics(model), moved))
            train_mode()
            again()
            (whole, expected), moved = _with_gradients(model, given, trained), _statistics(model)
            again()
            halves, actual = _with_gradients(cut.train, values, trained)
            worst = max(worst, _difference(halves, whole), _difference(_statistics(model), moved))
            worst = max(worst, _gradient_difference(actual, expected))
    return worst


def _statistics(model: nn.Module) -> TensorTuple:
    """What the model's buffers hold, which the halves of a cut share with it and may move otherwise."""
    return tuple(buffer.clone() for buffer in model.buffers())


def _with_gradients(
    compute: nn.Module, given: TensorTuple, trained: Sequence[torch.Tensor]
) -> tuple[TensorTuple, TensorTuple]:
    """The outputs, and the gradients of their squares by each parameter: a network may have its own code for these."""
    with torch.set_grad_enabled(bool(trained)):
        outputs = as_tuple(compute(*given))
        total = sum((value.square().sum() for value in outputs if value.requires_grad), start=torch.zeros(()))
        if not total.requires_grad:
            return outputs, ()
        made = torch.autograd.grad(total, trained, allow_unused=True)
    return outputs, tuple(torch.zeros(1) if one is None else one for one in made)


def _gradient_difference(actual: TensorTuple, expected: TensorTuple) -> float:
    """The largest difference, relative to the largest gradient of all: some are nothing but rounding."""
    if [one.shape for one in actual] != [one.shape for one in expected]:
        return float("inf")
    pairs = list(zip(actual, expected, strict=True))
    if not all(torch.equal(one.isfinite(), other.isfinite()) for one, other in pairs):
        return float("inf")
    apart = max((float((one - other).nan_to_num().abs().max()) for one, other in pairs), default=0.0)
    largest = max((float(other.nan_to_num(posinf=0, neginf=0).abs().max()) for other in expected), default=0.0)
    return apart / max(largest, 1e-12)


@contextmanager
def _same_draws(model: nn.Module) -> Iterator[Callable[[], None]]:
    """A function that puts back the model's statistics and the random numbers to come; both are put back at the end."""
    kept = {name: buffer.clone() for name, buffer in model.named_buffers()}

    def again() -> None:
        seed_generators(0)
        for name, buffer in model.named_buffers():
            buffer.copy_(kept[name])

    with keep_generators():
        yield again
        again()


def _difference(one: object, other: object) -> float:
    pairs = list(zip(as_tuple(one), as_tuple(other), strict=True))
    return max((_relative(a.detach().double(), b.detach().double()) for a, b in pairs), default=0.0)


def _relative(one: torch.Tensor, other: torch.Tensor) -> float:
    if one.shape != other.shape or not torch.equal(one.isfinite(), other.isfinite()):
        return float("inf")
    there = other.isfinite()
    if not bool(there.any()):
        return 0.0
    return float((one[there] - other[there]).abs().max() / other[there].abs().max().clamp_min(1e-12))

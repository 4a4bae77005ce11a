"""Plain fine-tuning: batches through the whole model, the best epoch on validation kept."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, field

import numpy as np
import torch

from tlzoo.engine.dataset import Dataset
from tlzoo.engine.freezing import train_mode
from tlzoo.engine.graph import eager
from tlzoo.engine.model import Model
from tlzoo.engine.optim import adamw, warmup_cosine
from tlzoo.engine.prefix import by_length
from tlzoo.errors import TrainingError
from tlzoo.parts import Freeze
from tlzoo.preprocess.ahead import ahead
from tlzoo.progress import Advance, progress, say

GRADIENT_CLIP = 1.0


@dataclass(frozen=True)
class Options:
    """How to fine-tune: `lr` is the backbone's peak rate; `max_steps` ends training early, the schedule included."""

    epochs: int = 5
    batch: int = 32
    lr: float = 1e-4
    weight_decay: float = 0.01
    seed: int = 0
    max_steps: int | None = None


@dataclass
class History:
    """One row per epoch: epoch, steps, loss, the validation metrics, seconds since the start."""

    rows: list[dict[str, float]] = field(default_factory=list)


def train(model: Model, frozen: Freeze, data: Dataset, validation: Dataset, options: Options) -> History:
    """Train `model` in place and leave it in eval mode with the weights of its best epoch (least validation log loss).

    Raises TrainingError at the first step whose loss is not finite, and where validation gives such outputs.
    """
    torch.manual_seed(options.seed)
    shuffle = np.random.default_rng(options.seed)
    # BatchNorm cannot train on one sample: one that would be left over alone waits for another epoch's order.
    taken = len(data) - (len(data) > 1 and len(data) % options.batch == 1)
    steps = options.epochs * -(-taken // options.batch)
    steps = min(steps, options.max_steps or steps)
    optimizer = adamw(model, options.lr, options.weight_decay)
    scheduler = warmup_cosine(optimizer, steps)
    history, began, best = History(), time.monotonic(), (float("inf"), _copy(model, frozen))
    with progress("Training", steps * options.batch) as advance:
        for epoch in range(options.epochs):
            train_mode(model, frozen)
            order = _shuffled(data, shuffle, options.batch)[: min(taken, steps * options.batch)]
            loss, done = _epoch(model, data, order, (optimizer, scheduler), options.batch, advance)
            steps -= done
            metrics = measure(model, validation)
            history.rows.append(
                {
                    "epoch": epoch + 1,
                    "steps": done,
                    "loss": loss,
                    **metrics,
                    "seconds": round(time.monotonic() - began, 2),
                }
            )
            say(f"Epoch {epoch + 1}/{options.epochs}: loss {loss:.4f}, validation accuracy {metrics['accuracy']:.4f}")
            if metrics["log_loss"] < best[0]:
                best = (metrics["log_loss"], _copy(model, frozen))
            if steps <= 0:
                break
    model.load_state_dict(best[1], strict=False)
    model.eval()
    return history


def _epoch(
    model: Model,
    data: Dataset,
    order: list[int],
    rate: tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler],
    batch: int,
    advance: Advance,
) -> tuple[float, int]:
    """Mean loss and number of steps."""
    assert data.targets is not None
    total, steps = 0.0, 0
    for positions, arrays in ahead(data.arrays, order, batch):
        loss = model.loss(
            model(*(torch.from_numpy(array) for array in arrays.values())), torch.from_numpy(data.targets[positions])
        )
        if not torch.isfinite(loss):
            raise TrainingError(f"The loss became {loss.item()} at step {steps + 1}.", hint="Try a smaller --lr.")
        rate[0].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], GRADIENT_CLIP)
        rate[0].step()
        rate[1].step()
        total, steps = total + loss.item(), steps + 1
        advance(len(positions))
    return total / steps, steps


def seconds_per_step(model: Model, frozen: Freeze, data: Dataset, options: Options) -> float:
    """How long one step takes here: the second of two, on a copy of the model."""
    trial = copy.deepcopy(model)
    optimizer = adamw(trial, options.lr, options.weight_decay)
    rate = (optimizer, warmup_cosine(optimizer, 2))
    train_mode(trial, frozen)
    order = list(range(min(options.batch, len(data))))
    began = [time.monotonic()]
    for _ in range(2):
        _epoch(trial, data, order, rate, options.batch, lambda done: None)
        began.append(time.monotonic())
    return began[2] - began[1]


def _shuffled(data: Dataset, random: np.random.Generator, batch: int) -> list[int]:
    """A random order; for texts the batches are random but each holds texts of like length."""
    order = random.permutation(len(data))
    if data.modality != "text":
        return [int(at) for at in order]
    pool = batch * 16
    chunks: list[list[int]] = []
    for start in range(0, len(order), pool):
        near = sorted(order[start : start + pool].tolist(), key=lambda i: len(data.inputs[i]))
        chunks += [near[at : at + batch] for at in range(0, len(near), batch)]
    return [i for at in random.permutation(len(chunks)) for i in chunks[at]]


def measure(model: Model, data: Dataset) -> dict[str, float]:
    """The task's metrics by eager torch."""
    assert data.targets is not None
    return model.task.metrics(logits(model, data), data.targets)


def logits(model: Model, data: Dataset, batch: int = 32) -> np.ndarray:
    """Logits float32 [N, C] by eager torch in eval mode; raises TrainingError where one is not finite."""
    rows = np.empty((len(data), model.task.outputs), dtype=np.float32)
    with progress("Evaluating (torch)", len(data)) as advance:
        for positions, arrays in ahead(data.arrays, by_length(data), batch):
            rows[positions] = eager(model, arrays)
            advance(len(positions))
    if strange := np.flatnonzero(~np.isfinite(rows).all(axis=1)).tolist():
        raise TrainingError(
            f"The model gives outputs that are not finite for {len(strange)} of {len(data)} samples.",
            hint="Train again with a smaller --lr.",
        )
    return rows


def _copy(model: Model, frozen: Freeze) -> dict[str, torch.Tensor]:
    """Copies of everything that training may change: trained parameters, and buffers outside frozen modules."""
    still = tuple(f"{name}." for name in frozen.eval_modules)
    fixed = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    return {
        name: tensor.detach().clone()
        for name, tensor in model.state_dict().items()
        if name not in fixed and not name.startswith(still or ("\0",))
    }

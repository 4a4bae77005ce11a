"""The steps of training: in which order samples come, and what one batch's loss is."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from tlzoo.augment import apply_mix, draw_mix
from tlzoo.features.extract import text_length
from tlzoo.interfaces import Freeze
from tlzoo.io.timings import Clock
from tlzoo.models.devices import autocast_dtype, grad_scaler
from tlzoo.models.freezing import set_trainable
from tlzoo.models.model import TaskModel
from tlzoo.models.seeds import seed_generators
from tlzoo.options import GradientDescent
from tlzoo.plugins.containment import watch, watch_task
from tlzoo.progress import say
from tlzoo.tasks.heads import SAMPLE_WEIGHTS
from tlzoo.training.loop_state import changing_tensors
from tlzoo.training.optim import build_adamw
from tlzoo.training.schedule import find_learning_rate
from tlzoo.training.step_model import BatchSource, DatasetSplits, StepModel, build_step_model, to_tensors


def count_steps(samples: int, options: GradientDescent) -> int:
    """Optimizer steps of a run over this many samples."""
    steps = options.epochs * -(-usable_samples(samples, options) // (options.batch * options.accumulate))
    return min(steps, options.max_steps or steps)


def usable_samples(samples: int, options: GradientDescent) -> int:
    """The samples used in an epoch: BatchNorm cannot train on one, so a last batch of one is dropped."""
    return samples - (samples > 1 and samples % options.batch == 1)


def shuffled_order(source: BatchSource, random: np.random.Generator, batch: int) -> list[int]:
    """A random order; for texts the batches are random but each holds texts of like length.

    A short batch comes last, so that all others are whole ones of the order.
    """
    order = random.permutation(len(source))
    if source.data.modality != "text":
        return [int(at) for at in order]
    pool = batch * 16
    chunks: list[list[int]] = []
    last: list[int] = []
    for start in range(0, len(order), pool):
        near = sorted(order[start : start + pool].tolist(), key=lambda i: text_length(source.data.inputs[i]))
        whole, rest = divmod(len(near), batch)
        short = int(random.integers(whole + 1)) * batch if rest else len(near)  # of any length, not always the longest
        chunks += [near[at : at + batch] for at in range(0, short, batch)]
        chunks += [near[at : at + batch] for at in range(short + rest, len(near), batch)]
        last = near[short : short + rest]
    return [i for at in random.permutation(len(chunks)) for i in chunks[at]] + last


def endless_batches(source: BatchSource, options: GradientDescent) -> Iterator[list[int]]:
    """Batches of positions without end, epoch after epoch."""
    epoch = 0
    while True:
        order = shuffled_order(source, np.random.default_rng([options.seed, epoch]), options.batch)
        some = order[: usable_samples(len(source), options)]
        yield from (some[at : at + options.batch] for at in range(0, len(some), options.batch))
        epoch += 1


def batch_loss(
    model: TaskModel,
    step_model: StepModel,
    positions: Sequence[int],
    arrays: dict[str, np.ndarray],
    options: GradientDescent,
    draw: Sequence[int],
) -> torch.Tensor:
    """The loss of one batch, in mixed precision where the options say so, its samples mixed where they do.

    Mixing is mixup (Zhang et al. 2018; behind the cut, manifold mixup: Verma et al. 2019) or CutMix (Yun et al. 2019).
    """
    given = to_tensors(arrays, step_model.device)
    with watch_task("Collating targets", model.task.plugin):
        collated = step_model.sources["train"].data.collated(positions)
    if (weights := step_model.sources["train"].data.weights) is not None:
        collated = {**collated, SAMPLE_WEIGHTS: np.array([weights[at] for at in positions], dtype=np.float32)}
    batch = {name: torch.from_numpy(array).to(step_model.device) for name, array in collated.items()}
    mix = None
    if (options.mixup or options.cutmix) and len(positions) > 1:
        generator = np.random.default_rng(list(draw))
        cuts = options.cutmix > 0 and (not options.mixup or generator.random() < 0.5)
        alpha = options.cutmix if cuts else options.mixup
        size = (given[0].shape[1], given[0].shape[2]) if cuts else None
        mix = draw_mix(generator, "cutmix" if cuts else "mixup", alpha, len(positions), size)
        given = apply_mix(given, mix)
    dtype = autocast_dtype(options.precision, step_model.device)
    with watch("The forward pass", *model.plugins):
        with torch.autocast(step_model.device.type, dtype=dtype, enabled=dtype is not None):
            made = step_model.train(*given)
        outputs = model.named(made)
        if mix is None:
            return model.loss(outputs, batch)
        order = torch.from_numpy(mix.permutation).to(step_model.device)
        other = {name: array[order] for name, array in batch.items()}
        return mix.lam * model.loss(outputs, batch) + (1 - mix.lam) * model.loss(outputs, other)


def lr_range_test(model: TaskModel, frozen: Freeze, step_model: StepModel, options: GradientDescent) -> float:
    """The learning rate that the range test finds; the model is left as it was."""
    changing = changing_tensors(model, frozen)
    before = {name: tensor.detach().clone() for name, tensor in changing.items()}
    optimizer = build_adamw(model, frozen.trainable, options, 1.0)
    batches, scaler = (
        endless_batches(step_model.sources["train"], options),
        grad_scaler(options.precision, step_model.device),
    )
    step_model.prepare(True)

    def step(rate: float) -> float:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * rate
        positions = next(batches)
        optimizer.zero_grad()
        arrays = step_model.sources["train"].arrays(positions, 0)
        loss = batch_loss(model, step_model, positions, arrays, options, [options.seed])
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        scaler.step(optimizer)
        scaler.update()
        return loss.item()

    seed_generators(options.seed)
    found = find_learning_rate(step)
    optimizer.zero_grad()
    with torch.no_grad():
        for name, tensor in before.items():
            changing[name].copy_(tensor)
    say(f"Learning rate found: {found:.2g}")
    return found


def seconds_per_step(model: TaskModel, frozen: Freeze, sets: DatasetSplits, options: GradientDescent) -> float:
    """How long one step takes here: the second of two, on a copy of the model."""
    trial = copy.deepcopy(model)
    set_trainable(trial, frozen)
    step_model = build_step_model(trial, frozen, sets, options, Clock())
    optimizer = build_adamw(trial, frozen.trainable, options, 0.0)
    step_model.prepare(True)
    positions = list(range(min(options.batch, len(sets.train))))
    began = [time.monotonic()]
    for _ in range(2):
        optimizer.zero_grad()
        arrays = step_model.sources["train"].arrays(positions, 0)
        batch_loss(trial, step_model, positions, arrays, options, [0]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        began.append(time.monotonic())
    return began[2] - began[1]

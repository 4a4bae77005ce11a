"""What a training step runs: the whole model on raw inputs, or the suffix on cached activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from tlzoo.augment import make_augment
from tlzoo.data.dataset import TaskDataset
from tlzoo.features.cut import Cut, find_cut, move_model
from tlzoo.features.cut_check import TOLERANCE, cut_difference
from tlzoo.features.extract import extract_batch, extract_cached, stored_batch
from tlzoo.features.prefix import cut_prefix
from tlzoo.features.store import Activations, ActivationsTooLarge
from tlzoo.features.unique import deduplicate
from tlzoo.interfaces import Freeze
from tlzoo.io.entry_points import REPORT_HINT
from tlzoo.io.timings import Clock
from tlzoo.models.devices import select_device
from tlzoo.models.freezing import train_mode
from tlzoo.models.model import TaskModel
from tlzoo.options import GradientDescent
from tlzoo.plugins.containment import watch
from tlzoo.preprocess.prefetch import Arrays
from tlzoo.progress import advise, say, working


@dataclass(frozen=True)
class DatasetSplits:
    """Training, validation and test data as the model takes them; whether the last was `held_out` here, or given."""

    train: TaskDataset
    validation: TaskDataset
    test: TaskDataset
    held_out: bool = True


@dataclass(frozen=True)
class BatchSource:
    """`arrays(positions, view)` returns the step model's inputs for these samples; `view` counts the epochs from 0."""

    data: TaskDataset
    arrays: Callable[[list[int], int], Arrays]

    def __len__(self) -> int:
        return len(self.data)


@dataclass(frozen=True)
class StepModel:
    """`train` and `evaluate` map a source's tensors to the task's outputs; `prepare(training)` comes before a series
    of either.

    `facts` describes the cached prefix for `run.json`; `exact_arrays` recomputes arrays of validation samples where the
    cached ones were rounded.
    """

    train: Callable[..., Any]
    evaluate: Callable[..., Any]
    prepare: Callable[[bool], None]
    sources: Mapping[str, BatchSource]
    device: torch.device
    facts: Mapping[str, Any] = field(default_factory=dict)
    exact_arrays: Callable[[Sequence[int]], Arrays] | None = None


def build_step_model(
    model: TaskModel, frozen: Freeze, sets: DatasetSplits, options: GradientDescent, clock: Clock
) -> StepModel:
    """The step model of a model whose frozen parameters need no gradient; the frozen prefix is computed here, once.

    It is the whole model where there is no prefix worth caching, the cache is off, or every epoch augments the inputs.
    """
    device = select_device(options.device)
    train_mode(model.cpu(), frozen)
    if not options.caching.enabled or not _inputs_are_fixed(options):
        return _full_step_model(model, frozen, sets, options, device)
    looking = working("Looking for the frozen part of the network")
    with clock.spent("prepare"), looking, watch("Tracing the network", *model.plugins):
        cut = _checked_cut(model, frozen, sets.train)
    if cut is None:
        if views := options.augmentation.views:
            advise(
                f"No frozen layers are computed once here, so `views={views}` saves no time: the same {views} views of "
                "each sample return. Leave it out for others in every epoch."
            )
        return _full_step_model(model, frozen, sets, options, device)
    try:
        return _suffix_step_model(model, cut, sets, options, device, clock)
    except ActivationsTooLarge as reason:
        advise(f"{reason.message} Training continues without the cache; `cache_gb` sets the limit.")
        return _full_step_model(model, frozen, sets, options, device)


def _checked_cut(model: TaskModel, frozen: Freeze, data: TaskDataset) -> Cut | None:
    """The model's cut; none where its halves do not compute what the model does, which is said."""
    if (cut := find_cut(model)) is None:
        return None
    apart = cut_difference(cut, model, data, lambda: train_mode(model, frozen))
    if apart <= TOLERANCE:
        return cut
    say(
        f"The frozen layers run in every epoch: computed apart from the rest, they change outputs or gradients by "
        f"{apart:.1e} of their size. {REPORT_HINT}"
    )
    return None


def to_tensors(arrays: Arrays, device: torch.device) -> tuple[torch.Tensor, ...]:
    """Arrays as tensors on the device: float16 widened, feature maps in channels-last order."""
    return tuple(_tensor(array).to(device, non_blocking=True) for array in arrays.values())


def _tensor(array: np.ndarray) -> torch.Tensor:
    tensor = torch.from_numpy(array)
    if tensor.dtype == torch.float16:
        tensor = tensor.float()
    if tensor.ndim == 4 and tensor.is_floating_point():
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    return tensor


def _inputs_are_fixed(options: GradientDescent) -> bool:
    """Whether a sample's inputs are the same in every epoch, or the same few views of it."""
    if options.cutmix:
        say("CutMix changes the input pictures, so the frozen layers run in every epoch.")
        return False
    if options.augmentation.policy != "none" and not options.augmentation.views:
        advise("Augmentation changes the inputs, so the frozen layers run in every epoch; `views=4` caches four views.")
        return False
    return True


def _full_step_model(
    model: TaskModel, frozen: Freeze, sets: DatasetSplits, options: GradientDescent, device: torch.device
) -> StepModel:
    model.to(device)
    change = make_augment(sets.train.modality, options.augmentation.policy, options.seed)
    views = options.augmentation.views

    def augmented(positions: list[int], view: int) -> Arrays:
        arrays = sets.train.arrays(positions)
        return arrays if change is None else change(arrays, positions, view % views if views else view)

    def prepare(training: bool) -> None:
        if training:
            train_mode(model, frozen)
        else:
            model.eval()

    sources = {
        "train": BatchSource(sets.train, augmented),
        "validation": BatchSource(sets.validation, lambda positions, view: sets.validation.arrays(positions)),
        "test": BatchSource(sets.test, lambda positions, view: sets.test.arrays(positions)),
    }
    return StepModel(model, model, prepare, sources, device, {"prefix": None})


def _suffix_step_model(
    model: TaskModel, cut: Cut, sets: DatasetSplits, options: GradientDescent, device: torch.device, clock: Clock
) -> StepModel:
    prefix = cut_prefix(model, cut, device)
    data = {"train": sets.train, "validation": sets.validation, "test": sets.test}
    plain = data if not options.augmentation.views else {name: data[name] for name in ("validation", "test")}
    unique = deduplicate(*plain.values())
    kept = extract_cached(prefix, unique, options.caching, clock)
    sources = {
        name: BatchSource(samples, _reader(kept, rows))
        for (name, samples), rows in zip(plain.items(), unique.rows, strict=True)
    }
    if options.augmentation.views:
        trained = deduplicate(sets.train)
        views = extract_cached(prefix, trained, options.caching, clock, options.augmentation)
        sources["train"] = BatchSource(sets.train, _reader(views, trained.rows[0], options.augmentation.views))
        kept = views
    move_model(model, (cut.train, cut.evaluate), device)
    facts = {
        "share": round(cut.share, 3),
        "values": {layout.name: list(layout.shape) for layout in cut.layouts},
        "precision": options.caching.precision,
        "bytes": kept.nbytes,
        "reused": kept.reused,
    }
    what = "read from the cache" if kept.reused else "computed once"
    say(f"Frozen layers: {cut.share:.0%} of the computation, {what} ({kept.nbytes / 1e6:.0f} MB)")
    rounded = options.caching.precision != "fp32"
    exact = (lambda positions: extract_batch(prefix, sets.validation, positions)) if rounded else None
    return StepModel(cut.train, cut.evaluate, lambda training: None, sources, device, {"prefix": facts}, exact)


def _reader(kept: Activations, rows: np.ndarray, views: int = 1) -> Callable[[list[int], int], Arrays]:
    def read(positions: Sequence[int], view: int) -> Arrays:
        return stored_batch(kept, (rows[list(positions)] * views + view % views).tolist())

    return read

"""What a step of training runs, and what it runs on: the whole model on raw inputs, or what is behind the cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from tlzoo.augment import make_augment
from tlzoo.data.dataset import Dataset
from tlzoo.features.cut import Cut, find_cut, move
from tlzoo.features.extract import exactly, values
from tlzoo.features.prefix import cut_prefix
from tlzoo.features.store import Activations, TooLarge
from tlzoo.features.unique import make_corpus
from tlzoo.interfaces import Freeze
from tlzoo.io.timings import Clock
from tlzoo.models.devices import pick
from tlzoo.models.freezing import train_mode
from tlzoo.models.model import Model
from tlzoo.options import GradientDescent
from tlzoo.progress import say

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Sets:
    """The parts of the data as the model takes them."""

    train: Dataset
    validation: Dataset
    test: Dataset


@dataclass(frozen=True)
class Feed:
    """`arrays(positions, view)` gives the network's inputs for these samples; `view` counts the epochs from 0."""

    data: Dataset
    arrays: Callable[[list[int], int], Arrays]

    def __len__(self) -> int:
        return len(self.data)


@dataclass(frozen=True)
class Network:
    """`train` and `evaluate` map the tensors of a feed to the task's outputs; `prepare(training)` comes before a series
    of either.

    `facts` says for `run.json` what was computed once; `exact` computes arrays of validation samples anew where those
    that the feed reads were rounded.
    """

    train: Callable[..., Any]
    evaluate: Callable[..., Any]
    prepare: Callable[[bool], None]
    feeds: Mapping[str, Feed]
    device: torch.device
    facts: Mapping[str, Any] = field(default_factory=dict)
    exact: Callable[[Sequence[int]], Arrays] | None = None


def connect(model: Model, frozen: Freeze, sets: Sets, options: GradientDescent, clock: Clock) -> Network:
    """The network for a model whose frozen parameters need no gradient; what is frozen in front is computed here, once.

    Without a part worth caching, with the cache off, and where every epoch augments the inputs anew, it is the
    whole model.
    """
    device = pick(options.device)
    train_mode(model.cpu(), frozen)
    if not options.cache.enabled or not _still_inputs(options):
        return _whole(model, frozen, sets, options, device)
    with clock.spent("prepare"):
        cut = find_cut(model)
    if cut is None:
        return _whole(model, frozen, sets, options, device)
    try:
        return _behind(model, cut, sets, options, device, clock)
    except TooLarge as reason:
        say(f"{reason.message} Training goes on without the cache; --cache-gb allows more.")
        return _whole(model, frozen, sets, options, device)


def tensors(arrays: Arrays, device: torch.device) -> tuple[torch.Tensor, ...]:
    """Arrays as the network takes them: halves widened, feature maps in channels-last order, on the device."""
    return tuple(_tensor(array).to(device, non_blocking=True) for array in arrays.values())


def _tensor(array: np.ndarray) -> torch.Tensor:
    tensor = torch.from_numpy(array)
    if tensor.dtype == torch.float16:
        tensor = tensor.float()
    if tensor.ndim == 4 and tensor.is_floating_point():
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    return tensor


def _still_inputs(options: GradientDescent) -> bool:
    """Whether a sample's inputs are the same in every epoch, or the same few views of it."""
    if options.cutmix:
        say("CutMix works on pictures, so the frozen part runs in every epoch.")
        return False
    if options.augment.policy != "none" and not options.augment.views:
        say("Augmentation draws anew in every epoch, so the frozen part runs in each; --views 4 would cache four.")
        return False
    return True


def _whole(model: Model, frozen: Freeze, sets: Sets, options: GradientDescent, device: torch.device) -> Network:
    model.to(device)
    change = make_augment(sets.train.modality, options.augment.policy, options.seed)
    views = options.augment.views

    def augmented(positions: list[int], view: int) -> Arrays:
        arrays = sets.train.arrays(positions)
        return arrays if change is None else change(arrays, positions, view % views if views else view)

    def prepare(training: bool) -> None:
        if training:
            train_mode(model, frozen)
        else:
            model.eval()

    feeds = {
        "train": Feed(sets.train, augmented),
        "validation": Feed(sets.validation, lambda positions, view: sets.validation.arrays(positions)),
        "test": Feed(sets.test, lambda positions, view: sets.test.arrays(positions)),
    }
    return Network(model, model, prepare, feeds, device, {"prefix": None})


def _behind(
    model: Model, cut: Cut, sets: Sets, options: GradientDescent, device: torch.device, clock: Clock
) -> Network:
    prefix = cut_prefix(model, cut, device)
    data = {"train": sets.train, "validation": sets.validation, "test": sets.test}
    plain = data if not options.augment.views else {name: data[name] for name in ("validation", "test")}
    corpus = make_corpus(*plain.values())
    kept = values(prefix, corpus, options.cache, clock)
    feeds = {
        name: Feed(samples, _reader(kept, rows))
        for (name, samples), rows in zip(plain.items(), corpus.rows, strict=True)
    }
    if options.augment.views:
        trained = make_corpus(sets.train)
        views = values(prefix, trained, options.cache, clock, options.augment)
        feeds["train"] = Feed(sets.train, _reader(views, trained.rows[0], options.augment.views))
        kept = views
    model.to(device)
    for module in (cut.train, cut.evaluate):
        move(module, device)
    facts = {
        "share": round(cut.share, 3),
        "values": {layout.name: list(layout.shape) for layout in cut.layouts},
        "precision": options.cache.precision,
        "bytes": kept.nbytes,
        "reused": kept.reused,
    }
    what = "taken from the cache" if kept.reused else "computed once"
    say(f"Frozen part: {cut.share:.0%} of the work, {what} ({kept.nbytes / 1e6:.0f} MB)")
    rounded = options.cache.precision != "fp32"
    exact = (lambda positions: exactly(prefix, sets.validation, positions)) if rounded else None
    return Network(cut.train, cut.evaluate, lambda training: None, feeds, device, {"prefix": facts}, exact)


def _reader(kept: Activations, rows: np.ndarray, views: int = 1) -> Callable[[list[int], int], Arrays]:
    def read(positions: Sequence[int], view: int) -> Arrays:
        return kept.batch((rows[list(positions)] * views + view % views).tolist())

    return read

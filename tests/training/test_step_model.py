"""Training behind the cut is training: the same weights as the whole model's, and as those of a plain torch loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tlzoo.features import cut
from tlzoo.interfaces import Freeze
from tlzoo.io.timings import Clock
from tlzoo.models.freezing import freeze
from tlzoo.models.model import TaskModel
from tlzoo.options import Finetune
from tlzoo.training import step_model
from tlzoo.training.loop import train
from tlzoo.training.optim import build_adamw
from tlzoo.training.step_model import BatchSource, DatasetSplits, build_step_model
from tlzoo.training.steps import shuffled_order

Prepared = Callable[..., tuple[TaskModel, DatasetSplits]]
Weights = dict[str, torch.Tensor]

RESNET, VIT, BERT, WAV2VEC2 = "vision/test-resnet", "vision/test-vit", "nlp/test-bert", "speech/test-wav2vec2"


def weights(model: TaskModel) -> Weights:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def by_plain_torch(model: TaskModel, frozen: Freeze, sets: DatasetSplits, options: Finetune) -> list[Weights]:
    """The weights after each epoch of the loop that anybody would write, which knows of no cut."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name in frozen.trainable
    optimizer = build_adamw(model, frozen.trainable, options, float(options.lr))
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    each = math.ceil(len(sets.train) / options.batch)
    warm, steps, step = max(1, round(options.warmup * each * options.epochs)), each * options.epochs, 0
    found = []
    for epoch in range(options.epochs):
        model.train()
        for name in frozen.eval_modules:
            model.get_submodule(name).eval()
        for name in frozen.eval_containers:
            model.get_submodule(name).training = False
        feed = BatchSource(sets.train, lambda positions, view: {})
        order = shuffled_order(feed, np.random.default_rng([options.seed, epoch]), options.batch)
        for at in range(0, len(order), options.batch):
            positions = order[at : at + options.batch]
            seed = np.random.SeedSequence([options.seed, step]).generate_state(1, np.uint64)[0] >> 1
            torch.manual_seed(int(seed))
            share = (step + 1) / warm if step < warm else 0.5 + 0.5 * math.cos(math.pi * (step - warm) / (steps - warm))
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * share
            inputs = [torch.from_numpy(array) for array in sets.train.arrays(positions).values()]
            batch = {name: torch.from_numpy(array) for name, array in sets.train.collated(positions).items()}
            loss = model.loss({"logits": model(*inputs)}, batch)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trainable, options.clip)
            optimizer.step()
            step += 1
        found.append(weights(model))
    return found


def difference(one: Weights, other: Weights) -> float:
    assert one.keys() == other.keys()
    return max(float((tensor.double() - other[name].double()).abs().max()) for name, tensor in one.items())


def policy_of(model: TaskModel, kind: str) -> str:
    return f"until:{model.parts.stages[0].name}" if kind == "until" else kind


REST = [
    pytest.param(kind, checkpoint, marks=pytest.mark.release)
    for kind, checkpoint in (
        ("until", VIT),
        ("until", BERT),
        ("until", WAV2VEC2),
        ("last:1", RESNET),
        ("last:1", BERT),
        ("last:1", WAV2VEC2),
    )
]


def without_kinks(model: TaskModel) -> None:
    """SiLU in the place of ReLU: where one's input is zero but for rounding, rounding decides on its gradient."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.SiLU())


@pytest.mark.parametrize(("kind", "checkpoint"), [("until", RESNET), ("last:1", VIT), *REST])
def test_weights_equal_those_of_the_whole_model_and_of_a_plain_loop(
    zoo: Any, prepared: Prepared, monkeypatch: pytest.MonkeyPatch, checkpoint: str, kind: str
):
    monkeypatch.setattr(cut, "MIN_SHARE", 0.0)  # so small a model's first stage is below it
    model, sets = prepared(checkpoint)
    without_kinks(model)
    frozen = freeze(model, policy_of(model, kind))
    options = Finetune(epochs=3, batch=8, lr=1e-3)
    before, plain, whole = weights(model), copy.deepcopy(model), copy.deepcopy(model)
    cached = train(model, [frozen] * 3, sets, options)
    uncached = train(whole, [frozen] * 3, sets, replace(options, cache=False))
    assert cached.facts["prefix"] is not None
    assert uncached.facts["prefix"] is None
    best = cached.facts["best_epoch"]
    assert best == uncached.facts["best_epoch"]
    found = weights(model)
    expected = by_plain_torch(plain, frozen, sets, options)[best - 1]
    assert difference(found, weights(whole)) < 1e-5
    assert difference(found, expected) < 1e-5
    assert difference(found, before) > 1e-3
    still = {name for name in before if name.rpartition(".")[0] in frozen.eval_modules}
    assert still
    assert all(torch.equal(before[name], found[name]) for name in still)


@pytest.mark.parametrize("policy", ["none", pytest.param("norm", marks=pytest.mark.release)])
def test_where_nothing_in_front_is_frozen_training_is_a_plain_loop_too(zoo: Any, prepared: Prepared, policy: str):
    model, sets = prepared(RESNET)
    frozen = freeze(model, policy)
    options = Finetune(epochs=2, batch=8, lr=1e-3)
    plain = copy.deepcopy(model)
    trained = train(model, [frozen] * 2, sets, options)
    assert trained.facts["prefix"] is None
    expected = by_plain_torch(plain, frozen, sets, options)[trained.facts["best_epoch"] - 1]
    assert difference(weights(model), expected) < 1e-5


def test_statistics_of_frozen_layers_stay_and_those_of_live_ones_move_behind_the_cut(zoo: Any, prepared: Prepared):
    model, sets = prepared(RESNET)
    frozen = freeze(model, "last:1")
    before = weights(model)
    trained = train(model, [frozen], sets, Finetune(epochs=1, batch=8))
    assert trained.facts["prefix"] is not None
    found = weights(model)
    counts = {name: int(found[name] - before[name]) for name in found if name.endswith("num_batches_tracked")}
    assert {0, 3} == set(counts.values())
    for name, steps in counts.items():
        mean = name.replace("num_batches_tracked", "running_mean")
        assert ("layer4" in name, steps == 0) == (steps == 3, torch.equal(before[mean], found[mean]))


class Slightly(nn.Module):
    """A half of a cut that answers a little too much."""

    def __init__(self, half: nn.Module) -> None:
        super().__init__()
        self.inner = half

    def forward(self, *values: torch.Tensor) -> torch.Tensor:
        return self.inner(*values) * 1.001


@pytest.mark.parametrize("half", ["evaluate", "train"])
def test_halves_that_are_not_the_model_are_not_used_and_it_is_said(
    zoo: Any, prepared: Prepared, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], half: str
):
    model, sets = prepared(RESNET)
    frozen = freeze(model, "last:1")
    statistics = {name: buffer.clone() for name, buffer in model.named_buffers()}

    def wrong(model: TaskModel) -> cut.Cut:
        found = cut.find_cut(model)
        assert found is not None
        return replace(found, **{half: Slightly(getattr(found, half))})

    monkeypatch.setattr(step_model, "find_cut", wrong)
    made = build_step_model(model, frozen, sets, Finetune(epochs=1, batch=8), Clock())
    assert made.facts == {"prefix": None}
    assert made.train is model
    assert all(torch.equal(statistics[name], buffer) for name, buffer in model.named_buffers())
    said = capsys.readouterr().err
    assert (
        "The frozen layers run in every epoch: computed apart from the rest, they change outputs or gradients by "
        in said
    )


@dataclass(frozen=True)
class Texts:
    """Data of texts, as far as their order asks."""

    inputs: list[str]
    modality: str = "text"

    def __len__(self) -> int:
        return len(self.inputs)


@pytest.mark.parametrize("count", [16, 17, 33, 47, 64, 65, 96, 513, 545])
def test_batches_of_texts_are_of_one_length_group_for_any_number_of_texts(count: int):
    lengths = np.random.default_rng(5).integers(1, 200, count)
    texts = Texts(["x" * length for length in lengths])
    source = BatchSource(texts, lambda positions, view: {})  # type: ignore[arg-type]
    order = shuffled_order(source, np.random.default_rng(count), 8)
    assert sorted(order) == list(range(count))
    batches = [lengths[order[at : at + 8]] for at in range(0, count, 8)]
    padded = sum(len(batch) * batch.max() for batch in batches)
    near = np.sort(lengths)
    least = sum(len(near[at : at + 8]) * near[at : at + 8].max() for at in range(0, count, 8))
    assert padded <= 1.12 * least + 8 * 200 * (count < 64)
    assert len({len(batch) for batch in batches[:-1]}) <= 1

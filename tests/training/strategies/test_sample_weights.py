"""Weights of samples: 2 is the sample twice, in the fit of a probe and in each head's loss; 0 is without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import DataError, UsageError
from tlzoo.features.chunks import mean_and_scale
from tlzoo.features.extract import Features
from tlzoo.interfaces import Head
from tlzoo.models.heads import default_head, probe_objective
from tlzoo.tasks import make_task
from tlzoo.training.strategies.probe_fit import apply_probe, fit_probe, labelled_features
from tlzoo.training.strategies.ridge import Labelled
from tlzoo.training.weighting import check_head_weights, check_strategy_weights

SINGLE = make_task("text-classification", ["a", "b", "c"])
SEVERAL = make_task("text-multilabel", ["a", "b", "c"])
NUMBER = make_task("text-regression", ["score"])
TOKENS = make_task("text-tokens", ["O", "B-P", "I-P"])


def drawn(task: Any, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    features = (random.normal(size=(count, 4)) * [1, 5, 0.1, 2] + [0, 3, 1, -9]).astype(np.float32)
    scores = features @ np.random.default_rng(7).normal(size=(4, 3)) + random.normal(size=(count, 3))
    if task is SINGLE:
        return features, scores.argmax(axis=1)
    return features, (scores > 0).astype(np.float32) if task is SEVERAL else scores[:, 0].astype(np.float32)


@pytest.mark.parametrize("options", [{}, {"class_weights": [1.0, 2.0, 5.0]}])
@pytest.mark.parametrize("task", [SINGLE, SEVERAL, NUMBER])
def test_a_whole_weight_is_as_many_copies(task: Any, options: dict[str, Any]):
    if task is NUMBER and options:
        pytest.skip("numbers have no classes")
    train, validation = drawn(task, 60, 0), drawn(task, 30, 1)
    random = np.random.default_rng(2)
    times = [random.integers(0, 4, len(part[1])) for part in (train, validation)]
    weighted = [Labelled(*part, weights=3.0 * each) for part, each in zip((train, validation), times, strict=True)]
    copied = [
        Labelled(np.repeat(part[0], each, axis=0), np.repeat(part[1], each, axis=0))
        for part, each in zip((train, validation), times, strict=True)
    ]
    objective = probe_objective(task, options)
    one, other = (fit_probe(*parts, objective, l2=0.1) for parts in (weighted, copied))
    unlike = fit_probe(Labelled(*train), Labelled(*validation), objective, l2=0.1)
    rows = Features(train[0])
    found, same, plain = (apply_probe(probe, rows, "logits")["logits"] for probe in (one, other, unlike))
    np.testing.assert_allclose(found, same, rtol=5e-3, atol=1e-2)
    assert np.abs(np.asarray(found) - np.asarray(plain)).max() > 0.1


def test_moments_count_rows_by_their_weight():
    rows, times = drawn(NUMBER, 50, 0)[0], np.random.default_rng(0).integers(0, 3, 50)
    found = mean_and_scale(rows[:20], rows[20:], weights=times.astype(float))
    for one, other in zip(found, mean_and_scale(np.repeat(rows, times, axis=0)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_a_probe_on_samples_that_weigh_nothing_is_refused():
    train = Labelled(*drawn(SINGLE, 10, 0), weights=np.zeros(10))
    with pytest.raises(DataError, match="have weight 0"):
        fit_probe(train, drawn(SINGLE, 10, 1), probe_objective(SINGLE, {}))


def test_parts_of_a_sample_weigh_as_it_does():
    preprocessor: Any = None
    data = TaskDataset(["x", "y"], ["a", "b"], preprocessor, SINGLE, weights=[2.0, 0.5])
    found = labelled_features(Features(np.ones((2, 3), np.float32)), data, probe_objective(SINGLE, {}))
    assert found.weights is not None
    assert found.weights.tolist() == [2.0, 0.5]
    assert data.subset([1]).weights == [0.5]


def backbone(task: Any) -> Any:
    class Parts:
        feature_dim, output = 4, task.needs

    return Parts()


def head_loss(task: Any, batch: dict[str, torch.Tensor], logits: torch.Tensor, **options: Any) -> float:
    torch.manual_seed(0)
    return float(default_head(backbone(task), task, options).loss({"logits": logits}, batch))


@pytest.mark.parametrize(
    ("task", "name", "targets", "shape", "options"),
    [
        (SINGLE, "labels", [0, 2, 1], (3,), {"label_smoothing": 0.1}),
        (SINGLE, "labels", [0, 2, 1], (3,), {"class_weights": [1.0, 2.0, 5.0]}),
        (SEVERAL, "labels", [[1.0, 0, 1], [0, 0, 1], [1, 1, 0]], (3,), {"class_weights": [1.0, 2.0, 5.0]}),
        (NUMBER, "values", [1.0, -2.0, 0.5], (1,), {"std": 2.0}),
        (TOKENS, "labels", [[0, 1], [2, -100], [0, 0]], (2, 3), {}),
    ],
)
def test_each_head_weighs_its_samples(
    task: Any, name: str, targets: Any, shape: tuple[int, ...], options: dict[str, Any]
):
    logits = torch.randn((3, *shape), generator=torch.Generator().manual_seed(0))
    given = torch.tensor(targets)
    plain = head_loss(task, {name: given}, logits, **options)
    ones = head_loss(task, {name: given, "sample_weights": torch.ones(3)}, logits, **options)
    assert ones == pytest.approx(plain, rel=1e-6)
    parts = [head_loss(task, {name: given, "sample_weights": torch.eye(3)[at]}, logits, **options) for at in range(3)]
    assert sum(parts) == pytest.approx(plain, rel=1e-5)
    mixed = head_loss(task, {name: given, "sample_weights": torch.tensor([2.0, 0.0, 1.0])}, logits, **options)
    assert mixed == pytest.approx(2 * parts[0] + parts[2], rel=1e-5)


class Model:
    head_name, takes_weights = "duo/two", False


def test_weights_that_a_head_or_a_strategy_does_not_take_are_refused():
    from tlzoo.data import Samples

    model: Any = Model()
    samples = Samples(("x", "y"), ("a", "b"), "text", weights=(1.0, 2.0))
    check_strategy_weights("finetune", model, replace(samples, weights=()))
    check_strategy_weights("probe", model, samples)
    with pytest.raises(UsageError, match="the head duo/two takes no weights of samples"):
        check_strategy_weights("finetune", model, samples)
    with pytest.raises(UsageError, match="the head duo/two takes no weights"):
        check_head_weights(model)
    with pytest.raises(UsageError, match="the strategy duo/slow takes no weights"):
        check_strategy_weights("duo/slow", model, samples)
    assert Head(torch.nn.Identity(), lambda outputs, batch: torch.zeros(())).takes_weights is False

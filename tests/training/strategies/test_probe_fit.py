"""The linear head on fixed features, against scikit-learn's optimum and on features that are no help."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from tlzoo.features.chunks import mean_and_scale
from tlzoo.models.heads import probe_objective
from tlzoo.tasks import make_task
from tlzoo.training.strategies.probe_fit import STRENGTHS, FittedProbe, fit_probe

CLASSES, DIM = 3, 5
THREE = probe_objective(make_task("image-classification", ["a", "b", "c"]), {})
TWO = probe_objective(make_task("image-classification", ["a", "b"]), {})
Labelled = tuple[np.ndarray, np.ndarray]


def clouds(count: int, seed: int, spread: float = 1.0) -> Labelled:
    """Three overlapping Gaussian clouds whose features differ in scale by a factor of a thousand and lie off zero."""
    centres = np.random.default_rng(7).normal(size=(CLASSES, DIM))
    random = np.random.default_rng(seed)
    targets = np.arange(count) % CLASSES
    features = centres[targets] + spread * random.normal(size=(count, DIM))
    return (features * [0.01, 0.1, 1, 5, 10] + [0, 3, -2, 40, 1]).astype(np.float32), targets.astype(np.int64)


def logits(probe: FittedProbe, features: np.ndarray) -> np.ndarray:
    return features.astype(np.float64) @ probe.weight.double().numpy().T + probe.bias.double().numpy()


def centred(rows: np.ndarray) -> np.ndarray:
    return rows - rows.mean(axis=1, keepdims=True)


def together(first: Labelled, second: Labelled) -> Labelled:
    return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])


def test_the_head_is_the_optimum_that_scikit_learn_finds_for_the_same_objective():
    train, validation = clouds(240, 0), clouds(60, 1)
    probe = fit_probe(train, validation, THREE)
    features, targets = together(train, validation)
    mean, scale = mean_and_scale(features)
    reference = LogisticRegression(C=1 / (probe.l2 * len(features)), tol=1e-10, max_iter=10_000)
    reference.fit((features - mean) / scale, targets)
    expected = reference.decision_function((features - mean) / scale)
    np.testing.assert_allclose(centred(logits(probe, features)), centred(expected), atol=2e-3)


def test_standardisation_is_folded_back_so_that_raw_features_meet_the_optimum():
    train, validation = clouds(240, 0), clouds(60, 1)
    probe = fit_probe(train, validation, THREE)
    features, targets = together(train, validation)
    mean, scale = mean_and_scale(features)
    weight = (probe.weight.double() * torch.from_numpy(scale)).requires_grad_(True)
    bias = (probe.bias.double() + probe.weight.double() @ torch.from_numpy(mean)).requires_grad_(True)
    outputs = torch.from_numpy((features - mean) / scale) @ weight.T + bias
    loss = torch.nn.functional.cross_entropy(outputs, torch.from_numpy(targets))
    (loss + 0.5 * probe.l2 * weight.square().sum()).backward()
    assert weight.grad is not None
    assert bias.grad is not None
    assert max(float(weight.grad.abs().max()), float(bias.grad.abs().max())) < 1e-4
    np.testing.assert_allclose(outputs.detach().numpy(), logits(probe, features), atol=1e-4)


def test_the_predictions_do_not_depend_on_the_units_of_the_features():
    train, validation = clouds(120, 0), clouds(30, 1)
    units = np.array([1e3, 1e-3, 7, 0.1, 40], dtype=np.float32)
    probe = fit_probe(train, validation, THREE)
    other = fit_probe((train[0] * units, train[1]), (validation[0] * units, validation[1]), THREE)
    assert probe.l2 == other.l2
    np.testing.assert_allclose(logits(probe, train[0]), logits(other, train[0] * units), atol=5e-3)


def test_the_strength_of_least_validation_loss_is_chosen():
    probe = fit_probe(clouds(120, 0), clouds(30, 1), THREE)
    assert tuple(probe.validation) == STRENGTHS[: len(probe.validation)]
    assert probe.l2 == min(probe.validation, key=lambda strength: probe.validation[strength])


def test_weaker_strengths_are_not_tried_once_validation_got_worse_twice():
    random = np.random.default_rng(0)
    noise = [(random.normal(size=(60, 20)).astype(np.float32), random.integers(0, CLASSES, 60)) for _ in range(2)]
    probe = fit_probe(noise[0], noise[1], THREE)
    assert len(probe.validation) == STRENGTHS.index(probe.l2) + 3


def test_labels_that_follow_from_nothing_get_the_strongest_regularisation_and_clear_ones_a_weak():
    random = np.random.default_rng(0)
    noise = [(random.normal(size=(n, 20)).astype(np.float32), random.integers(0, CLASSES, n)) for n in (60, 60)]
    assert fit_probe(noise[0], noise[1], THREE).l2 >= 1
    assert fit_probe(clouds(120, 0, 0.05), clouds(30, 1, 0.05), THREE).l2 <= 1e-3


def test_constant_features_change_nothing():
    train, validation = clouds(120, 0), clouds(30, 1)
    probe = fit_probe(train, validation, THREE)
    wider = [
        (np.concatenate([features, np.full((len(features), 2), (0.0, 1234.5), np.float32)], axis=1), targets)
        for features, targets in (train, validation)
    ]
    other = fit_probe(wider[0], wider[1], THREE)
    np.testing.assert_allclose(logits(probe, train[0]), logits(other, wider[0][0]), atol=1e-3)


@pytest.mark.parametrize("value", [0.0, 0.1, 1234.567])
def test_where_no_feature_varies_the_head_gives_the_shares_of_the_classes(value: float):
    targets = np.array([0, 0, 0, 1] * 10)
    features = np.full((40, DIM), value, np.float32)
    rows = logits(fit_probe((features, targets), (features, targets), TWO), features[:1])
    shares = np.exp(rows - rows.max()) / np.exp(rows - rows.max()).sum()
    np.testing.assert_allclose(shares, [[0.75, 0.25]], atol=1e-3)


def test_a_feature_that_varies_by_rounding_alone_is_constant():
    values = np.float32(1000) + np.spacing(np.float32(1000)) * (np.arange(40) % 2).astype(np.float32)
    assert mean_and_scale(values[:, None].astype(np.float32))[1].tolist() == [1.0]


@pytest.mark.parametrize("l2", [3.0, 2e-3])
def test_a_strength_that_is_given_is_the_one_that_is_fitted(l2: float):
    train, validation = clouds(240, 0), clouds(60, 1)
    probe = fit_probe(train, validation, THREE, l2)
    assert (probe.l2, list(probe.validation)) == (l2, [l2])
    features, targets = together(train, validation)
    mean, scale = mean_and_scale(features)
    reference = LogisticRegression(C=1 / (l2 * len(features)), tol=1e-10, max_iter=10_000)
    expected = reference.fit((features - mean) / scale, targets).decision_function((features - mean) / scale)
    np.testing.assert_allclose(centred(logits(probe, features)), centred(expected), atol=2e-3)

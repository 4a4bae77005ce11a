"""Probes for several labels, numbers and weighted classes, against scikit-learn; features larger than memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from tlzoo.errors import DataError, UsageError
from tlzoo.features import chunks
from tlzoo.models.heads import probe_objective
from tlzoo.tasks import Task, make_task
from tlzoo.training.strategies.probe_fit import FittedProbe, Labelled, fit_probe
from tlzoo.training.strategies.ridge import RIDGE_STRENGTHS

DIM = 6
THREE = make_task("text-classification", ["a", "b", "c"])
TAGS = make_task("text-multilabel", ["a", "b", "c"])
NUMBER = make_task("text-regression", ["score"])
UNITS = np.array([0.01, 0.1, 1, 5, 10, 2])


def fit(train: Labelled, validation: Labelled, task: Task, **options: Any) -> FittedProbe:
    """The probe that a head of these options asks for."""
    return fit_probe(train, validation, probe_objective(task, options))


def features(count: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.normal(size=(count, DIM)) * UNITS + [0, 3, -2, 40, 1, 100]).astype(np.float32)


def signal(given: np.ndarray, seed: int, outputs: int = 3) -> np.ndarray:
    """Noisy linear functions of the features, [N, outputs]."""
    weight = np.random.default_rng(7).normal(size=(DIM, outputs))
    clean = ((given - [0, 3, -2, 40, 1, 100]) / UNITS) @ weight
    result: np.ndarray = clean + np.random.default_rng(seed).normal(size=clean.shape)
    return result


def tagged(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    given = features(count, seed)
    return given, (signal(given, seed) > 0.5).astype(np.float32)


def classed(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    given = features(count, seed)
    return given, signal(given, seed).argmax(axis=1)


def numbered(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    given = features(count, seed)
    return given, (1000 + 50 * signal(given, seed, 1)[:, 0]).astype(np.float32)


def outputs(probe: FittedProbe, given: np.ndarray) -> np.ndarray:
    return given.astype(np.float64) @ probe.weight.double().numpy().T + probe.bias.double().numpy()


def cells(there: np.ndarray) -> list[str]:
    """Rows of 0 and 1 as the cells of several labels."""
    return [";".join(label for label, one in zip(TAGS.labels, row, strict=True) if one) for row in there]


def standardised(*pieces: np.ndarray) -> np.ndarray:
    mean, scale = chunks.mean_and_scale(*pieces)
    result: np.ndarray = (np.concatenate(pieces) - mean) / scale
    return result


def test_several_labels_are_a_logistic_regression_each():
    train, validation = tagged(240, 0), tagged(60, 1)
    probe = fit(train, validation, TAGS)
    known, targets = standardised(train[0], validation[0]), np.concatenate([train[1], validation[1]])
    found = outputs(probe, np.concatenate([train[0], validation[0]]))
    for label in range(3):
        # the loss is a mean over labels too: three times the strength for each of three
        reference = LogisticRegression(C=1 / (3 * probe.l2 * len(known)), tol=1e-10, max_iter=10_000)
        reference.fit(known, targets[:, label])
        np.testing.assert_allclose(found[:, label], reference.decision_function(known), atol=5e-3)


def test_validation_of_several_labels_is_their_log_loss():
    train, validation = tagged(240, 0), tagged(60, 1)
    probe = fit(train, validation, TAGS)
    log_loss = TAGS.metrics({"logits": outputs(probe, validation[0])}, cells(validation[1]))["log_loss"]
    assert probe.l2 == min(probe.validation, key=lambda strength: probe.validation[strength])
    assert probe.validation[probe.l2] == pytest.approx(log_loss, abs=0.05)


def test_numbers_are_a_ridge_regression_of_the_strength_that_validation_likes_best():
    train, validation = numbered(240, 0), numbered(60, 1)
    probe = fit(train, validation, NUMBER)
    known, targets = standardised(train[0], validation[0]), np.concatenate([train[1], validation[1]])
    reference = Ridge(alpha=probe.l2 * len(known)).fit(known, targets)
    found = outputs(probe, np.concatenate([train[0], validation[0]]))[:, 0]
    np.testing.assert_allclose(found, reference.predict(known), rtol=1e-4)
    mean, scale = chunks.mean_and_scale(train[0])
    expected = {}
    for strength in RIDGE_STRENGTHS:
        fitted = Ridge(alpha=strength * len(train[0])).fit((train[0] - mean) / scale, train[1])
        errors = fitted.predict((validation[0] - mean) / scale) - validation[1]
        expected[strength] = float(np.sqrt((errors**2).mean()))
    assert probe.validation == pytest.approx(expected, rel=1e-4)
    assert probe.l2 == min(expected, key=lambda strength: expected[strength])


def test_numbers_that_follow_from_nothing_are_answered_by_their_mean():
    random = np.random.default_rng(0)
    train, validation = (
        (random.normal(size=(60, 40)).astype(np.float32), random.normal(9, 1, 60).astype(np.float32)) for _ in range(2)
    )
    probe = fit(train, validation, NUMBER)
    assert np.abs(outputs(probe, train[0]) - 9).max() < 1


def test_more_features_than_samples_are_no_obstacle():
    random = np.random.default_rng(0)
    given = random.normal(size=(12, 80)).astype(np.float32)
    targets = np.arange(12, dtype=np.float32)
    probe = fit((given[:8], targets[:8]), (given[8:], targets[8:]), NUMBER)
    assert np.isfinite(outputs(probe, given)).all()


def test_numbers_that_do_not_vary_are_refused_before_and_would_be_answered_by_themselves():
    given = features(10, 0)
    constant = np.full(10, 3, dtype=np.float32)
    with pytest.raises(DataError, match="are 3"):
        NUMBER.head_options(["3"] * 10)
    assert outputs(fit((given, constant), (given, constant), NUMBER), given) == pytest.approx(3)


def test_weighted_classes_are_those_of_scikit_learn():
    train, validation, weights = classed(240, 0), classed(60, 1), [1.0, 4.0, 0.5]
    probe = fit(train, validation, THREE, class_weights=weights)
    known, targets = standardised(train[0], validation[0]), np.concatenate([train[1], validation[1]])
    total = np.array(weights)[targets].sum()
    reference = LogisticRegression(
        C=1 / (probe.l2 * total), class_weight=dict(enumerate(weights)), tol=1e-10, max_iter=10_000
    ).fit(known, targets)
    found, expected = outputs(probe, np.concatenate([train[0], validation[0]])), reference.decision_function(known)
    centred = [table - table.mean(axis=1, keepdims=True) for table in (found, expected)]
    np.testing.assert_allclose(centred[0], centred[1], atol=5e-3)


@pytest.mark.parametrize(("task", "make"), [(THREE, classed), (NUMBER, numbered)])
def test_weights_that_cannot_be_are_refused(task: Any, make: Any):
    with pytest.raises(UsageError):
        fit(make(30, 0), make(30, 1), task, class_weights=[1.0, 2.0])


def test_a_heavier_label_is_found_more_often():
    train, validation = tagged(240, 0), tagged(60, 1)
    plain = fit(train, validation, TAGS)
    heavy = fit(train, validation, TAGS, class_weights=[1.0, 10.0, 1.0])
    share = [(outputs(probe, validation[0]) > 0).mean(axis=0) for probe in (plain, heavy)]
    assert share[1][1] > share[0][1] + 0.1
    assert share[1][0] == pytest.approx(share[0][0], abs=0.05)


@pytest.mark.parametrize(("task", "make"), [(THREE, classed), (TAGS, tagged), (NUMBER, numbered)])
def test_the_head_is_the_same_whether_rows_are_kept_or_read_again_in_chunks(
    task: Any, make: Any, monkeypatch: pytest.MonkeyPatch
):
    train, validation = make(1500, 0), make(1100, 1)
    kept = fit(train, validation, task)
    monkeypatch.setattr(chunks, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(chunks, "CHUNK", 700)
    again = fit(train, validation, task)
    assert again.l2 == kept.l2
    np.testing.assert_allclose(outputs(again, train[0]), outputs(kept, train[0]), rtol=1e-3, atol=5e-3)


def test_features_on_disk_are_never_copied_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    random, count, width = np.random.default_rng(0), 20_000, 128
    stored = np.lib.format.open_memmap(tmp_path / "features.npy", "w+", np.float32, (count, width))
    stored[:] = random.standard_normal((count, width), dtype=np.float32)
    stored.flush()
    targets = (stored[:, :3].argmax(axis=1)).astype(np.int64)
    monkeypatch.setattr(chunks, "IN_MEMORY_BYTES", 0)
    cut = 16_000
    tracemalloc.start()
    probe = fit((stored[:cut], targets[:cut]), (stored[cut:], targets[cut:]), THREE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < stored.nbytes / 2
    assert (outputs(probe, stored[cut:]).argmax(axis=1) == targets[cut:]).mean() > 0.95


def test_moments_are_those_of_all_pieces_together():
    first, second = features(1500, 0), features(900, 1)
    mean, scale = chunks.mean_and_scale(first, second)
    both = np.concatenate([first, second]).astype(np.float64)
    np.testing.assert_allclose(mean, both.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scale, both.std(axis=0), rtol=1e-10)


def test_a_strength_that_is_given_is_the_one_that_a_number_is_fitted_with():
    train, validation = numbered(300, 0), numbered(100, 1)
    task = make_task("image-regression", ["price"])
    weak, strong = (fit_probe(train, validation, probe_objective(task, {}), l2) for l2 in (1e-3, 100.0))
    assert (weak.l2, strong.l2, list(strong.validation)) == (1e-3, 100.0, [100.0])
    assert strong.weight.norm() < 0.1 * weak.weight.norm()

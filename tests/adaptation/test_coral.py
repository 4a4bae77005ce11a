"""CORAL on numbers by hand: the powers of matrices, aligned features, and the head for raw target features."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tlzoo.adaptation import coral
from tlzoo.adaptation.coral import _matrix_power, coral_align, coral_probe
from tlzoo.models.heads import probe_objective
from tlzoo.tasks import make_task
from tlzoo.training.strategies.probe_fit import FittedProbe
from tlzoo.training.strategies.ridge import Labelled

OBJECTIVE = probe_objective(make_task("image-classification", ("a", "b")), {})


def test_powers_of_a_symmetric_matrix():
    matrix = np.array([[2.5, 1.5], [1.5, 2.5]])  # 4 along [1, 1], 1 along [1, -1]
    np.testing.assert_allclose(_matrix_power(matrix, 0.5), [[1.5, 0.5], [0.5, 1.5]])
    np.testing.assert_allclose(_matrix_power(matrix, -0.5), [[0.75, -0.25], [-0.25, 0.75]])
    np.testing.assert_allclose(_matrix_power(np.zeros((2, 2)), -0.5), 1e6 * np.eye(2))


def test_each_feature_is_scaled_from_its_own_variance_to_the_targets():
    corners = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])  # a variance of 4 / 3
    source, target = corners * np.sqrt([0.75 * 3, 0.75 * 8]), corners * np.sqrt([0.75 * 15, 0.0])
    aligned = coral_align(source, target)  # of 3 and 8 to 15 and 0, each and one
    np.testing.assert_allclose(aligned, source * [2.0, 1 / 3])


def test_the_targets_mean_and_scale_are_folded_into_the_head(monkeypatch: pytest.MonkeyPatch):
    seen: list[np.ndarray] = []

    def fit(train: Labelled, held: Labelled, objective: object) -> FittedProbe:
        seen.extend([*train[:2], *held[:2]])
        return FittedProbe(torch.tensor([[2.0, 4.0]]), torch.tensor([1.0]), 0.25, {"loss": 0.5})

    monkeypatch.setattr(coral, "fit_probe", fit)
    corners = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    source, target = 3 * corners + [5, 7], corners * [2, 10] + [1, 20]
    probe = coral_probe((source[:3], np.array([0, 1, 1])), (source[3:], np.array([0])), target, OBJECTIVE)
    assert [part.tolist() for part in seen[1::2]] == [[0, 1, 1], [0]]
    np.testing.assert_allclose(np.concatenate(seen[::2]), corners, atol=1e-12)  # standardised, and alike already
    assert probe.weight.tolist() == [[1.0, pytest.approx(0.4)]]
    assert probe.bias.tolist() == [pytest.approx(1 - 1 * 1 - 0.4 * 20)]
    assert (probe.weight.dtype, probe.bias.dtype) == (torch.float32, torch.float32)
    assert (probe.l2, probe.validation) == (0.25, {"loss": 0.5})

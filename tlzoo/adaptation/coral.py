"""CORAL: align the second-order statistics of source features with the target's.

Sun, Feng & Saenko, "Return of Frustratingly Easy Domain Adaptation" (AAAI 2016). With standardised source features
D_S [N, D] and target features D_T [M, D], C = cov(D) + I each, the source becomes D_S C_S^(-1/2) C_T^(1/2); a
classifier trained on it serves the target.
"""

from __future__ import annotations

import numpy as np
import torch

from tlzoo.features.chunks import mean_and_scale
from tlzoo.tasks.heads import Objective
from tlzoo.training.strategies.probe_fit import FittedProbe, Pair, fit_probe
from tlzoo.training.strategies.ridge import Labelled


def coral_align(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Source features [N, D] recoloured with the target's [M, D] covariance; both standardised before."""
    eye = np.eye(source.shape[1])
    whiten = _matrix_power(np.cov(source, rowvar=False) + eye, -0.5)
    colour = _matrix_power(np.cov(target, rowvar=False) + eye, 0.5)
    aligned: np.ndarray = source @ whiten @ colour
    return aligned


def coral_probe(
    train: Pair,
    validation: Pair,
    target: np.ndarray,
    objective: Objective,
) -> FittedProbe:
    """A linear head for raw target features: fitted on source features and labels aligned with `target` [M, D].

    Each domain is standardised by its own mean and scale, and the target's are folded back into the head.
    """
    source_mean, source_scale = mean_and_scale(np.concatenate([train[0], validation[0]]))
    target_mean, target_scale = mean_and_scale(target)
    near = (target - target_mean) / target_scale
    both = (np.concatenate([train[0], validation[0]]) - source_mean) / source_scale
    aligned = coral_align(both, near)
    cut = len(train[0])
    probe = fit_probe(Labelled(aligned[:cut], *train[1:]), Labelled(aligned[cut:], *validation[1:]), objective)
    weight = probe.weight.double() / torch.from_numpy(target_scale)
    bias = probe.bias.double() - weight @ torch.from_numpy(target_mean)
    return FittedProbe(weight.float(), bias.float(), probe.l2, probe.validation)


def _matrix_power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """A power of a symmetric positive definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    result: np.ndarray = (vectors * np.maximum(values, 1e-12) ** exponent) @ vectors.T
    return result

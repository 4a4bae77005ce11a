"""Probabilities that mean what they say: one temperature for all logits, and how far off confidence is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

BINS = 15
RANGE = (0.05, 20.0)
PRIOR = 0.5

Loss = Callable[[float], float]
"""The summed log loss, in nats, of logits divided by a temperature."""


def fit_temperature(loss: Loss) -> float:
    """The T within 0.05..20 with the smallest log loss (Guo et al. 2017), on samples that training did not see.

    A prior, log T ~ N(0, 0.5^2), keeps T near 1 where samples are few: where all of them are right, the log loss alone
    would ask for a T of 0.
    """
    from scipy.optimize import minimize_scalar

    def objective(log_temperature: float) -> float:
        return loss(float(np.exp(log_temperature))) + 0.5 * (log_temperature / PRIOR) ** 2

    low, high = np.log(RANGE)
    return float(np.exp(minimize_scalar(objective, bounds=(low, high), method="bounded").x))


def multinomial_loss(logits: np.ndarray, targets: np.ndarray) -> Loss:
    """Cross-entropy of logits [N, C] for class numbers [N]."""
    wide = np.asarray(logits, dtype=np.float64)
    wanted = np.eye(wide.shape[1])[targets]

    def loss(temperature: float) -> float:
        scaled = wide / temperature
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        return float((np.log(np.exp(scaled).sum(axis=1)) - (wanted * scaled).sum(axis=1)).sum())

    return loss


def logistic_loss(logits: np.ndarray, targets: np.ndarray) -> Loss:
    """Binary cross-entropy of logits [N, C] for targets [N, C] of 0 and 1."""
    wide, wanted = np.asarray(logits, dtype=np.float64), np.asarray(targets, dtype=np.float64)

    def loss(temperature: float) -> float:
        scaled = wide / temperature
        return float((np.logaddexp(0, scaled) - wanted * scaled).sum())

    return loss


def binned_error(sure: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error, 0..1, over 15 bins of equal width (Naeini et al. 2015).

    `sure` are probabilities [M], `right` is 1 where what they are of is so, else 0.
    """
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=sure - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(sure))

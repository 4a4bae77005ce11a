"""Probabilities that mean what they say: one temperature for all logits, and how far off confidence is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tlzoo.tasks.classification.task import Classification
    from tlzoo.tasks.multilabel.task import MultiLabel

BINS = 15
RANGE = (0.05, 20.0)
PRIOR = 0.5


def fit_temperature(task: Classification | MultiLabel, logits: np.ndarray, targets: np.ndarray) -> float:
    """The T within 0.05..20 for which logits [N, C] / T have the smallest log loss (Guo et al. 2017).

    `targets` are as the task encodes them, of samples that training did not see. A prior, log T ~ N(0, 0.5^2), keeps T
    near 1 where samples are few: where all of them are right, the log loss alone would ask for a T of 0.
    """
    from scipy.optimize import minimize_scalar

    wide = np.asarray(logits, dtype=np.float64)
    wanted = _shares(task, targets, wide.shape[1])

    def loss(log_temperature: float) -> float:
        scaled = wide / np.exp(log_temperature)
        prior = 0.5 * (log_temperature / PRIOR) ** 2
        if task.kind == "multilabel":
            return float((np.logaddexp(0, scaled) - wanted * scaled).sum()) + prior
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        return float((np.log(np.exp(scaled).sum(axis=1)) - (wanted * scaled).sum(axis=1)).sum()) + prior

    low, high = np.log(RANGE)
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def calibration_error(
    task: Classification | MultiLabel, logits: np.ndarray, targets: np.ndarray, temperature: float = 1.0
) -> float:
    """Expected calibration error, 0..1, over 15 bins of equal width (Naeini et al. 2015), of logits [N, C] / T.

    Of one label: the likeliest label's probability against how often it is right. Of several: every label's own
    probability against how often it is there.
    """
    shares = task.probabilities(np.asarray(logits, dtype=np.float64) / temperature).astype(np.float64)
    if task.kind == "multilabel":
        sure, right = shares.ravel(), np.asarray(targets, dtype=np.float64).ravel()
    else:
        sure, right = shares.max(axis=1), (shares.argmax(axis=1) == targets).astype(np.float64)
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=sure - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(sure))


def _shares(task: Classification | MultiLabel, targets: np.ndarray, classes: int) -> np.ndarray:
    if task.kind == "multilabel":
        return np.asarray(targets, dtype=np.float64)
    shares: np.ndarray = np.eye(classes)[np.asarray(targets)]
    return shares

"""Probabilities that mean what they say: one temperature for all logits, and how far off confidence is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

BINS = 15
RANGE = (0.05, 20.0)
PRIOR = 0.5
FOLDS = 5
FEWEST = 20
"""Of fewer samples no fold says anything about the others."""
SURE = 2.0
"""Standard errors by which a temperature has to win on samples that it was not fitted on."""

LossAt = Callable[[float], np.ndarray]
"""The log loss, in nats, of each sample's logits divided by a temperature: float64 [N]."""


def fit_temperature(loss: LossAt, groups: np.ndarray | None = None) -> float:
    """The T within 0.05..20 with the smallest log loss (Guo et al. 2017), on samples that training did not see; 1
    unless a temperature wins on samples it was not fitted on.

    A prior, log T ~ N(0, 0.5^2), keeps T near 1 where samples are few: where all of them are right, the log loss alone
    would ask for a T of 0. What wins is found by five-fold cross-validation: the mean gain over T = 1 must exceed two
    standard errors of the paired differences. Of fewer than 20 samples it is 1. `groups` [N] says which of them come
    from one sample, as the words of a text do: they stay in one fold and count as one.
    """
    as_they_are = loss(1.0)
    which = np.arange(len(as_they_are)) if groups is None else np.unique(groups, return_inverse=True)[1]
    samples = int(which.max(initial=-1)) + 1
    if samples < FEWEST:
        return 1.0
    folds = np.random.default_rng(0).permutation(samples)[which] % FOLDS
    gains = np.empty(len(as_they_are))
    for fold in range(FOLDS):
        held = folds == fold
        gains[held] = (as_they_are - loss(_least(loss, ~held)))[held]
    each = np.bincount(which, weights=gains)
    if not each.mean() > SURE * each.std(ddof=1) / np.sqrt(samples):
        return 1.0
    return _least(loss, np.ones(len(gains), dtype=bool))


def _least(loss: LossAt, chosen: np.ndarray) -> float:
    """The temperature of the least loss of the samples where `chosen` [N] is true."""
    from scipy.optimize import minimize_scalar

    def objective(log_temperature: float) -> float:
        return float(loss(float(np.exp(log_temperature)))[chosen].sum()) + 0.5 * (log_temperature / PRIOR) ** 2

    low, high = np.log(RANGE)
    return float(np.exp(minimize_scalar(objective, bounds=(low, high), method="bounded").x))


def multinomial_loss(logits: np.ndarray, targets: np.ndarray) -> LossAt:
    """Cross-entropy of logits [N, C] for class numbers [N]."""
    wide = np.asarray(logits, dtype=np.float64)
    wanted = np.eye(wide.shape[1])[targets]

    def loss(temperature: float) -> np.ndarray:
        scaled = wide / temperature
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        each: np.ndarray = np.log(np.exp(scaled).sum(axis=1)) - (wanted * scaled).sum(axis=1)
        return each

    return loss


def logistic_loss(logits: np.ndarray, targets: np.ndarray) -> LossAt:
    """Binary cross-entropy of logits [N, C] for targets [N, C] of 0 and 1."""
    wide, wanted = np.asarray(logits, dtype=np.float64), np.asarray(targets, dtype=np.float64)

    def loss(temperature: float) -> np.ndarray:
        scaled = wide / temperature
        each: np.ndarray = (np.logaddexp(0, scaled) - wanted * scaled).sum(axis=1)
        return each

    return loss


def binned_error(sure: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error, 0..1, over 15 bins of equal width (Naeini et al. 2015).

    `sure` are probabilities [M], `right` is 1 where what they are of is so, else 0.
    """
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=sure - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(sure))

"""A linear head on features computed once, regularised by validation.

Linear probing as in Alain & Bengio (2016) and Kornblith, Shlens & Le (2019). The features X [N, D] are standardised and
the mean loss plus l2/2 * ||W||^2 is minimised: multinomial logistic regression for one label per sample, a logistic
regression for each label where there are several, both by L-BFGS (Liu & Nocedal 1989); ridge regression (Hoerl &
Kennard 1970) for numbers. The standardisation is folded back into the head, which therefore takes raw features.

Features may be memory-mapped and larger than memory: they are read in chunks of rows, as often as the fit takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import DataError
from tlzoo.features.chunks import RowChunks, mean_and_scale, standardised_chunks
from tlzoo.features.extract import Features
from tlzoo.models.threads import threads_for
from tlzoo.progress import progress, working
from tlzoo.tasks.heads import LossAndGradient, Objective
from tlzoo.tasks.rows import IGNORED, Outputs
from tlzoo.training.strategies.ridge import RIDGE_STRENGTHS, Labelled, ridge_path, solve_ridge

STRENGTHS = tuple(10.0**k for k in (1, 0, -1, -2, -3, -4, -5))
PATIENCE = 2
COARSE = {"maxiter": 50, "gtol": 1e-4, "ftol": 1e-5}
FINE = {"maxiter": 300, "gtol": 1e-5, "ftol": 1e-10}

Pair = Labelled | tuple[np.ndarray, np.ndarray]
"""Features and targets, of samples with weights these too."""
COLLATED = 4096
"""Samples whose targets become arrays at a time."""


@dataclass(frozen=True)
class FittedProbe:
    """`weight` [C, D] and `bias` [C] for raw features; the strength chosen and what validation said of each.

    Validation's figure is the log loss, for regression the rmse. `temperature` calibrates probabilities; it is fitted
    on validation samples with a head that had not seen them, and is None for a number.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    l2: float
    validation: dict[float, float]
    temperature: float | None = None


@dataclass(frozen=True)
class _Fit:
    """A head for standardised features, `weight` [C, D] and `bias` [C], its loss and logits for validation samples."""

    weight: np.ndarray
    bias: np.ndarray
    loss: float
    held: Callable[[], np.ndarray]


def labelled_features(
    features: Features, data: TaskDataset, objective: Objective, within: range | None = None
) -> Labelled:
    """Features [M, D], targets [M, ...] and weights of what a data set has targets for: its inputs, or parts of these.

    `within` limits it to some of the inputs. Raises DataError where no target is left.
    """
    within = range(len(data)) if within is None else within
    parts = []
    for start in range(within.start, within.stop, COLLATED):
        positions = range(start, min(start + COLLATED, within.stop))
        targets = data.collated(positions)[objective.target]
        if features.lengths is not None:
            lengths = features.lengths[positions.start : positions.stop]
            targets = np.concatenate([row[:length] for row, length in zip(targets, lengths, strict=True)])
        parts.append(targets)
    found, rows = np.concatenate(parts), features.subset(within).rows
    weights = None if data.weights is None else np.array([data.weights[at] for at in within], dtype=np.float64)
    if features.lengths is None:
        return Labelled(rows, found, weights)
    there = found != IGNORED
    if not there.any():
        raise DataError("None of the samples has a target.", hint="Check the labels of the data.")
    if weights is not None:
        weights = np.repeat(weights, features.lengths[within.start : within.stop])[there]
    return Labelled(rows[there], found[there], weights)


def apply_probe(probe: FittedProbe, features: Features, output: str) -> Outputs:
    """The output of this name for features."""
    found = features.rows @ probe.weight.numpy().T + probe.bias.numpy()
    if features.lengths is None:
        return {output: found}
    return {output: np.split(found, np.cumsum(features.lengths)[:-1])}


def fit_probe(train: Pair, validation: Pair, objective: Objective, l2: float | None = None) -> FittedProbe:
    """Choose the strength that validation likes best, or take `l2`; fit once more on training and validation together.

    Each has features [N, D] (float32 arrays or memory maps), targets [N, ...] as the task collates them and, of samples
    that have them, weights. Class weights in the objective count in validation too; weights of samples count in fits
    alone. Raises DataError where all training samples weigh nothing.
    """
    given, held = Labelled(*train), Labelled(*validation)
    if given.weights is not None and not given.weights.any():
        raise DataError("All samples to fit the probe on have weight 0.", hint="Give some of them a weight above 0.")
    with threads_for(given.features.size + held.features.size), working("Fitting the probe"):
        if objective.loss is None:
            return _fit_ridge(given, held, l2)
        return _fit_by_gradient(given, held, objective, l2)


def _weights_of_both(train: Labelled, validation: Labelled) -> np.ndarray | None:
    if train.weights is None or validation.weights is None:
        return None
    return np.concatenate([train.weights, validation.weights])


def _fit_by_gradient(train: Labelled, validation: Labelled, objective: Objective, l2: float | None) -> FittedProbe:
    path = _path(train, validation, objective, STRENGTHS if l2 is None else (l2,))
    best = min(path, key=lambda strength: path[strength].loss)
    pieces, weights = [train.features, validation.features], _weights_of_both(train, validation)
    mean, scale = mean_and_scale(*pieces, weights=weights)
    targets = torch.from_numpy(np.concatenate([train.targets, validation.targets]))
    start = path[best].weight, path[best].bias
    rows = standardised_chunks(pieces, mean, scale, torch.float64)
    weight, bias = _minimise(rows, targets, best, start, FINE, objective, weights)
    losses = {strength: fit.loss for strength, fit in path.items()}
    found = _fold_standardisation(weight, bias, (mean, scale), best, losses)
    if objective.temperature is None:
        return found
    return replace(found, temperature=objective.temperature(path[best].held(), validation.targets))


def _fold_standardisation(
    weight: np.ndarray, bias: np.ndarray, moments: tuple[np.ndarray, np.ndarray], l2: float, losses: dict[float, float]
) -> FittedProbe:
    mean, scale = moments
    weight = weight / scale
    bias = bias - weight @ mean
    return FittedProbe(torch.from_numpy(weight).float(), torch.from_numpy(bias).float(), l2, losses)


def _fit_ridge(train: Labelled, validation: Labelled, l2: float | None) -> FittedProbe:
    losses = ridge_path(train, validation, RIDGE_STRENGTHS if l2 is None else (l2,))
    best = min(losses, key=lambda strength: losses[strength])
    pieces, weights = [train.features, validation.features], _weights_of_both(train, validation)
    moments = mean_and_scale(*pieces, weights=weights)
    targets = np.concatenate([train.targets, validation.targets])
    weight, bias = solve_ridge(standardised_chunks(pieces, *moments, torch.float64), targets, best, weights)
    return _fold_standardisation(weight[None], np.array([bias]), moments, best, losses)


def _path(train: Labelled, validation: Labelled, objective: Objective, strengths: Sequence[float]) -> dict[float, _Fit]:
    """Coarse fits from strong to weak, each starting from the last, on features in single precision.

    They end where validation got worse `PATIENCE` times in a row: weaker ones take longest and overfit more.
    """
    mean, scale = mean_and_scale(train.features, weights=train.weights)
    features, held = (standardised_chunks([part.features], mean, scale, torch.float32) for part in (train, validation))
    targets, held_targets = torch.from_numpy(train.targets), torch.from_numpy(validation.targets)
    fits: dict[float, _Fit] = {}
    weight, bias = np.zeros((objective.outputs, len(mean))), np.zeros(objective.outputs)
    with progress("Fitting the probe", len(strengths), "fits") as advance:
        for strength in strengths:
            weight, bias = _minimise(features, targets, strength, (weight, bias), COARSE, objective, train.weights)
            loss = _evaluate(held, held_targets, weight, bias, objective)
            fits[strength] = _Fit(weight, bias, loss, partial(_all_logits, held, weight, bias))
            advance(1)
            losses = [fit.loss for fit in fits.values()]
            if min(losses) < min(losses[-PATIENCE:]):
                break
    return fits


def _minimise(
    rows: RowChunks,
    targets: torch.Tensor,
    l2: float,
    start: tuple[np.ndarray, np.ndarray],
    accuracy: dict[str, float],
    aim: Objective,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Weight [C, D] and bias [C] in float64 of the regularised optimum; samples count by `weights` [N], or alike."""
    # SciPy's L-BFGS: torch.optim imports torch's compiler on first use, which takes longer than most fits. It is
    # imported here because a probe has it imported while the features are computed.
    from scipy.optimize import minimize

    shape, loss_of = start[0].shape, _loss(aim)
    by = None if weights is None else torch.from_numpy(weights)
    share = _total(aim.share(targets), by)

    def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
        weight, bias = point[: -shape[0]].reshape(shape), point[-shape[0] :]
        loss, gradient, slope = 0.5 * l2 * float((weight * weight).sum()), l2 * weight, np.zeros(shape[0])
        for begin, features in rows():
            end = begin + len(features)
            losses, slopes = loss_of(_logits(features, weight, bias), targets[begin:end])
            if by is not None:
                slopes = slopes * by[begin:end, None].to(slopes.dtype)
            loss += _total(losses, None if by is None else by[begin:end]) / share
            gradient += (slopes.T @ features).double().numpy() / share
            slope += slopes.sum(0, dtype=torch.float64).numpy() / share
        return loss, np.concatenate([gradient.ravel(), slope])

    found = minimize(
        objective, np.concatenate([start[0].ravel(), start[1]]), jac=True, method="L-BFGS-B", options=accuracy
    )
    point: np.ndarray = found.x
    return point[: -shape[0]].reshape(shape), point[-shape[0] :]


def _loss(objective: Objective) -> LossAndGradient:
    assert objective.loss is not None
    return objective.loss


def _evaluate(rows: RowChunks, targets: torch.Tensor, weight: np.ndarray, bias: np.ndarray, aim: Objective) -> float:
    loss_of = _loss(aim)
    parts = (
        _total(loss_of(_logits(features, weight, bias), targets[begin : begin + len(features)])[0])
        for begin, features in rows()
    )
    return sum(parts) / _total(aim.share(targets))


def _total(values: torch.Tensor, weights: torch.Tensor | None = None) -> float:
    """The sum of values [n], each times its weight."""
    return float(values.sum(dtype=torch.float64) if weights is None else values.double() @ weights)


def _all_logits(rows: RowChunks, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return np.concatenate([_logits(features, weight, bias).numpy() for _, features in rows()])


def _logits(features: torch.Tensor, weight: np.ndarray, bias: np.ndarray) -> torch.Tensor:
    return torch.addmm(
        torch.from_numpy(bias).to(features.dtype), features, torch.from_numpy(weight).to(features.dtype).T
    )

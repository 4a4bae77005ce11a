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
from torch.nn.functional import softplus

from tlzoo.features.chunks import Rows, standardisation, standardised
from tlzoo.progress import progress
from tlzoo.tasks import Task
from tlzoo.tasks.calibration import fit_temperature
from tlzoo.tasks.heads import class_weights as checked_weights
from tlzoo.tasks.regression.task import Regression
from tlzoo.training.strategies.ridge import ridge_path, solve_ridge

STRENGTHS = tuple(10.0**k for k in (1, 0, -1, -2, -3, -4, -5))
PATIENCE = 2
COARSE = {"maxiter": 50, "gtol": 1e-4, "ftol": 1e-5}
FINE = {"maxiter": 300, "gtol": 1e-5, "ftol": 1e-10}

Labelled = tuple[np.ndarray, np.ndarray]
Loss = Callable[[torch.Tensor, torch.Tensor], tuple[float, torch.Tensor]]
"""Of logits [n, C] and targets: the summed loss, and its gradient [n, C] with respect to the logits."""


@dataclass(frozen=True)
class Probe:
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


@dataclass(frozen=True)
class _Aim:
    """What is minimised: the loss, and by how much its sum over samples with these targets is divided."""

    loss: Loss
    share: Callable[[torch.Tensor], float]


def fit_probe(
    train: Labelled, validation: Labelled, task: Task, *, class_weights: Sequence[float] | None = None
) -> Probe:
    """Choose the strength that validation likes best, then fit once more on training and validation together.

    Each pair is features [N, D] (float32 arrays or memory maps) and targets as the task encodes them. `class_weights`
    (C positive floats) weight the samples of a class; where samples have several labels, those that have the label.
    They count in validation too. Raises UsageError for weights that cannot be, DataError where the training targets
    of a regression do not vary.
    """
    weights = checked_weights(class_weights, task)
    if isinstance(task, Regression):
        return _fit_ridge(train, validation, task)
    aim = _aim(task, weights)
    path = _path(train, validation, task.outputs, aim)
    best = min(path, key=lambda strength: path[strength].loss)
    pieces = [train[0], validation[0]]
    mean, scale = standardisation(*pieces)
    targets = torch.from_numpy(np.concatenate([train[1], validation[1]]))
    start = path[best].weight, path[best].bias
    rows = standardised(pieces, mean, scale, torch.float64)
    weight, bias = _minimise(rows, targets, best, start, FINE, aim)
    losses = {strength: fit.loss for strength, fit in path.items()}
    temperature = fit_temperature(task, path[best].held(), validation[1])
    return replace(_for_raw_features(weight, bias, (mean, scale), best, losses), temperature=temperature)


def _for_raw_features(
    weight: np.ndarray, bias: np.ndarray, moments: Labelled, l2: float, losses: dict[float, float]
) -> Probe:
    mean, scale = moments
    weight = weight / scale
    bias = bias - weight @ mean
    return Probe(torch.from_numpy(weight).float(), torch.from_numpy(bias).float(), l2, losses)


def _fit_ridge(train: Labelled, validation: Labelled, task: Regression) -> Probe:
    task.moments(train[1])
    losses = ridge_path(train, validation)
    best = min(losses, key=lambda strength: losses[strength])
    pieces = [train[0], validation[0]]
    moments = standardisation(*pieces)
    targets = np.concatenate([train[1], validation[1]])
    weight, bias = solve_ridge(standardised(pieces, *moments, torch.float64), targets, best)
    return _for_raw_features(weight[None], np.array([bias]), moments, best, losses)


def _path(train: Labelled, validation: Labelled, classes: int, aim: _Aim) -> dict[float, _Fit]:
    """Coarse fits from strong to weak, each starting from the last, on features in single precision.

    They end where validation got worse `PATIENCE` times in a row: weaker ones take longest and overfit more.
    """
    mean, scale = standardisation(train[0])
    features, targets = standardised([train[0]], mean, scale, torch.float32), torch.from_numpy(train[1])
    held, held_targets = standardised([validation[0]], mean, scale, torch.float32), torch.from_numpy(validation[1])
    fits: dict[float, _Fit] = {}
    weight, bias = np.zeros((classes, len(mean))), np.zeros(classes)
    with progress("Probe", len(STRENGTHS), "fits") as advance:
        for strength in STRENGTHS:
            weight, bias = _minimise(features, targets, strength, (weight, bias), COARSE, aim)
            loss = _evaluate(held, held_targets, weight, bias, aim)
            fits[strength] = _Fit(weight, bias, loss, partial(_all_logits, held, weight, bias))
            advance(1)
            losses = [fit.loss for fit in fits.values()]
            if min(losses) < min(losses[-PATIENCE:]):
                break
    return fits


def _minimise(
    rows: Rows,
    targets: torch.Tensor,
    l2: float,
    start: tuple[np.ndarray, np.ndarray],
    accuracy: dict[str, float],
    aim: _Aim,
) -> tuple[np.ndarray, np.ndarray]:
    """Weight [C, D] and bias [C] in float64 of the regularised optimum."""
    # SciPy's L-BFGS: torch.optim imports torch's compiler on first use, which takes longer than most fits. It is
    # imported here because a probe has it imported while the features are computed.
    from scipy.optimize import minimize

    shape = start[0].shape
    share = aim.share(targets)

    def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
        weight, bias = point[: -shape[0]].reshape(shape), point[-shape[0] :]
        loss, gradient, slope = 0.5 * l2 * float((weight * weight).sum()), l2 * weight, np.zeros(shape[0])
        for begin, features in rows():
            part, slopes = aim.loss(_logits(features, weight, bias), targets[begin : begin + len(features)])
            loss += part / share
            gradient += (slopes.T @ features).double().numpy() / share
            slope += slopes.sum(0, dtype=torch.float64).numpy() / share
        return loss, np.concatenate([gradient.ravel(), slope])

    found = minimize(
        objective, np.concatenate([start[0].ravel(), start[1]]), jac=True, method="L-BFGS-B", options=accuracy
    )
    point: np.ndarray = found.x
    return point[: -shape[0]].reshape(shape), point[-shape[0] :]


def _evaluate(rows: Rows, targets: torch.Tensor, weight: np.ndarray, bias: np.ndarray, aim: _Aim) -> float:
    parts = (
        aim.loss(_logits(features, weight, bias), targets[begin : begin + len(features)])[0]
        for begin, features in rows()
    )
    return sum(parts) / aim.share(targets)


def _all_logits(rows: Rows, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return np.concatenate([_logits(features, weight, bias).numpy() for _, features in rows()])


def _logits(features: torch.Tensor, weight: np.ndarray, bias: np.ndarray) -> torch.Tensor:
    return torch.addmm(
        torch.from_numpy(bias).to(features.dtype), features, torch.from_numpy(weight).to(features.dtype).T
    )


def _aim(task: Task, weights: torch.Tensor | None) -> _Aim:
    if task.kind == "multilabel":
        return _Aim(_logistic(weights), lambda targets: float(targets.numel()))
    if weights is None:
        return _Aim(_multinomial(None), lambda targets: float(len(targets)))
    return _Aim(_multinomial(weights), lambda targets: float(weights[targets].sum(dtype=torch.float64)))


def _multinomial(weights: torch.Tensor | None) -> Loss:
    """Cross-entropy for class numbers int64 [n], each sample times its class's weight."""

    def loss(logits: torch.Tensor, targets: torch.Tensor) -> tuple[float, torch.Tensor]:
        log_shares = logits.log_softmax(dim=1)
        losses = -log_shares.gather(1, targets[:, None])
        slope = log_shares.exp_()
        slope[torch.arange(len(targets)), targets] -= 1
        if weights is not None:
            by = weights[targets][:, None].to(logits.dtype)
            losses, slope = losses * by, slope * by
        return float(losses.sum(dtype=torch.float64)), slope

    return loss


def _logistic(weights: torch.Tensor | None) -> Loss:
    """Binary cross-entropy for 0 and 1, [n, C], a label's weight counting where it is there."""

    def loss(logits: torch.Tensor, targets: torch.Tensor) -> tuple[float, torch.Tensor]:
        there = targets.to(logits.dtype)
        wanted = there if weights is None else there * weights.to(logits.dtype)
        losses = wanted * softplus(-logits) + (1 - there) * softplus(logits)
        shares = logits.sigmoid()
        return float(losses.sum(dtype=torch.float64)), (1 - there) * shares - wanted * (1 - shares)

    return loss

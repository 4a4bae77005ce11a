"""A linear head on features computed once: multinomial logistic regression by L-BFGS, regularised by validation.

Linear probing as in Alain & Bengio (2016) and Kornblith, Shlens & Le (2019): the features X [N, D] are standardised,
the mean cross-entropy plus l2/2 * ||W||^2 is minimised by L-BFGS (Liu & Nocedal 1989), and the standardisation is
folded back into the head, which therefore takes raw features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize

from tlzoo.progress import progress

STRENGTHS = tuple(10.0**k for k in (1, 0, -1, -2, -3, -4, -5))
PATIENCE = 2
COARSE = {"maxiter": 50, "gtol": 1e-4, "ftol": 1e-5}
FINE = {"maxiter": 300, "gtol": 1e-5, "ftol": 1e-10}


@dataclass(frozen=True)
class Probe:
    """`weight` [C, D] and `bias` [C] for raw features; the strength chosen and what validation said of each."""

    weight: torch.Tensor
    bias: torch.Tensor
    l2: float
    validation: dict[float, float]


@dataclass(frozen=True)
class _Fit:
    """A head for standardised features, `weight` [C, D] and `bias` [C], and its log loss on the validation samples."""

    weight: np.ndarray
    bias: np.ndarray
    loss: float


def fit_probe(train: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray], classes: int) -> Probe:
    """Choose the strength with the least validation log loss, then fit once more on training and validation together.

    Each pair is features float32 [N, D] and targets int64 [N] in 0..classes-1.
    """
    path = _path(train, validation, classes)
    best = min(path, key=lambda strength: path[strength].loss)
    features = np.concatenate([train[0], validation[0]])
    targets = np.concatenate([train[1], validation[1]])
    mean, scale = standardisation(features)
    start = path[best].weight, path[best].bias
    weight, bias = _minimise(*_tensors((features - mean) / scale, targets), best, start, FINE)
    weight /= scale
    bias -= weight @ mean
    losses = {strength: fit.loss for strength, fit in path.items()}
    return Probe(torch.from_numpy(weight).float(), torch.from_numpy(bias).float(), best, losses)


def standardisation(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale [D] in float64; a feature that varies by no more than rounding keeps scale 1."""
    mean, scale = features.mean(0, dtype=np.float64), features.std(0, dtype=np.float64)
    rounding = np.maximum(1e-7 * scale.max(), 1e-6 * np.abs(mean))
    return mean, np.where(scale > rounding, scale, 1.0)


def _path(
    train: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray], classes: int
) -> dict[float, _Fit]:
    """Coarse fits from strong to weak, each starting from the last, on features in single precision.

    They end where validation got worse `PATIENCE` times in a row: weaker ones take longest and overfit more.
    """
    mean, scale = standardisation(train[0])
    features, targets = _tensors((train[0] - mean) / scale, train[1])
    held, held_targets = _tensors((validation[0] - mean) / scale, validation[1])
    features, held = features.float(), held.float()
    fits: dict[float, _Fit] = {}
    weight, bias = np.zeros((classes, features.shape[1])), np.zeros(classes)
    with progress("Probe", len(STRENGTHS), "fits") as advance:
        for strength in STRENGTHS:
            weight, bias = _minimise(features, targets, strength, (weight, bias), COARSE)
            fits[strength] = _Fit(weight, bias, _cross_entropy(held, held_targets, weight, bias)[0])
            advance(1)
            losses = [fit.loss for fit in fits.values()]
            if min(losses) < min(losses[-PATIENCE:]):
                break
    return fits


def _tensors(features: np.ndarray, targets: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(features), torch.from_numpy(targets)


def _minimise(
    features: torch.Tensor,
    targets: torch.Tensor,
    l2: float,
    start: tuple[np.ndarray, np.ndarray],
    accuracy: dict[str, float],
) -> tuple[np.ndarray, np.ndarray]:
    """Weight [C, D] and bias [C] in float64 of the regularised optimum."""
    # SciPy's L-BFGS: torch.optim imports torch's compiler on first use, which takes longer than most fits.
    shape = start[0].shape

    def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
        weight, bias = point[: -shape[0]].reshape(shape), point[-shape[0] :]
        loss, slope = _cross_entropy(features, targets, weight, bias)
        gradient = (slope.T @ features).double().numpy() + l2 * weight
        penalty = 0.5 * l2 * float((weight * weight).sum())
        return loss + penalty, np.concatenate([gradient.ravel(), slope.sum(0).double().numpy()])

    found = minimize(
        objective, np.concatenate([start[0].ravel(), start[1]]), jac=True, method="L-BFGS-B", options=accuracy
    )
    point: np.ndarray = found.x
    return point[: -shape[0]].reshape(shape), point[-shape[0] :]


def _cross_entropy(
    features: torch.Tensor, targets: torch.Tensor, weight: np.ndarray, bias: np.ndarray
) -> tuple[float, torch.Tensor]:
    """Mean cross-entropy of logits features W' + b, and its gradient [N, C] with respect to them."""
    logits = features @ torch.from_numpy(weight).to(features.dtype).T + torch.from_numpy(bias).to(features.dtype)
    log_shares = logits.log_softmax(dim=1)
    loss = -float(log_shares.gather(1, targets[:, None]).mean(dtype=torch.float64))
    slope = log_shares.exp_()
    slope[torch.arange(len(targets)), targets] -= 1
    return loss, slope.div_(len(targets))

"""A linear head on features computed once: multinomial logistic regression by L-BFGS, regularised by validation.

Linear probing as in Alain & Bengio (2016) and Kornblith, Shlens & Le (2019): the features X [N, D] are standardised,
the mean cross-entropy plus l2/2 * ||W||^2 is minimised by L-BFGS (Liu & Nocedal 1989), and the standardisation is
folded back into the head, which therefore takes raw features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from tlzoo.progress import progress

STRENGTHS = tuple(10.0**k for k in (1, 0, -1, -2, -3, -4, -5))


@dataclass(frozen=True)
class Probe:
    """`weight` [C, D] and `bias` [C] for raw features; the strength chosen and what validation said of each."""

    weight: torch.Tensor
    bias: torch.Tensor
    l2: float
    validation: dict[float, float]


def fit_probe(train: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray], classes: int) -> Probe:
    """Choose the strength with the least validation log loss, then fit once more on training and validation together.

    Each pair is features float32 [N, D] and targets int64 [N] in 0..classes-1.
    """
    losses = _validation_losses(train, validation, classes)
    best = min(losses, key=lambda strength: losses[strength])
    features = np.concatenate([train[0], validation[0]])
    targets = np.concatenate([train[1], validation[1]])
    mean, scale = standardisation(features)
    problem = _problem(features, targets, mean, scale)
    weight, bias = _minimise(*problem, best, _start(features.shape[1], classes))
    folded = weight / torch.from_numpy(scale)
    return Probe(folded.float(), (bias - folded @ torch.from_numpy(mean)).float(), best, losses)


def standardisation(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale [D] in float64; a feature that varies by no more than rounding keeps scale 1."""
    mean, scale = features.mean(0, dtype=np.float64), features.std(0, dtype=np.float64)
    rounding = np.maximum(1e-7 * scale.max(), 1e-6 * np.abs(mean))
    return mean, np.where(scale > rounding, scale, 1.0)


def _validation_losses(
    train: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray], classes: int
) -> dict[float, float]:
    """Log loss on the validation samples for each strength, strong to weak, each fit starting from the last."""
    mean, scale = standardisation(train[0])
    features, targets = _problem(*train, mean, scale)
    held, held_targets = _problem(*validation, mean, scale)
    losses, point = {}, _start(features.shape[1], classes)
    with progress("Probe", len(STRENGTHS), "fits") as advance:
        for strength in STRENGTHS:
            point = _minimise(features, targets, strength, point)
            losses[strength] = float(cross_entropy(held @ point[0].T + point[1], held_targets))
            advance(1)
    return losses


def _problem(
    features: np.ndarray, targets: np.ndarray, mean: np.ndarray, scale: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy((features - mean) / scale), torch.from_numpy(targets)


def _start(dim: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(classes, dim, dtype=torch.float64), torch.zeros(classes, dtype=torch.float64)


def _minimise(
    features: torch.Tensor, targets: torch.Tensor, l2: float, start: tuple[torch.Tensor, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    weight, bias = (tensor.clone().requires_grad_(True) for tensor in start)
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=200,
        history_size=10,
        tolerance_grad=1e-5,
        tolerance_change=1e-9,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = cross_entropy(features @ weight.T + bias, targets) + 0.5 * l2 * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()

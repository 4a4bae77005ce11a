"""Ridge regression (Hoerl & Kennard 1970) on features larger than memory, in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from tlzoo.features.chunks import RowChunks, mean_and_scale, standardised_chunks

RIDGE_STRENGTHS = tuple(10.0**k for k in range(4, -6, -1))


class Labelled(NamedTuple):
    """Features [N, D], targets [N, ...] and, where samples have them, weights float64 [N]."""

    features: np.ndarray
    targets: np.ndarray
    weights: np.ndarray | None = None

    def at(self, positions: np.ndarray) -> Labelled:
        """Those at these positions."""
        weights = None if self.weights is None else self.weights[positions]
        return Labelled(self.features[positions], self.targets[positions], weights)


def ridge_path(train: Labelled, validation: Labelled, chosen: Sequence[float]) -> dict[float, float]:
    """Of each strength chosen, the rmse on the validation samples of a fit on the training samples.

    Targets are float32 [N]; validation samples count alike. One eigendecomposition serves all strengths.
    """
    moments = mean_and_scale(train.features, weights=train.weights)
    standardised = standardised_chunks([train.features], *moments, torch.float64)
    gram, product, centre = _normal_equations(standardised, train.targets, train.weights)
    values, vectors = np.linalg.eigh(gram)
    turned = vectors.T @ product
    strengths = np.array(chosen)
    weights = torch.from_numpy(vectors @ (turned[:, None] / (np.maximum(values, 0)[:, None] + strengths)))
    squared, targets = np.zeros(len(strengths)), validation[1].astype(np.float64)
    for begin, rows in standardised_chunks([validation[0]], *moments, torch.float64)():
        errors = (rows @ weights).numpy() + centre - targets[begin : begin + len(rows), None]
        squared += (errors**2).sum(0)
    return dict(zip(chosen, np.sqrt(squared / len(targets)).tolist(), strict=True))


def solve_ridge(
    rows: RowChunks, targets: np.ndarray, l2: float, weights: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """Weight [D] and bias that minimise half the mean squared error, of weighted samples the weighted mean, plus
    l2/2 * ||w||^2 on standardised rows."""
    gram, product, centre = _normal_equations(rows, targets, weights)
    weight: np.ndarray = np.linalg.solve(gram + l2 * np.eye(len(gram)), product)
    return weight, centre


def _normal_equations(
    rows: RowChunks, targets: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Z'WZ / n [D, D], Z'W(y - mean y) / n [D] and mean y, in float64; Z has columns of mean 0.

    W has the weights on its diagonal and n is their sum; without weights they are 1.
    """
    wide = torch.from_numpy(np.asarray(targets, dtype=np.float64))
    by = None if weights is None else torch.from_numpy(weights)
    count = float(len(wide)) if by is None else float(by.sum())
    centre = wide.mean() if by is None else (wide @ by) / count
    gram, product = None, None
    for begin, whole in rows():
        # the square root on both factors; without weights nothing is copied
        root = None if by is None else by[begin : begin + len(whole)].sqrt()
        chunk = whole if root is None else whole * root[:, None]
        part = wide[begin : begin + len(chunk)] - centre
        part = part if root is None else part * root
        gram = chunk.T @ chunk if gram is None else gram.addmm_(chunk.T, chunk)
        product = chunk.T @ part if product is None else product + chunk.T @ part
    assert gram is not None
    assert product is not None
    return gram.numpy() / count, product.numpy() / count, float(centre)

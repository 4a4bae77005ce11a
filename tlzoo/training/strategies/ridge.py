"""Ridge regression (Hoerl & Kennard 1970) on features larger than memory, in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from tlzoo.features.chunks import RowChunks, mean_and_scale, standardised_chunks

RIDGE_STRENGTHS = tuple(10.0**k for k in range(4, -6, -1))


def ridge_path(
    train: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray], chosen: Sequence[float]
) -> dict[float, float]:
    """Of each strength chosen, the rmse on the validation samples of a fit on the training samples.

    Each pair is features [N, D] and targets float32 [N]. One eigendecomposition serves all strengths.
    """
    moments = mean_and_scale(train[0])
    gram, product, centre = _normal_equations(standardised_chunks([train[0]], *moments, torch.float64), train[1])
    values, vectors = np.linalg.eigh(gram)
    turned = vectors.T @ product
    strengths = np.array(chosen)
    weights = torch.from_numpy(vectors @ (turned[:, None] / (np.maximum(values, 0)[:, None] + strengths)))
    squared, targets = np.zeros(len(strengths)), validation[1].astype(np.float64)
    for begin, rows in standardised_chunks([validation[0]], *moments, torch.float64)():
        errors = (rows @ weights).numpy() + centre - targets[begin : begin + len(rows), None]
        squared += (errors**2).sum(0)
    return dict(zip(chosen, np.sqrt(squared / len(targets)).tolist(), strict=True))


def solve_ridge(rows: RowChunks, targets: np.ndarray, l2: float) -> tuple[np.ndarray, float]:
    """Weight [D] and bias that minimise half the mean squared error plus l2/2 * ||w||^2 on standardised rows."""
    gram, product, centre = _normal_equations(rows, targets)
    weight: np.ndarray = np.linalg.solve(gram + l2 * np.eye(len(gram)), product)
    return weight, centre


def _normal_equations(rows: RowChunks, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Z'Z / N [D, D], Z'(y - mean y) / N [D] and mean y, in float64; Z has columns of mean 0."""
    wide = torch.from_numpy(np.asarray(targets, dtype=np.float64))
    centre = wide.mean()
    gram, product = None, None
    for begin, chunk in rows():
        part = wide[begin : begin + len(chunk)] - centre
        gram = chunk.T @ chunk if gram is None else gram.addmm_(chunk.T, chunk)
        product = chunk.T @ part if product is None else product + chunk.T @ part
    assert gram is not None
    assert product is not None
    return gram.numpy() / len(wide), product.numpy() / len(wide), float(centre)

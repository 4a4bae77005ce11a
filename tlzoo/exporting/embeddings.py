"""Whether a file's embeddings are the trained model's: their directions, and which of others each is nearest to.

A bound on the largest difference says little of a lower precision: embeddings of zeros stay within most of their size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tlzoo.artifact.manifest import Precision

LEAST_COSINE = {"fp32": 0.99999, "fp16": 0.999, "int8": 0.9}
"""Of a sample's embedding with the trained model's, by precision."""
RAW_INPUT_COSINE = 0.9
"""Where the graph resizes pictures itself."""
NEIGHBOURS = 0.9
"""The share of samples whose embedding must be nearest to its own reference among all."""
SAME = 1e-6
GROUP = 64
"""Samples among which a neighbour is looked for: among more of them rounding alone changes who is nearest."""


def embeddings_problem(
    exported: Sequence[np.ndarray],
    reference: Sequence[np.ndarray],
    precision: Precision,
    raw_input: bool = False,
    *,
    neighbours: bool = True,
) -> str:
    """What is wrong with the embeddings of N samples, one array of any shape each; empty where nothing is.

    Cosines are those of whole embeddings; `neighbours` are looked for among 64 samples at a time, around the mean of
    their references, of sequences by their mean over positions.
    """
    if any(one.shape != other.shape for one, other in zip(exported, reference, strict=True)):
        return "have other shapes than the trained model's"
    if not all(np.isfinite(one).all() for one in exported):
        return "have NaN or infinity"
    least = min(LEAST_COSINE[precision], RAW_INPUT_COSINE) if raw_input else LEAST_COSINE[precision]
    cosines = [_cosine(one.ravel(), other.ravel()) for one, other in zip(exported, reference, strict=True)]
    if not min(cosines) >= least:
        return f"point elsewhere than the trained model's: a cosine of {min(cosines):.4f} ({least:g} required)"
    agree = _neighbour_agreement(exported, reference) if neighbours else 1.0
    if not agree >= NEIGHBOURS:
        return f"are nearest to their own of the trained model for {agree:.0%} of samples ({NEIGHBOURS:.0%} required)"
    return ""


def _neighbour_agreement(exported: Sequence[np.ndarray], reference: Sequence[np.ndarray]) -> float:
    """The share of samples whose embedding is nearest to its own reference among those of its group."""
    groups = [slice(start, start + GROUP) for start in range(0, len(reference), GROUP)]
    return float(np.concatenate([_is_nearest(_vectors(exported[g]), _vectors(reference[g])) for g in groups]).mean())


def _is_nearest(exported: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Which rows [N, D] are nearest to the row at their place; rows that are alike in the reference are as good."""
    if len(reference) < 2:
        return np.ones(len(reference), dtype=bool)
    middle = reference.mean(axis=0)
    near, right = _directions(exported - middle), _directions(reference - middle)
    chosen = (near @ right.T).argmax(axis=1)
    alike: np.ndarray = np.einsum("nd,nd->n", right[chosen], right) >= 1 - SAME
    return alike


def _vectors(rows: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack([row.reshape(-1, row.shape[-1]).mean(axis=0) for row in rows]).astype(np.float64)


def _directions(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    directions: np.ndarray = rows / np.maximum(lengths, 1e-12)
    return directions


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Of vectors; 1 for two without length, 0 where one has none."""
    one, other = one.astype(np.float64), other.astype(np.float64)
    sizes = float(np.linalg.norm(one)), float(np.linalg.norm(other))
    if not all(sizes):
        return 1.0 if sizes[0] == sizes[1] else 0.0
    return float(one @ other) / (sizes[0] * sizes[1])

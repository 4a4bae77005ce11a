"""From logits to probabilities, in double precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Shares of the last axis, float64 [..., C] that sum to 1."""
    wide = np.asarray(logits, dtype=np.float64)
    powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """The logistic function, float64, whatever the size of the logits."""
    wide = np.asarray(logits, dtype=np.float64)
    shares: np.ndarray = np.exp(-np.logaddexp(0, -wide))
    return shares


PROBABILITY_FUNCTIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {"Softmax": softmax, "Sigmoid": sigmoid}
"""The same by ONNX's names."""

"""Texts: token dropout (word dropout, Iyyer et al. 2015)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TextPolicy:
    """`drop` is each inner token's probability of being hidden."""

    drop: float


POLICIES = {"light": TextPolicy(drop=0.05), "strong": TextPolicy(drop=0.15)}


def drop_tokens(mask: np.ndarray, policy: TextPolicy, rng: np.random.Generator) -> np.ndarray:
    """The mask int64 [L] with some inner tokens hidden; the first and the last one under it (often special) stay."""
    inner = np.flatnonzero(mask)[1:-1]
    changed = mask.copy()
    changed[inner[rng.random(len(inner)) < policy.drop]] = 0
    return changed

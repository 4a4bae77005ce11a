"""Several channels become one: their mean, or the loudest where they cancel each other."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

CANCELLED = 0.1
"""Of the power that channels with nothing in common would add up to, so much has to be left in their sum."""


def mix(blocks: Iterable[np.ndarray]) -> tuple[np.ndarray, int | None]:
    """The mean of the channels of float32 blocks [T, C], as float32 [T], and the channel to take in its place.

    There is one where the channels cancel: where the power of their sum is less than a tenth of the sum of their
    powers, as in opposite phase. It is the one of most power. A constant offset is no power.
    """
    means: list[np.ndarray] = [np.zeros(0, np.float32)]
    parts: list[tuple[int, np.ndarray, np.ndarray]] = []
    channels = 1
    for block in blocks:
        channels = block.shape[1]
        if channels == 1:
            means.append(block[:, 0])
            continue
        rows = np.empty((channels + 1, len(block)), np.float32)
        rows[:-1] = block.T
        with np.errstate(invalid="ignore", over="ignore"):
            rows[-1] = rows[:-1].sum(axis=0)
            parts.append(_power(rows))
        means.append(rows[-1] / np.float32(channels))
    mean = means[1] if len(means) == 2 else np.concatenate(means)
    return mean, _loudest(parts) if channels > 1 and parts else None


def _power(rows: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """How many samples, their mean, and the sum of squares about it, for each row."""
    mean = rows.mean(axis=1, keepdims=True)
    squares = [float(np.dot(row, row)) for row in rows - mean]
    return rows.shape[1], mean[:, 0].astype(np.float64), np.array(squares)


def _loudest(parts: list[tuple[int, np.ndarray, np.ndarray]]) -> int | None:
    counts = np.array([count for count, _, _ in parts], np.float64)[:, None]
    means = np.stack([mean for _, mean, _ in parts])
    squares = np.stack([square for _, _, square in parts])
    with np.errstate(invalid="ignore"):
        about = means - (counts * means).sum(axis=0) / counts.sum()
        power = (squares + counts * about**2).sum(axis=0)
    if power[-1] < CANCELLED * power[:-1].sum():
        return int(power[:-1].argmax())
    return None

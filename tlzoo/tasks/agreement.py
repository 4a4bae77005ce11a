"""How far an exported file's outputs are from the model's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tlzoo.tasks.rows import Output, Outputs, Rows

EPSILON = 1e-12
TIE = 1e-4
"""An answer may change, in any precision, only where outputs are nearer to each other than this share of their scale.
"""


def differences(exported: Rows, reference: Rows) -> np.ndarray:
    """The largest difference of each sample, float64 [N]; infinite where shapes differ or a number is none."""
    found = [_difference(one, other) for one, other in zip(exported, reference, strict=True)]
    return np.array(found, dtype=np.float64)


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    if one.shape != other.shape:
        return float("inf")
    largest = float(np.abs(one.astype(np.float64) - other).max(initial=0.0))
    return float("inf") if np.isnan(largest) else largest


def largest_magnitude(rows: Rows) -> float:
    """The largest value's size, no less than 1e-12."""
    return max(EPSILON, *(float(np.abs(row.astype(np.float64)).max(initial=0.0)) for row in rows), EPSILON)


def agreement(
    outputs: Sequence[Output], exported: Outputs, reference: Outputs, tolerance: float
) -> tuple[dict[str, float], dict[str, np.ndarray], np.ndarray]:
    """The fields of an Agreement by default: scales, differences, and whether no output differs by more than allowed.

    The scale of an output is its largest value, the `tolerance` a share of it. Whole numbers have no scale: they are
    the same or not, and count as that alone.
    """
    scales: dict[str, float] = {}
    found: dict[str, np.ndarray] = {}
    same = np.ones(len(next(iter(reference.values()))), dtype=bool)
    for output in outputs:
        mine, right = exported[output.name], reference[output.name]
        apart = differences(mine, right)
        if np.issubdtype(np.dtype(output.dtype), np.floating):
            scales[output.name], found[output.name] = largest_magnitude(right), apart
            same &= apart <= tolerance * scales[output.name]
        else:
            scales[output.name], found[output.name] = 1.0, np.zeros(len(apart))
            same &= apart == 0
    return scales, found, same


def single_output(
    name: str, exported: Outputs, reference: Outputs, scale: float
) -> tuple[Mapping[str, float], Mapping[str, np.ndarray]]:
    """Scale and differences of a task with one output."""
    return {name: scale}, {name: differences(exported[name], reference[name])}

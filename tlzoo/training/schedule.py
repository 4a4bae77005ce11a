"""The learning-rate finder: a range test (Smith 2017)."""

from __future__ import annotations

import math
from collections.abc import Callable

from tlzoo.progress import progress

LOWEST, HIGHEST, STEPS = 1e-6, 1e-1, 60
SMOOTHING = 0.9
FALLBACK = 1e-5


def find_learning_rate(step: Callable[[float], float]) -> float:
    """A rate for `step(rate)`, which takes one step at that rate and returns its loss.

    Rates rise geometrically from 1e-6 to 1e-1 until the smoothed loss is above four times its least; returned is a
    tenth of the rate at which it was least, and 1e-5 where it never fell below where it began.
    """
    mean, first, best, rate_of_best = 0.0, math.inf, math.inf, LOWEST
    with progress("Finding the learning rate", STEPS, "steps") as advance:
        for number in range(STEPS):
            rate = LOWEST * (HIGHEST / LOWEST) ** (number / (STEPS - 1))
            loss = step(rate)
            advance(1)
            mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
            smooth = mean / (1 - SMOOTHING ** (number + 1))
            first = min(first, smooth) if number < 3 else first
            if not math.isfinite(smooth) or smooth > 4 * best:
                break
            if smooth < best:
                best, rate_of_best = smooth, rate
    return rate_of_best / 10 if best < 0.98 * first else FALLBACK

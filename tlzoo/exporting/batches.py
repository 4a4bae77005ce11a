"""Which inputs a proof runs, and in batches of which sizes: every input once, and no more than a limit in all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

BATCHES = (1, 2, 3, 7)
WHOLE = 32
LARGE = WHOLE + 1
"""One batch that is larger than what a predictor takes by default."""
PER_BATCH_SIZE = 28
LIMIT = 500
"""Held-out samples that a proof looks at, and inputs that it runs, at most; a large batch of repeated inputs aside."""


@dataclass(frozen=True)
class BatchPart:
    """Inputs, by their positions, that run in batches of `size`. They are `again` where they run for a second time;
    then a position may occur more than once."""

    size: int
    positions: np.ndarray
    again: bool = False

    @property
    def where(self) -> str:
        """A part of a sentence on them."""
        return f"in batches of {self.size}"


def plan_batches(count: int) -> list[BatchPart]:
    """Every input once and, where at most LIMIT run then, some of them again at each size: the inputs that are no
    `again` are all of them.

    Of more inputs some run at the small sizes alone: each is compared with the trained model, whatever its batch. The
    large batch is of inputs that run nowhere else. Where there are too few for one batch, they are repeated.
    """
    order = np.random.default_rng(0).permutation(count)
    few = min(PER_BATCH_SIZE, count)
    again = count + len(BATCHES) * few <= LIMIT
    few = few if again else min(few, count // (2 * len(BATCHES)))
    starts = [0 if again else few * at for at in range(len(BATCHES))]
    small = [
        BatchPart(size, np.resize(rows, max(few, size)) if again else rows, again)
        for size, start in zip(BATCHES, starts, strict=True)
        for rows in [np.sort(order[start : start + few])]
    ]
    rest = order if again else order[len(BATCHES) * few :]
    if len(rest) >= LARGE + WHOLE:
        large, rest = BatchPart(LARGE, np.sort(rest[:LARGE])), rest[LARGE:]
    else:
        large = BatchPart(LARGE, np.resize(order, LARGE), again=True)
    return [part for part in (BatchPart(WHOLE, np.sort(rest)), *small, large) if len(part.positions)]


def draw_samples(groups: Sequence[Any], sizes: Sequence[int], seed: int) -> list[int]:
    """Positions, in order, of samples whose `sizes` (how many inputs each is) add up to LIMIT at most; one at least.

    They are drawn by the seed, in the proportion of the `groups`, each of which is drawn from before any is twice.
    """
    if sum(sizes) <= LIMIT:
        return list(range(len(groups)))
    order = np.random.default_rng([seed, 3]).permutation(len(groups))
    members: dict[Any, list[int]] = {}
    for position in order:
        members.setdefault(groups[position], []).append(int(position))
    ranked = [(at / len(each), position) for each in members.values() for at, position in enumerate(each)]
    place = {int(position): at for at, position in enumerate(order)}
    chosen: list[int] = []
    left = LIMIT
    for _, position in sorted(ranked, key=lambda pair: (pair[0], place[pair[1]])):
        if sizes[position] <= left or not chosen:
            chosen.append(position)
            left -= sizes[position]
    return sorted(chosen)

"""Which inputs a proof runs, and in batches of which sizes: every input once, and no more than a limit in all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

BATCHES = (1, 2, 3, 7)
WHOLE = 32
PER_BATCH_SIZE = 28
LIMIT = 500
"""Held-out samples that a proof looks at, and inputs that it runs, at most."""
EXTRA = 2 * WHOLE
"""Inputs whose embeddings and derived outputs are looked at."""


@dataclass(frozen=True)
class BatchPart:
    """Inputs, by their positions, that run in batches of `size`; with `extra` in one batch, whose other outputs count
    too. They are `again` where they run for a second time."""

    size: int
    positions: np.ndarray
    extra: bool = False
    again: bool = False


def plan_batches(count: int) -> list[BatchPart]:
    """Every input once and, where at most LIMIT run then, some of them again at each size: the inputs that are no
    `again` are all of them.

    Of more inputs some run at the small sizes alone: each is compared with the trained model, whatever its batch.
    """
    order = np.random.default_rng(0).permutation(count)
    few = min(PER_BATCH_SIZE, count)
    again = count + len(BATCHES) * few <= LIMIT
    few = few if again else min(few, count // (2 * len(BATCHES)))
    starts = [0 if again else few * at for at in range(len(BATCHES))]
    small = [
        BatchPart(size, np.sort(order[start : start + few]), again=again)
        for size, start in zip(BATCHES, starts, strict=True)
    ]
    rest = order if again else order[len(BATCHES) * few :]
    whole = [BatchPart(WHOLE, np.sort(rest[at : at + WHOLE]), extra=True) for at in range(0, EXTRA, WHOLE)]
    whole.append(BatchPart(WHOLE, np.sort(rest[EXTRA:])))
    return [part for part in (*whole, *small) if len(part.positions)]


def extra_positions(count: int) -> list[int]:
    """The inputs whose embeddings and derived outputs a proof of so many looks at, in the order of its parts."""
    return [int(at) for part in plan_batches(count) if part.extra for at in part.positions]


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

"""The global generators of torch, numpy and Python, which a plugin's code may draw from."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_generators(seed: int) -> None:
    """Seed all three; numpy takes 32 bits of the seed."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


@contextmanager
def keep_generators() -> Iterator[None]:
    """Put the generators back as they were before the block: what is drawn in it has no effect on what follows."""
    others = np.random.get_state(), random.getstate()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        np.random.set_state(others[0])
        random.setstate(others[1])

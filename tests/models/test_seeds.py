"""The global generators: seeded together, and left as they were."""

from __future__ import annotations

import random
from contextlib import suppress

import numpy as np
import pytest
import torch

from tlzoo.models.seeds import keep_generators, seed_generators


def draws() -> tuple[float, float, float]:
    return torch.rand(1).item(), float(np.random.rand()), random.random()


def test_a_seed_sets_all_three():
    with keep_generators():
        seed_generators(7)
        first = draws()
        assert first == (
            torch.rand(1, generator=torch.Generator().manual_seed(7)).item(),
            np.random.RandomState(7).rand(),
            random.Random(7).random(),
        )
        assert all(one != other for one, other in zip(first, draws(), strict=True))
        seed_generators(7)
        assert draws() == first


@pytest.mark.parametrize(("seed", "numpys"), [(2**32 - 1, 2**32 - 1), (2**32, 0), (2**32 + 5, 5)])
def test_numpy_takes_32_bits_of_the_seed(seed: int, numpys: int):
    with keep_generators():
        seed_generators(seed)
        _, drawn, other = draws()
    assert drawn == np.random.RandomState(numpys).rand()
    assert other == random.Random(seed).random()


def test_what_is_drawn_in_the_block_has_no_effect_on_what_follows():
    with keep_generators():
        seed_generators(3)
        expected = draws()
        seed_generators(3)
        with keep_generators():
            draws()
            seed_generators(9)
        assert draws() == expected
        seed_generators(3)
        with suppress(KeyError), keep_generators():
            draws()
            raise KeyError
        assert draws() == expected

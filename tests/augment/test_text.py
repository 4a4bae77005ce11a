"""Token dropout hides inner tokens only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlzoo.augment import make_augment
from tlzoo.augment.text import POLICIES, TextPolicy, drop_tokens


@settings(max_examples=80, deadline=None)
@given(mask=st.lists(st.integers(0, 1), min_size=1, max_size=30), drop=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_the_ends_stay_and_nothing_hidden_comes_back(mask: list[int], drop: float, seed: int):
    given_mask = np.array(mask, np.int64)
    changed = drop_tokens(given_mask, TextPolicy(drop), np.random.default_rng(seed))
    shown = np.flatnonzero(given_mask)
    assert mask == given_mask.tolist()
    assert (changed <= given_mask).all()
    assert set(shown[[0, -1]] if len(shown) else []) <= set(np.flatnonzero(changed))


@pytest.mark.parametrize("tokens", [0, 1, 2])
def test_texts_of_up_to_two_tokens_lose_none(tokens: int):
    mask = (np.arange(6) < tokens).astype(np.int64)
    assert mask.tolist() == drop_tokens(mask, TextPolicy(1.0), np.random.default_rng(0)).tolist()


@pytest.mark.parametrize(("policy", "share"), [("light", 0.05), ("strong", 0.15)])
def test_the_share_of_hidden_tokens_is_as_named(policy: str, share: float):
    mask = np.ones(20_002, np.int64)
    assert 1 - share == pytest.approx(
        drop_tokens(mask, POLICIES[policy], np.random.default_rng(0))[1:-1].mean(), abs=0.01
    )


def test_ids_are_kept_and_padding_does_not_change_the_draw():
    ids, mask = np.arange(60).reshape(2, 30), np.ones((2, 30), np.int64)
    padded = {"input_ids": np.pad(ids, ((0, 0), (0, 9))), "attention_mask": np.pad(mask, ((0, 0), (0, 9)))}
    augment = make_augment("text", "strong", seed=0)
    short, long = augment({"input_ids": ids, "attention_mask": mask}, [3, 4], 1), augment(padded, [3, 4], 1)
    assert np.array_equal(ids, short["input_ids"])
    assert np.array_equal(short["attention_mask"], long["attention_mask"][:, :30])
    assert long["attention_mask"][:, 30:].sum() == 0

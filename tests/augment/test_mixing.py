"""Mixup and CutMix: weights, partners, boxes, and what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tlzoo.augment import Mix, apply_mix, draw_mix
from tlzoo.errors import UsageError


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@settings(max_examples=100, deadline=None)
@given(
    kind=st.sampled_from(["mixup", "cutmix"]),
    alpha=st.floats(1e-3, 1e3),
    n=st.integers(1, 9),
    hw=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    seed=st.integers(0, 2**32),
)
def test_a_draw_is_a_weight_a_permutation_and_a_box_inside(
    kind: str, alpha: float, n: int, hw: tuple[int, int], seed: int
):
    mix = draw_mix(np.random.default_rng(seed), kind, alpha, n, hw)
    assert 0 <= mix.lam <= 1
    assert (np.int64, list(range(n))) == (mix.permutation.dtype, sorted(mix.permutation.tolist()))
    assert (mix.box is None) == (kind == "mixup")
    if mix.box:
        top, bottom, left, right = mix.box
        assert 0 <= top <= bottom <= hw[0]
        assert 0 <= left <= right <= hw[1]
        assert mix.lam == pytest.approx(1 - (bottom - top) * (right - left) / (hw[0] * hw[1]))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_mixup_weights_follow_the_beta_distribution(alpha: float):
    rng = _rng()
    lams = np.array([draw_mix(rng, "mixup", alpha, 2).lam for _ in range(4000)])
    assert pytest.approx(lams.mean(), abs=0.03) == 0.5
    assert 1 / (4 * (2 * alpha + 1)) == pytest.approx(lams.var(), rel=0.1)


def test_mixup_of_floats_is_the_weighted_mean_of_partners():
    x = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))
    (mixed,) = apply_mix((x,), Mix(0.3, np.array([2, 0, 3, 1])))
    torch.testing.assert_close(mixed, torch.stack([0.3 * x[i] + 0.7 * x[j] for i, j in enumerate([2, 0, 3, 1])]))


def test_mixup_of_pictures_rounds_back():
    pictures = torch.tensor([[0, 255, 10], [1, 255, 255]], dtype=torch.uint8).reshape(2, 1, 1, 3)
    (mixed,) = apply_mix((pictures,), Mix(0.4, np.array([1, 0])))
    assert torch.uint8 == mixed.dtype
    assert mixed.reshape(2, 3).tolist() == [[1, 255, 157], [0, 255, 108]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_are_mixed_together_and_keep_their_types(dtype: torch.dtype):
    x, y = torch.rand(3, 4).to(dtype), torch.rand(3, 2)
    mixed = apply_mix((x, y), Mix(0.6, np.array([1, 2, 0])))
    assert [dtype, torch.float32] == [tensor.dtype for tensor in mixed]
    torch.testing.assert_close(mixed[1], 0.6 * y + 0.4 * y[[1, 2, 0]])


@pytest.mark.parametrize("lam", [0.0, 1.0, 0.5])
def test_masks_of_minus_infinity_become_no_nan(lam: float):
    mask = torch.tensor([[0.0, -math.inf, 0.0], [0.0, -math.inf, -math.inf]])
    (mixed,) = apply_mix((mask,), Mix(lam, np.array([1, 0])))
    assert not mixed.isnan().any()


@pytest.mark.parametrize("alpha", [1e-3, 1e-2, 0.1])
def test_weights_too_small_for_float16_are_exactly_nothing(alpha: float):
    rng = _rng()
    lams = np.array([draw_mix(rng, "mixup", alpha, 1).lam for _ in range(500)])
    edge = np.minimum(lams, 1 - lams)
    assert (edge == 0).any()
    assert edge[edge > 0].min(initial=1) > 9e-7


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_cutmix_pastes_the_partners_box_and_nothing_else(dtype: torch.dtype):
    pictures = torch.arange(3).repeat_interleave(6 * 8 * 3).reshape(3, 6, 8, 3).to(dtype)
    (mixed,) = apply_mix((pictures,), Mix(0.75, np.array([1, 2, 0]), (1, 4, 2, 6)))
    expected = pictures.clone()
    expected[:, 1:4, 2:6] = pictures[[1, 2, 0], 1:4, 2:6]
    assert torch.equal(expected, mixed)
    assert dtype == mixed.dtype


def test_cutmix_weighs_each_sample_by_what_is_left_of_it():
    zeros_and_ones = torch.stack([torch.zeros(20, 30, 3), torch.ones(20, 30, 3)])
    for seed in range(30):
        mix = draw_mix(_rng(seed), "cutmix", 1.0, 2, (20, 30))
        (mixed,) = apply_mix((zeros_and_ones,), mix)
        share = mix.lam if mix.permutation[1] == 0 else 1.0
        assert share == pytest.approx(float(mixed[1].mean()), abs=1e-6)


@pytest.mark.parametrize("box", [None, (0, 1, 0, 2)])
@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0])
def test_the_given_tensors_are_not_changed(box: tuple[int, int, int, int] | None, lam: float):
    pictures = torch.rand(2, 3, 4, 3)
    before = pictures.clone()
    (mixed,) = apply_mix((pictures,), Mix(lam, np.array([1, 0]), box))
    mixed += 1
    assert torch.equal(before, pictures)


def test_a_batch_of_one_is_mixed_with_itself():
    picture = torch.rand(1, 4, 4, 3)
    for kind in ("mixup", "cutmix"):
        (mixed,) = apply_mix((picture,), draw_mix(_rng(), kind, 1.0, 1, (4, 4)))
        torch.testing.assert_close(picture, mixed)


@pytest.mark.parametrize(
    ("kind", "alpha", "hw"),
    [("blend", 1.0, (4, 4)), ("mixup", 0.0, None), ("mixup", math.nan, None), ("cutmix", -1.0, (4, 4)),
     ("cutmix", math.inf, (4, 4)), ("cutmix", 1.0, None)],
)  # fmt: skip
def test_a_draw_that_is_not_possible_is_refused_with_a_way_out(kind: str, alpha: float, hw: tuple[int, int] | None):
    with pytest.raises(UsageError) as caught:
        draw_mix(_rng(), kind, alpha, 4, hw)
    assert caught.value.hint


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool])
def test_mixup_refuses_what_has_no_mean(dtype: torch.dtype):
    with pytest.raises(UsageError, match=str(dtype).removeprefix("torch.")):
        apply_mix((torch.ones(2, 3, dtype=dtype),), Mix(0.5, np.array([1, 0])))


@pytest.mark.parametrize("shape", [(2, 8), (2, 3, 2, 2)])
def test_cutmix_refuses_what_is_no_picture_of_that_size(shape: tuple[int, ...]):
    with pytest.raises(UsageError, match="CutMix"):
        apply_mix((torch.zeros(shape),), Mix(0.5, np.array([1, 0]), (0, 4, 0, 4)))

"""Pictures stay what they show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tlzoo.augment.image import OPERATIONS, POLICIES, ImagePolicy, augment_image

WHOLE = (1.0, 1.0)


def _picture(height: int = 48, width: int = 64) -> np.ndarray:
    """Smooth colours with a bright square at the left, so that a mirror shows."""
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.stack([90 + rows, 60 + columns, np.full_like(rows, 120)], axis=-1).clip(0, 255).astype(np.uint8)
    pixels[height // 4 : height // 2, : width // 4] = 250
    return pixels


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 40), width=st.integers(1, 40), policy=st.sampled_from(sorted(POLICIES)), seed=st.integers(0)
)
def test_a_picture_of_any_size_keeps_it(height: int, width: int, policy: str, seed: int):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    changed = augment_image(pixels, POLICIES[policy], np.random.default_rng(seed))
    assert (pixels.shape, np.uint8) == (changed.shape, changed.dtype)


def test_a_policy_that_changes_nothing_gives_the_same_picture():
    nothing = ImagePolicy(scale=WHOLE, ratio=WHOLE, flip=0.0)
    assert np.array_equal(_picture(), augment_image(_picture(), nothing, _rng()))


def test_a_certain_flip_is_the_mirror_image():
    mirrored = augment_image(_picture(), ImagePolicy(scale=WHOLE, ratio=WHOLE, flip=1.0), _rng())
    assert np.array_equal(_picture()[:, ::-1], mirrored)


@pytest.mark.parametrize(
    ("policy", "flips"), [("light", True), ("light-noflip", False), ("strong", True), ("strong-noflip", False)]
)
def test_only_policies_without_noflip_mirror(policy: str, flips: bool):
    brighter_to_the_right = np.tile(np.arange(0, 240, 4, dtype=np.uint8)[None, :, None], (40, 1, 3))
    crop_and_flip = replace(POLICIES[policy], operations=0, erase=0.0)
    views = [augment_image(brighter_to_the_right, crop_and_flip, _rng(seed)) for seed in range(40)]
    mirrored = [bool(view[:, 0].mean() > view[:, -1].mean()) for view in views]
    assert flips == any(mirrored)
    assert not all(mirrored)


@pytest.mark.parametrize(("policy", "near"), [("light", 20), ("strong", 30)])
def test_the_mean_colour_stays_near(policy: str, near: float):
    views = np.stack([augment_image(_picture(), POLICIES[policy], _rng(seed)) for seed in range(100)])
    far = np.abs(views.mean(axis=(1, 2)) - _picture().mean(axis=(0, 1))).max(axis=1)
    assert 0 < np.median(far) < near


def test_light_colours_of_a_grey_picture_stay_grey_and_bounded():
    grey = np.full((8, 8, 3), 100, np.uint8)
    values = np.stack([augment_image(grey, POLICIES["light"], _rng(seed)) for seed in range(200)])
    assert np.ptp(values.astype(int), axis=-1).max() <= 1
    assert values.min() >= 79
    assert values.max() <= 121
    assert np.ptp(values[:, 0, 0, 0].astype(int)) > 30


def test_a_crop_shows_at_least_its_share_of_the_picture():
    columns = np.tile(np.arange(200, dtype=np.uint8)[None, :, None], (200, 1, 3))
    policy = ImagePolicy(scale=(0.6, 1.0), flip=0.0)
    for turned in (columns, columns.transpose(1, 0, 2)):
        shown = [np.ptp(augment_image(turned, policy, _rng(seed)).astype(int)) / 200 for seed in range(60)]
        assert min(shown) > np.sqrt(0.6 * 3 / 4) - 0.02
        assert min(shown) < 0.8


def test_erasing_fills_one_rectangle_within_the_area_bounds():
    black, policy = np.zeros((60, 60, 3), np.uint8), ImagePolicy(scale=WHOLE, ratio=WHOLE, flip=0.0, erase=1.0)
    for seed in range(30):
        touched = augment_image(black, policy, _rng(seed)).any(axis=-1)
        rows, columns = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
        area = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        assert 0.015 < area / 3600 < 0.36
        assert touched.sum() > 0.99 * area


def test_erasing_reaches_every_edge():
    black, policy = np.zeros((6, 6, 3), np.uint8), ImagePolicy(scale=WHOLE, ratio=WHOLE, flip=0.0, erase=1.0)
    small = replace(policy, erased_area=(0.02, 0.04), erased_ratio=(0.9, 1.1))
    touched = np.any([augment_image(black, small, _rng(seed)) for seed in range(400)], axis=(0, 3))
    assert touched.all()


@pytest.mark.parametrize(("strength", "threshold"), [(0.3, 179), (1.0, 0), (0.0, 256)])
def test_solarize_inverts_what_is_bright(strength: float, threshold: int):
    shades = np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (1, 1, 3))
    expected = np.where(shades < threshold, shades, 255 - shades)
    assert np.array_equal(expected, OPERATIONS["solarize"](Image.fromarray(shades), strength))


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_changes_a_picture_alike_every_time_and_no_size(name: str):
    picture = Image.fromarray(_picture())
    for strength in (-0.3, 0.3):
        changed = OPERATIONS[name](picture, strength)
        assert (picture.size, picture.mode) == (changed.size, changed.mode)
        assert np.array_equal(changed, OPERATIONS[name](picture, strength))
        assert (name == "identity") == np.array_equal(picture, changed)


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - {"autocontrast", "equalize"}))
def test_an_operation_of_no_strength_changes_nothing(name: str):
    picture = Image.fromarray(_picture() // 2)
    assert np.array_equal(picture, OPERATIONS[name](picture, 0.0))


@pytest.mark.parametrize(("name", "axis"), [("shear-x", 1), ("shear-y", 0)])
def test_shearing_leaves_the_middle_in_place(name: str, axis: int):
    pixels = np.zeros((41, 41, 3), np.uint8)
    pixels[19:22, 19:22] = 255
    bright = np.argwhere(np.array(OPERATIONS[name](Image.fromarray(pixels), 1.0))[5:-5, 5:-5, 0] > 200) + 5
    assert np.abs(bright.mean(axis=0) - 20).max() < 1

"""Recordings stay finite, bounded and audible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlzoo.augment.audio import POLICIES, AudioPolicy, augment_audio

NOTHING = AudioPolicy(gain=(0.0, 0.0), shift=0.0, snr=(300.0, 300.0))
RATE = 16_000


def _tone(hertz: float = 440.0, amplitude: float = 0.3, samples: int = RATE) -> np.ndarray:
    return (amplitude * np.cos(2 * np.pi * hertz * np.arange(samples) / RATE)).astype(np.float32)


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@settings(max_examples=80, deadline=None)
@given(
    length=st.integers(0, 60),
    peak=st.sampled_from([1e-40, 1e-6, 0.5, 1.0, 30.0, 3e38]),
    policy=st.sampled_from(["light", "strong"]),
    seed=st.integers(0, 2**32),
)
def test_any_recording_stays_finite_and_within_its_bound(length: int, peak: float, policy: str, seed: int):
    samples = np.random.default_rng(seed).uniform(-1, 1, length).astype(np.float32) * np.float32(peak)
    changed = augment_audio(samples, POLICIES[policy], np.random.default_rng(seed))
    assert (samples.shape, np.float32) == (changed.shape, changed.dtype)
    assert np.isfinite(changed).all()
    assert np.abs(changed).max(initial=0) <= max(1.0, np.abs(samples).max(initial=0))


@pytest.mark.parametrize("policy", ["light", "strong"])
def test_silence_stays_silence(policy: str):
    silence = np.zeros(400, np.float32)
    assert np.array_equal(silence, augment_audio(silence, POLICIES[policy], _rng(0)))


def test_a_policy_that_changes_nothing_gives_the_same_recording():
    assert np.abs(_tone() - augment_audio(_tone(), NOTHING, _rng(0))).max() < 1e-6


def test_the_gain_stays_within_six_decibels_either_way():
    policy = replace(NOTHING, gain=(-6.0, 6.0))
    gains = [np.abs(augment_audio(_tone(), policy, _rng(seed))).max() / 0.3 for seed in range(60)]
    assert 10 ** (-6 / 20) - 1e-3 < min(gains) < 0.6
    assert 1.7 < max(gains) < 10 ** (6 / 20) + 1e-3


def test_a_loud_recording_is_not_clipped_but_raised_less():
    changed = augment_audio(_tone(amplitude=0.9), replace(NOTHING, gain=(6.0, 6.0)), _rng(0))
    assert np.abs(_tone(amplitude=1.0) - changed).max() < 1e-5


def test_a_recording_beyond_one_is_neither_clipped_nor_raised():
    changed = augment_audio(_tone(amplitude=2.0), replace(NOTHING, gain=(6.0, 6.0)), _rng(0))
    assert np.abs(_tone(amplitude=2.0) - changed).max() < 1e-5


def test_noise_lies_between_twenty_and_forty_decibels_below():
    def decibels(seed: int) -> float:
        noise = augment_audio(_tone(), replace(NOTHING, snr=(20.0, 40.0)), _rng(seed)) - _tone()
        return float(10 * np.log10(np.mean(_tone() ** 2) / np.mean(noise**2)))

    ratios = [decibels(seed) for seed in range(40)]
    assert 19.8 < min(ratios) < 25
    assert 35 < max(ratios) < 40.2


def test_a_shift_moves_the_recording_by_at_most_a_tenth_and_fills_with_zeros():
    samples = _tone(samples=1000) + 0.5
    offsets = set()
    for seed in range(60):
        changed = augment_audio(samples, replace(NOTHING, shift=0.1), _rng(seed))
        kept = np.flatnonzero(changed)
        offset = int(kept[0]) or int(kept[-1]) - 999
        offsets.add(offset)
        overlap = samples[max(0, -offset) : 1000 - max(0, offset)]
        assert np.abs(overlap - changed[kept[0] : kept[-1] + 1]).max() < 1e-6
    assert -100 <= min(offsets) < -50
    assert 50 < max(offsets) <= 100


@pytest.mark.parametrize("policy", ["light", "strong"])
def test_a_short_recording_in_long_padding_is_not_lost_and_its_padding_stays_silent(policy: str):
    samples = np.pad(_tone(samples=200) + 0.1, (0, 9800))
    for seed in range(40):
        changed = augment_audio(samples, POLICIES[policy], _rng(seed))
        heard = np.flatnonzero(changed)
        assert 150 <= np.ptp(heard) + 1 <= 200
        assert np.abs(changed).max() > 0.05


def test_a_removed_band_is_empty_and_at_most_its_share():
    noise = _rng(9).normal(0, 0.1, RATE).astype(np.float32)
    before = np.abs(np.fft.rfft(noise))
    shares = []
    for seed in range(30):
        after = np.abs(np.fft.rfft(augment_audio(noise, replace(NOTHING, band=0.15), _rng(seed))))
        removed = np.flatnonzero(after < 1e-3 * before)
        shares.append(len(removed) / len(before))
        assert len(removed) == 0 or np.ptp(removed) + 1 - len(removed) <= 2
    assert 0.1 < max(shares) <= 0.151


def test_a_removed_span_is_silent_and_at_most_its_share():
    samples = _tone(samples=2000) + 0.5
    shares = []
    for seed in range(30):
        silent = np.flatnonzero(augment_audio(samples, replace(NOTHING, span=0.15), _rng(seed)) == 0)
        shares.append(len(silent) / 2000)
        assert len(silent) == 0 or np.ptp(silent) + 1 == len(silent)
    assert 0.1 < max(shares) <= 0.15


def test_the_same_tone_is_still_the_loudest_after_light_augmentation():
    for seed in range(20):
        spectrum = np.abs(np.fft.rfft(augment_audio(_tone(1000), POLICIES["light"], _rng(seed))))
        assert pytest.approx(int(spectrum.argmax()), abs=2) == 1000

"""Numbers of any type and several channels become one sound of -1 to 1, by rules that are written down."""

from __future__ import annotations

import numpy as np
import pytest
from shared_fixtures.sound_files import RATE, chirp, encoded

from tlzoo.errors import InputError
from tlzoo.preprocess.audio import LAST, AudioPreprocessor
from tlzoo.specs import AudioSpec

PREPARE = AudioPreprocessor(AudioSpec(sample_rate=RATE, seconds=1))
SOUND = chirp(1)
INT16 = (SOUND * 32_767).astype(np.int16)


def prepared(raw: object) -> np.ndarray:
    return PREPARE([raw])["audio"][0]


@pytest.mark.parametrize(
    "array",
    [
        INT16.astype(np.int32),
        INT16.astype(np.int64),
        INT16.astype(np.int32) << 8,
        INT16.astype(np.int32) << 16,
        INT16.astype(np.int64) << 16,
        (INT16.astype(np.int32) + 2**15).astype(np.uint16),
        INT16.astype(np.int64) + 2**15,
        ((INT16.astype(np.int64) + 2**15) << 16).astype(np.uint32),
    ],
    ids=["int32", "int64", "24 bits", "32 bits", "int64 of 32 bits", "uint16", "offset int64", "uint32"],
)
def test_integers_of_16_bits_are_the_same_sound_in_any_type(array: np.ndarray):
    if array.dtype == np.int64 and array.min() >= 0:
        array = array.astype(np.uint64)
    np.testing.assert_allclose(prepared(array), INT16 / 32_768, atol=1e-7)


def test_8_bits_are_the_same_sound_in_wider_unsigned_types():
    eight = (INT16 // 256 + 128).astype(np.uint8)
    for kind in (np.uint8, np.uint16, np.uint32):
        np.testing.assert_allclose(prepared(eight.astype(kind)), eight / 128 - 1, atol=1e-7)


def test_a_quiet_sound_in_the_upper_half_of_32_bits_stays_quiet():
    np.testing.assert_allclose(prepared((INT16 // 100).astype(np.int32) << 16), INT16 // 100 / 32_768, atol=1e-7)


def test_integers_beyond_32_bits_are_refused():
    with pytest.raises(InputError, match="beyond 32 bits"):
        prepared(INT16.astype(np.int64) << 20)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_floats_on_the_scale_of_integers_are_refused(kind: str):
    with pytest.raises(InputError, match="should lie in"):
        prepared(INT16.astype(kind))


@pytest.mark.parametrize(("form", "subtype"), [("WAV", "FLOAT"), ("WAV", "DOUBLE"), ("AIFF", "FLOAT")])
def test_files_of_floats_on_the_scale_of_integers_are_refused(form: str, subtype: str):
    with pytest.raises(InputError, match="should lie in"):
        prepared(encoded(INT16.astype(np.float64), form, subtype))


def test_floats_a_little_beyond_one_are_left_as_they_are():
    np.testing.assert_array_equal(prepared(3 * SOUND), 3 * SOUND)


@pytest.mark.parametrize("second", [-1.0, -0.8])
def test_channels_in_opposite_phase_give_the_louder_one(second: float):
    stereo = np.stack([SOUND, np.float32(second) * SOUND], axis=1)
    for raw in (stereo, stereo.T, encoded(stereo, "WAV", "FLOAT")):
        np.testing.assert_array_equal(prepared(raw), SOUND)


def test_a_constant_offset_hides_no_opposite_phase():
    stereo = np.stack([SOUND, -SOUND], axis=1) + np.float32(0.3)
    np.testing.assert_allclose(prepared(stereo), SOUND + 0.3, atol=1e-6)


def test_opposite_phase_among_six_channels_is_found():
    six = np.zeros((RATE, 6), np.float32)
    six[:, 1], six[:, 2], six[:, 5] = SOUND, -SOUND, 0.05 * SOUND
    np.testing.assert_array_equal(prepared(six), SOUND)


@pytest.mark.parametrize("channels", [2, 6])
def test_silent_channels_beside_one_are_averaged(channels: int):
    array = np.zeros((RATE, channels), np.float32)
    array[:, 1] = SOUND
    np.testing.assert_allclose(prepared(array), SOUND / channels, atol=1e-7)


def test_channels_with_nothing_in_common_are_averaged():
    noise = np.random.default_rng(0).normal(0, 0.1, (RATE, 2)).astype(np.float32)
    np.testing.assert_allclose(prepared(noise), noise.mean(axis=1), atol=1e-7)


def test_opposite_phase_in_blocks_of_different_loudness_is_found():
    long = np.concatenate([0.01 * chirp(5, 48_000), chirp(5, 48_000)])
    prepare = AudioPreprocessor(AudioSpec(sample_rate=48_000, seconds=10))
    data = encoded(np.stack([long, -long], axis=1), "FLAC", "PCM_24", 48_000)
    np.testing.assert_allclose(prepare([data])["audio"][0], long, atol=1e-6)


def test_a_sound_whose_end_is_marked_ends_with_a_sample_that_is_not_zero():
    ending = np.concatenate([SOUND[:1000], np.zeros(500, np.float32)])
    prepare = AudioPreprocessor(AudioSpec(sample_rate=RATE, seconds=1, mark_end=True))
    audio = prepare([ending])["audio"][0]
    assert not prepared(ending)[1000:].any()
    assert audio[1499] == LAST > 0
    assert not audio[1000:1499].any()
    assert not audio[1500:].any()
    assert prepare([np.zeros(2 * RATE)])["audio"][0, -1] == LAST


def test_a_channel_of_nan_is_refused_and_not_passed_over():
    with pytest.raises(InputError, match="NaN"):
        prepared(np.stack([SOUND, np.full_like(SOUND, np.nan)], axis=1))


def test_masked_samples_are_no_sound():
    sound = np.ma.array(SOUND, mask=np.zeros(len(SOUND), bool))
    np.testing.assert_array_equal(prepared(sound), prepared(SOUND))
    sound[7] = np.ma.masked
    with pytest.raises(InputError, match="masked samples"):
        prepared(sound)

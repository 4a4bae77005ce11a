"""Recordings: gain, shift, white noise, and SpecAugment on the waveform."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class AudioPolicy:
    """`gain` and `snr` are ranges in dB; `shift` is the largest share of the length, `band` of the spectrum and `span`
    of the recording that may be moved or silenced.
    """

    gain: tuple[float, float] = (-6.0, 6.0)
    shift: float = 0.1
    snr: tuple[float, float] = (20.0, 40.0)
    band: float = 0.0
    span: float = 0.0


POLICIES = {"light": AudioPolicy(), "strong": AudioPolicy(band=0.15, span=0.15)}


def augment_audio(samples: np.ndarray, policy: AudioPolicy, rng: np.random.Generator) -> np.ndarray:
    """Another view of the recording float32 [T], of the same shape; silence, and padding at its ends, stay silent.

    Nothing grows beyond ±1, or beyond the recording's own peak where that is more.
    """
    heard = np.flatnonzero(samples)
    if not len(heard):
        return samples.copy()
    start, end = int(heard[0]), int(heard[-1]) + 1
    limit = max(1.0, float(np.abs(samples).max()))
    recording = samples[start:end].astype(np.float64)  # squares and spectra of large floats leave float32's range
    recording *= min(10 ** (rng.uniform(*policy.gain) / 20), limit / np.abs(recording).max())
    recording += _noise(recording, policy.snr, rng)
    if policy.band:
        recording = _mask_band(recording, policy.band, rng)
    if policy.span:
        _mask_time(recording, policy.span, rng)
    recording = np.clip(recording, -limit, limit)
    return _place(recording, _shifted_start(start, len(recording), len(samples), policy.shift, rng), len(samples))


def _noise(recording: np.ndarray, snr: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """White noise as long as the recording, at a signal-to-noise ratio drawn from these dB."""
    power = float(np.mean(np.square(recording)))
    scale = np.sqrt(power / 10 ** (rng.uniform(*snr) / 10))
    noise: np.ndarray = rng.standard_normal(len(recording), dtype=np.float32) * scale
    return noise


def _mask_band(recording: np.ndarray, widest: float, rng: np.random.Generator) -> np.ndarray:
    """One band of frequencies removed: SpecAugment's frequency mask (Park et al. 2019)."""
    spectrum = np.fft.rfft(recording)
    first, last = _random_span(len(spectrum), widest, rng)
    spectrum[first:last] = 0
    return np.fft.irfft(spectrum, len(recording))


def _mask_time(recording: np.ndarray, longest: float, rng: np.random.Generator) -> None:
    """One span of time set to zero, in place: SpecAugment's time mask (Park et al. 2019)."""
    first, last = _random_span(len(recording), longest, rng)
    recording[first:last] = 0


def _random_span(length: int, largest: float, rng: np.random.Generator) -> tuple[int, int]:
    """The ends of a random stretch of at most this share of the length."""
    width = int(rng.uniform(0, largest) * length)
    first = int(rng.integers(length - width, endpoint=True))
    return first, first + width


def _shifted_start(start: int, length: int, total: int, largest: float, rng: np.random.Generator) -> int:
    """Where the recording starts now: moved by at most this share of the total, losing at most this share of itself."""
    loss, reach = int(largest * length), int(largest * total)
    earliest = max(-loss, start - reach)
    latest = min(total - length + loss, start + reach)
    return int(rng.integers(earliest, latest, endpoint=True))


def _place(recording: np.ndarray, start: int, total: int) -> np.ndarray:
    """The recording in `total` samples of silence, from `start` on; what lies outside is lost."""
    placed = np.zeros(total, np.float32)
    kept = recording[max(0, -start) : max(0, total - start)]
    placed[max(0, start) : max(0, start) + len(kept)] = kept
    return placed

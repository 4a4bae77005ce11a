"""Recordings become mono float32 samples at the model's rate; everything after that happens inside the graph."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tlzoo.errors import InputError
from tlzoo.io.regular import open_regular
from tlzoo.preprocess.prepared import Limit, PreparedArrays
from tlzoo.preprocess.sounds.channels import mix
from tlzoo.preprocess.sounds.decoding import MARGIN_SECONDS, frames_in, read_sound
from tlzoo.preprocess.sounds.parts import check_rate
from tlzoo.preprocess.sounds.scale import as_floats, check_samples
from tlzoo.specs import AudioSpec

_EXPECTED = "Give a path, bytes, an array at the model's rate, or (array, sample rate)."
LAST = np.float32(1e-30)
"""In place of a last sample of 0 with `mark_end`: all zeros behind are padding, and nothing else is."""


class AudioPreprocessor:
    """Recordings in, `{"audio": float32 [N, T]}` out: mono, `sample_rate` Hz, T = round(seconds * sample_rate)."""

    def __init__(self, spec: AudioSpec) -> None:
        self.spec = spec
        self.samples = round(spec.seconds * spec.sample_rate)
        self.limit = Limit(spec.seconds, "s")

    def __call__(self, inputs: Sequence[Any]) -> dict[str, np.ndarray]:
        """Decode, mix, resample, cut or pad with zeros at the end.

        An input is a path, the bytes of an audio file, an array at the model's rate, or `(array, sample rate)`. Arrays
        are [T], or 2-D with the channels along the shorter axis; integers are scaled to -1..1 (`full_scale`). Channels
        become their mean, or the loudest of them where they cancel (`mix`). Files are read no further than needed, and
        what follows the first sound of a file in it is read too. Raises InputError naming the input and what is wrong
        with it: missing, empty, not audio, cut short, without samples, NaN or infinite values, floats beyond -2..2.
        """
        audio, longer = np.zeros((len(inputs), self.samples), np.float32), list[bool]()
        for position, raw in enumerate(inputs):
            samples = self._load(raw, _name(raw, position))
            longer.append(len(samples) > self.samples)
            samples = samples[: self.samples]
            audio[position, : len(samples)] = samples
            if self.spec.mark_end and not samples[-1]:
                audio[position, len(samples) - 1] = LAST
        return PreparedArrays({"audio": audio}, longer)

    def _load(self, raw: Any, name: str) -> np.ndarray:
        match raw:
            case str() | Path():
                sounds = _read_path(Path(raw), name, self.spec.seconds)
            case bytes() | bytearray() | memoryview():
                sounds = _read_stream(io.BytesIO(raw), len(raw), name, self.spec.seconds)
            case np.ndarray():
                sounds = [_from_array(raw, self.spec.sample_rate, name, self.spec.seconds)]
            case (np.ndarray() as array, int() | float() | np.number() as given):
                sounds = [_from_array(array, float(given), name, self.spec.seconds)]
            case _:
                raise InputError(f"{name} is of type {type(raw).__name__}, not a recording.", hint=_EXPECTED)
        check_samples(np.concatenate([samples for samples, _ in sounds]) if len(sounds) > 1 else sounds[0][0], name)
        resampled = [_resample(samples, rate, self.spec.sample_rate) for samples, rate in sounds]
        whole = np.concatenate(resampled) if len(sounds) > 1 else resampled[0]
        return whole if len(whole) else np.zeros(1, np.float32)  # of less than half a sample at this rate


def _name(raw: Any, position: int) -> str:
    if not isinstance(raw, str | Path):
        return f"Recording number {position + 1}"
    return f"Recording '{raw}'" if str(raw).isprintable() else f"Recording {str(raw)!r}"


def _read_path(path: Path, name: str, seconds: float) -> list[tuple[np.ndarray, float]]:
    try:
        with open_regular(path) as file:
            return _read_stream(file, path.stat().st_size, name, seconds)
    except FileNotFoundError as cause:
        raise InputError(f"{name} does not exist.", hint="Check the path.") from cause
    except (OSError, ValueError) as cause:
        reason = getattr(cause, "strerror", None) or cause
        raise InputError(f"{name} cannot be opened: {reason}.", hint="Give the path of an audio file.") from cause


def _read_stream(file: BinaryIO, size: int, name: str, seconds: float) -> list[tuple[np.ndarray, float]]:
    """The sounds in an open file of `size` bytes, each as mono samples [T] and their rate."""
    if not size:
        raise InputError(f"{name} is empty (zero bytes).", hint="Remove it, or copy it again.")
    return read_sound(file, size, name, seconds)


def _from_array(array: np.ndarray, rate: float, name: str, seconds: float) -> tuple[np.ndarray, float]:
    """Mono float32 samples [T] and their rate, from an array of any real type."""
    check_rate(rate, name)
    if array.ndim not in (1, 2):
        raise InputError(f"{name} has {array.ndim} axes, not 1 or 2.", hint=_EXPECTED)
    if array.ndim == 2 and array.shape[0] < array.shape[1]:
        array = array.T
    floats = as_floats(array, frames_in(seconds + MARGIN_SECONDS, rate), name, _EXPECTED)
    if floats.ndim == 1:
        return floats, rate
    samples, channel = mix([floats] if floats.size else [])
    return (samples if channel is None else floats[:, channel]), rate


def _resample(samples: np.ndarray, rate: float, to: float) -> np.ndarray:
    if rate == to or not len(samples):
        return samples
    import soxr

    resampled: np.ndarray = soxr.resample(samples, rate, to, quality="HQ")
    return resampled

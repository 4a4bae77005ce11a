"""Recordings become mono float32 samples at the model's rate; everything after that happens inside the graph."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tlzoo.errors import InputError
from tlzoo.io.regular import open_regular
from tlzoo.preprocess import Limit, PreparedArrays
from tlzoo.specs import AudioSpec

Read = Callable[[int], np.ndarray]

_BLOCK_FRAMES = 65_536
_MARGIN_SECONDS = 0.25  # read past the cut, so that the resampling filter sees what follows it
_MIN_RATE, _MAX_RATE = 1, 768_000
_MAX_CHUNKS = 10_000  # of a WAV file, before its sound
_UNKNOWN_WAV_SIZE = 0x7FFFF000  # what pipes write, who cannot know the length when the header is due
_EXPECTED = "Give a path, bytes, an array at the model's rate, or (array, sample rate)."


class SeekableSource:
    """A file as libsndfile wants one: it seeks before the start of broken ones, which Python prints a traceback for."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.tell = file.read, file.tell
        self._seek = file.seek

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Where the file then is; unmoved where there is no such place."""
        try:
            return self._seek(offset, whence)
        except (OSError, ValueError):
            return self.tell()


class AudioPreprocessor:
    """Recordings in, `{"audio": float32 [N, T]}` out: mono, `sample_rate` Hz, T = round(seconds * sample_rate)."""

    def __init__(self, spec: AudioSpec) -> None:
        self.spec = spec
        self.samples = round(spec.seconds * spec.sample_rate)
        self.limit = Limit(spec.seconds, "s")

    def __call__(self, inputs: Sequence[Any]) -> dict[str, np.ndarray]:
        """Decode, mix, resample, cut or pad with zeros at the end.

        An input is a path, the bytes of an audio file, an array at the model's rate, or `(array, sample rate)`. Arrays
        are [T], or 2-D with the channels along the shorter axis; floats are taken as they are (nominally -1..1),
        integers are scaled to -1..1. Files are read no further than needed. Raises InputError naming the input and
        what is wrong with it: missing, empty, not audio, cut short, without samples, NaN or infinite values.
        """
        audio, longer = np.zeros((len(inputs), self.samples), np.float32), list[bool]()
        for position, raw in enumerate(inputs):
            samples = self._load(raw, _name(raw, position))
            longer.append(len(samples) > self.samples)
            audio[position, : len(samples)] = samples[: self.samples]
        return PreparedArrays({"audio": audio}, longer)

    def _load(self, raw: Any, name: str) -> np.ndarray:
        match raw:
            case str() | Path():
                samples, rate = _read_path(Path(raw), name, self.spec.seconds)
            case bytes() | bytearray() | memoryview():
                samples, rate = _read_stream(io.BytesIO(raw), len(raw), name, self.spec.seconds)
            case np.ndarray():
                samples, rate = _from_array(raw, self.spec.sample_rate, name, self.spec.seconds)
            case (np.ndarray() as array, int() | float() | np.number() as given):
                samples, rate = _from_array(array, float(given), name, self.spec.seconds)
            case _:
                raise InputError(f"{name} is of type {type(raw).__name__}, not a recording.", hint=_EXPECTED)
        if not len(samples):
            raise InputError(f"{name} holds no samples.", hint="Remove it, or record it again.")
        if not np.isfinite(samples).all():
            raise InputError(f"{name} holds NaN or infinite samples.", hint="Remove it, or record it again.")
        return _resample(samples, rate, self.spec.sample_rate)


def _name(raw: Any, position: int) -> str:
    if not isinstance(raw, str | Path):
        return f"Recording number {position + 1}"
    return f"Recording '{raw}'" if str(raw).isprintable() else f"Recording {str(raw)!r}"


def _read_path(path: Path, name: str, seconds: float) -> tuple[np.ndarray, float]:
    try:
        with open_regular(path) as file:
            return _read_stream(file, path.stat().st_size, name, seconds)
    except FileNotFoundError as cause:
        raise InputError(f"{name} does not exist.", hint="Check the path.") from cause
    except (OSError, ValueError) as cause:
        reason = getattr(cause, "strerror", None) or cause
        raise InputError(f"{name} cannot be opened: {reason}.", hint="Give the path of an audio file.") from cause


def _read_stream(file: BinaryIO, size: int, name: str, seconds: float) -> tuple[np.ndarray, float]:
    """Mono float32 samples [T] and their rate, from an open file of `size` bytes."""
    import soundfile

    if not size:
        raise InputError(f"{name} is empty (zero bytes).", hint="Remove it, or copy it again.")
    _check_wav_length(file, size, name)
    try:
        with soundfile.SoundFile(SeekableSource(file)) as sound:
            _check_rate(sound.samplerate, name)
            wanted = min(sound.frames, _frames(seconds, sound.samplerate))
            samples = _read_blocks(lambda count: sound.read(count, dtype="float32", always_2d=True), wanted)
            cut_short = len(samples) < wanted and sound.format not in {"MP3", "MPEG"}  # an MP3's length is an estimate
            rate = float(sound.samplerate)
    except soundfile.SoundFileError as cause:
        reason = str(cause).rpartition(": ")[2].rstrip(".")
        raise InputError(f"{name} cannot be read as audio: {reason}.", hint="Use WAV, FLAC, OGG or MP3.") from cause
    if cut_short:
        raise InputError(f"{name} is truncated: {len(samples)} of {wanted} frames.", hint="Copy it again.")
    return samples, rate


def _frames(seconds: float, rate: float) -> int:
    return math.ceil((seconds + _MARGIN_SECONDS) * rate)


def _read_blocks(read: Read, wanted: int) -> np.ndarray:
    """At most `wanted` frames, mixed block by block so that memory stays bounded at any number of channels."""
    blocks, done = [np.zeros(0, np.float32)], 0
    while done < wanted:
        block = read(min(_BLOCK_FRAMES, wanted - done))
        if not len(block):
            break
        blocks.append(block.mean(axis=1, dtype=np.float32))
        done += len(block)
    return np.concatenate(blocks)


def _check_wav_length(file: BinaryIO, size: int, name: str) -> None:
    """Raise InputError for a WAV whose data chunk claims more bytes than are there; libsndfile reads it silently."""
    try:
        head = file.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return
        for _ in range(_MAX_CHUNKS):
            chunk = file.read(8)
            if len(chunk) < 8:
                return
            kind, claimed = struct.unpack("<4sI", chunk)
            there = size - file.tell()
            if kind == b"data":
                if there < claimed < _UNKNOWN_WAV_SIZE:
                    message = f"{name} is truncated: its header says {claimed} bytes of audio, the file has {there}."
                    raise InputError(message, hint="Copy it again.")
                return
            file.seek(claimed + claimed % 2, io.SEEK_CUR)
        raise InputError(f"{name} has more than {_MAX_CHUNKS} chunks before its audio data.", hint="Save it again.")
    finally:
        file.seek(0)


def _from_array(array: np.ndarray, rate: float, name: str, seconds: float) -> tuple[np.ndarray, float]:
    """Mono float32 samples [T] and their rate, from an array of any real type."""
    _check_rate(rate, name)
    if array.ndim not in (1, 2):
        raise InputError(f"{name} has {array.ndim} axes, not 1 or 2.", hint=_EXPECTED)
    if array.ndim == 2 and array.shape[0] < array.shape[1]:
        array = array.T
    array = array[: _frames(seconds, rate)]
    match array.dtype.kind:
        case "f":
            samples = array
        case "i":
            samples = array / -float(np.iinfo(array.dtype).min)
        case "u":
            half = (np.iinfo(array.dtype).max + 1) / 2
            samples = (array - half) / half
        case _:
            raise InputError(f"{name} is an array of {array.dtype}, not of numbers.", hint=_EXPECTED)
    if samples.ndim == 2:
        samples = samples.mean(axis=1, dtype=np.float64) if samples.size else samples.reshape(-1)
    with np.errstate(over="ignore"):
        return samples.astype(np.float32), rate


def _check_rate(rate: float, name: str) -> None:
    if not _MIN_RATE <= rate <= _MAX_RATE:
        raise InputError(f"{name} has a sample rate of {rate:g} Hz.", hint=f"Supported: {_MIN_RATE} to {_MAX_RATE} Hz.")


def _resample(samples: np.ndarray, rate: float, to: float) -> np.ndarray:
    if rate == to:
        return samples
    import soxr

    resampled: np.ndarray = soxr.resample(samples, rate, to, quality="HQ")
    return resampled

"""The sound of MP4, M4A, WebM, Matroska, AAC and WMA files. Reads through PyAV, the extra `tlzoo[containers]`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tlzoo.errors import InputError
from tlzoo.io.inputs.kinds import CONTAINER
from tlzoo.io.regular import open_regular
from tlzoo.preprocess.sounds.channels import mix
from tlzoo.preprocess.sounds.parts import COPY, View, check_rate, truncated
from tlzoo.preprocess.sounds.pieces import EBML, find_pieces

_SLACK = 0.25  # seconds that a duration may be longer than the sound, such as the encoder's delay


def read_container(file: BinaryIO, size: int, name: str, seconds: float) -> list[tuple[np.ndarray, float]]:
    """The first sound of each of the files that follow one another: mono float32 samples [T], and their rate.

    Together they are of at most `seconds`. Raises InputError without PyAV, and for a file that has no sound, is
    damaged, ends before its duration, or has bytes behind it that would not be heard.
    """
    _check_installed(name)
    first, fault = _try_decode(View(file), name, seconds)
    if first is not None and first.full:
        return [(first.samples, first.rate)]
    pieces = find_pieces(file, size, name)
    alone = pieces == [(0, size)]
    sounds = []
    for start, stop in pieces:
        sound, fault = (first, fault) if alone else _try_decode(View(file, start, stop), name, seconds)
        if sound is None:
            raise fault or truncated(name, "it has no whole frame")
        if not sound.full and sound.seconds < min(seconds, sound.duration - _SLACK):
            raise truncated(name, f"it holds {sound.seconds:.2f} of {sound.duration:.2f} s")
        sounds.append((sound.samples, sound.rate))
        seconds -= sound.seconds
        if sound.full or seconds <= 0:
            break
    return sounds


@dataclass(frozen=True)
class _FirstSound:
    """Mono samples, whether they are as many as were wanted, and the seconds that the file claims of these."""

    samples: np.ndarray
    rate: float
    full: bool
    duration: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / self.rate


def _try_decode(file: View, name: str, seconds: float) -> tuple[_FirstSound | None, InputError | None]:
    """The first sound of a file, or the error where FFmpeg reads none of it."""
    try:
        import av
    except ImportError as cause:
        raise InputError(f"{name} needs PyAV, which cannot be imported: {cause}.", hint="Install it anew.") from cause
    try:
        with av.open(file, mode="r", format=_demuxer(file)) as container:
            if not container.streams.audio:
                return None, InputError(f"{name} has no sound in it.", hint="Remove it from the data.")
            stream = container.streams.audio[0]
            blocks, rate = _decode(container, stream, seconds)
            duration = _duration(container, stream)
    except (av.error.FFmpegError, ValueError) as cause:
        reason = getattr(cause, "strerror", None) or str(cause)
        error = InputError(f"{name} cannot be read as audio: {reason}.", hint=COPY)
        error.__cause__ = cause
        return None, error
    check_rate(rate, name)
    samples, channel = mix(blocks)
    if channel is not None:
        samples = np.concatenate([block[:, channel] for block in blocks])
    most = math.ceil(seconds * rate)
    return _FirstSound(samples[:most], rate, len(samples) >= seconds * rate, duration), None


def check_whole(path: Path, name: str) -> None:
    """Raise InputError for a file that `read_container` would refuse: without PyAV, or where its last part is cut."""
    _check_installed(name)
    with open_regular(path) as file:
        find_pieces(file, path.stat().st_size, name)


def _check_installed(name: str) -> None:
    if not CONTAINER.there:
        raise InputError(
            f"{name} is {CONTAINER.name}, which needs PyAV.", hint=f"Install it: pip install 'tlzoo[{CONTAINER.extra}]'"
        )


def _demuxer(file: View) -> str:
    """FFmpeg's name for the format, so that it tries no other: some would open what else a file names."""
    file.seek(0)
    head = file.read(8)
    file.seek(0)
    if head[4:] == b"ftyp":
        return "mp4"
    return "matroska" if head[:4] == EBML else "aac" if head[0] == 0xFF or head[:3] == b"ID3" else "asf"


def _decode(container: Any, stream: Any, seconds: float) -> tuple[list[np.ndarray], float]:
    """Float32 blocks [T, C] of `seconds` or a little more, and their rate, by the decoder and not by the file."""
    from av import AudioResampler

    resampler = AudioResampler(format="fltp")
    blocks, frames, rate = [], 0, 1.0
    for frame in container.decode(stream):
        for plain in resampler.resample(frame):
            blocks.append(plain.to_ndarray().T)
            frames, rate = frames + plain.samples, float(plain.sample_rate)
        if blocks and frames >= seconds * rate:
            break
    return blocks, rate


def _duration(container: Any, stream: Any) -> float:
    """Seconds of sound by the file's own account; 0 where it has none, or one of all its streams together."""
    if container.format.name == "aac":  # FFmpeg would estimate it
        return 0.0
    if stream.duration:
        return float(stream.duration * stream.time_base)
    hours, _, rest = stream.metadata.get("DURATION", "").partition(":")
    minutes, _, whole = rest.partition(":")
    try:
        return int(hours) * 3600 + int(minutes) * 60 + float(whole)
    except ValueError:
        alone = len(container.streams) == 1 and container.duration
        return container.duration / 1e6 if alone else 0.0

"""The sound of MP4, M4A, WebM, Matroska, AAC and WMA files. Reads through PyAV, the extra `tlzoo[containers]`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tlzoo.errors import InputError
from tlzoo.io.inputs.kinds import CONTAINER
from tlzoo.io.regular import open_regular
from tlzoo.preprocess.sounds.channels import mix
from tlzoo.preprocess.sounds.parts import COPY, check_rate, truncated

_MOST_ELEMENTS = 1_000_000
_SLACK = 0.25  # seconds that a duration may be longer than the sound, such as the encoder's delay
_EBML, _SEGMENT, _CLUSTER = b"\x1aE\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"


def read_container(file: BinaryIO, size: int, name: str, seconds: float) -> tuple[np.ndarray, float]:
    """The first sound of the file: mono float32 samples [T] of at most `seconds`, and their rate.

    Raises InputError without PyAV, and for a file that has no sound, is damaged, or ends before its duration.
    """
    _check_installed(name)
    try:
        import av
    except ImportError as cause:
        raise InputError(f"{name} needs PyAV, which cannot be imported: {cause}.", hint="Install it anew.") from cause
    try:
        with av.open(file, mode="r", format=_demuxer(file)) as container:
            if not container.streams.audio:
                raise InputError(f"{name} has no sound in it.", hint="Remove it from the data.")
            stream = container.streams.audio[0]
            blocks, rate = _decode(container, stream, seconds)
            duration = _duration(container, stream)
    except (av.error.FFmpegError, ValueError) as cause:
        _check_whole(file, size, name)
        reason = getattr(cause, "strerror", None) or str(cause)
        raise InputError(f"{name} cannot be read as audio: {reason}.", hint=COPY) from cause
    check_rate(rate, name)
    samples, channel = mix(blocks)
    if channel is not None:
        samples = np.concatenate([block[:, channel] for block in blocks])
    if len(samples) < seconds * rate:
        _check_whole(file, size, name)
        if len(samples) < min(seconds, duration - _SLACK) * rate:
            raise truncated(name, f"it holds {len(samples) / rate:.2f} of {duration:.2f} s")
    return samples[: math.ceil(seconds * rate)], rate


def check_whole(path: Path, name: str) -> None:
    """Raise InputError for a file that `read_container` would refuse: without PyAV, or where its last part is cut."""
    _check_installed(name)
    with open_regular(path) as file:
        _check_whole(file, path.stat().st_size, name)


def _check_installed(name: str) -> None:
    if not CONTAINER.there:
        raise InputError(
            f"{name} is {CONTAINER.name}, which needs PyAV.", hint=f"Install it: pip install 'tlzoo[{CONTAINER.extra}]'"
        )


def _demuxer(file: BinaryIO) -> str:
    """FFmpeg's name for the format, so that it tries no other: some would open what else a file names."""
    file.seek(0)
    head = file.read(8)
    file.seek(0)
    if head[4:] == b"ftyp":
        return "mp4"
    return "matroska" if head[:4] == _EBML else "aac" if head[0] == 0xFF or head[:3] == b"ID3" else "asf"


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


def _check_whole(file: BinaryIO, size: int, name: str) -> None:
    """Raise InputError where the last element of an MP4 or Matroska file is cut, and for several MP4s in one file, of
    which one would be heard."""
    file.seek(0)
    head = file.read(16)
    end_of = _end_of_box if head[4:8] == b"ftyp" else _end_of_element if head[:4] == _EBML else None
    at = 0
    for number in range(_MOST_ELEMENTS if end_of else 0):
        if at >= size:
            break
        file.seek(at)
        head = file.read(16)
        if number and head[4:8] == b"ftyp" and end_of is _end_of_box:
            raise InputError(f"{name} holds several files, one after another.", hint="Split it, or save it as WAV.")
        at = end_of(head, at, size) if end_of else size
    if at > size:
        raise truncated(name, f"its last part ends at byte {at:,}, the file at {size:,}")


def _end_of_box(head: bytes, at: int, size: int) -> int:
    """Where a box of an MP4 ends: its length has 32 bits, or 64 behind its name, or is 0 for the last."""
    length = int.from_bytes(head[:4], "big")
    if length == 1:
        length = int.from_bytes(head[8:16], "big")
    return size if length == 0 else at + max(length, 8)


def _end_of_element(head: bytes, at: int, size: int) -> int:
    """Where an element of a Matroska file ends, or begins to hold others: those that hold the sound are looked into."""
    first = head[:1].ljust(1, b"\1")[0] or 1
    name = 9 - first.bit_length()
    second = head[name : name + 1].ljust(1, b"\1")[0] or 1
    width = 9 - second.bit_length()
    start = at + name + width
    if head[:name] in (_SEGMENT, _CLUSTER):
        return start
    length = int.from_bytes(head[name : name + width], "big") & (1 << 7 * width) - 1
    return size if length == (1 << 7 * width) - 1 else start + length

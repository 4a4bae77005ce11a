"""A sound file to samples: by libsndfile, part for part, and nothing of it unread."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from tlzoo.errors import InputError
from tlzoo.io.inputs.kinds import HEAD, is_container
from tlzoo.preprocess.sounds import chunks, flac, mpeg, ogg
from tlzoo.preprocess.sounds.channels import mix
from tlzoo.preprocess.sounds.parts import COPY, Part, View, check_rate, truncated

if TYPE_CHECKING:
    from soundfile import SoundFile

MARGIN_SECONDS = 0.25
"""Read past the cut, so that the resampling filter sees what follows it."""
_BLOCK_FRAMES = 65_536
_MPEG = {"MP3", "MPEG"}
_FORMATS = {"WAV", "WAVEX", "RF64", "AIFF", "AU", "CAF", "FLAC", "OGG", *_MPEG}
_MOST_BYTES = 2**28  # of a file whose container is walked: more than any window holds
_MOST_PARTS = 1000
_MPEG_SECOND = 56_000  # bytes: 448 kbit/s
_SUPPORTED = "Use WAV, FLAC, OGG or MP3."


@dataclass(frozen=True)
class _Sound:
    """Mono samples, whether they are as many as were wanted, and how many the file claims of these."""

    samples: np.ndarray
    rate: float
    full: bool
    claimed: int
    mpeg: bool

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / self.rate


def read_sound(file: BinaryIO, size: int, name: str, seconds: float) -> list[tuple[np.ndarray, float]]:
    """Mono float32 samples [T] and their rate, for each of the sounds that follow one another in a file.

    Read is what `seconds` need and a little more. Raises InputError where bytes of sound would be left unread.
    """
    head = file.read(HEAD)
    seconds += MARGIN_SECONDS
    if is_container(head) or is_container(_behind_tag(file, head)):
        from tlzoo.preprocess.sounds.containers import read_container

        return read_container(file, size, name, seconds)
    family = _family(file, head)
    file.seek(0)
    if family == "mpeg":
        sounds = _read_mpeg(file, size, name, seconds)
    elif family in ("flac", "ogg"):
        sounds = _read_framed(file, family, name, seconds)
    else:
        sounds = _decode_all(chunks.read_parts(file, size, name), name, seconds)
        if sounds[0].mpeg:  # behind bytes of another kind
            sounds = _read_mpeg(file, size, name, seconds)
    return [(sound.samples, sound.rate) for sound in sounds]


def frames_in(seconds: float, rate: float) -> int:
    """How many frames of a sound are read for so many seconds."""
    return math.ceil(seconds * rate)


def _behind_tag(file: BinaryIO, head: bytes) -> bytes:
    """The first bytes behind a tag; empty where there is none."""
    if head[:3] != b"ID3":
        return b""
    file.seek(mpeg.tag_end(head, 0) or 0)
    return file.read(HEAD)


def _family(file: BinaryIO, head: bytes) -> str:
    """`flac`, `ogg` or `mpeg`, a tag before it or not; empty for others."""
    if head[:3] == b"ID3":
        head = _behind_tag(file, head)
        return {b"fLaC": "flac", b"OggS": "ogg", b"RIFF": ""}.get(head[:4], "mpeg")
    known = {b"fLaC": "flac", b"OggS": "ogg"}.get(head[:4])
    return known or ("mpeg" if mpeg.header_at(head, 0) else "")


def _read_mpeg(file: BinaryIO, size: int, name: str, seconds: float) -> list[_Sound]:
    scanned = seconds + MARGIN_SECONDS  # a decoder leaves out the delay of the encoder
    file.seek(0)
    tag = mpeg.tag_end(file.read(10), 0) or 0
    for length in (tag + round(scanned * _MPEG_SECOND) + 2**20, _MOST_BYTES):
        file.seek(0)
        data = file.read(min(length, size))
        streams = mpeg.read_streams(data, name, scanned, complete=len(data) == size)
        ended = sum(stream.frames * stream.header.samples / stream.header.rate for stream in streams) < scanned
        if not ended or len(data) == size:
            break
    if ended:
        mpeg.check_counts(streams, name)
    parts = mpeg.make_parts(data, streams)
    if len(streams) > 1:
        return _decode_all(parts, name, seconds)
    first, fault = _try_decode(View(file), name, seconds)
    expected = 0
    if streams:
        expected = streams[0].samples + (0 if streams[0].is_whole() else streams[0].header.samples)
    if first and (first.full or len(first.samples) >= expected):
        return [first]
    if not streams:
        raise fault or truncated(name, "it has no whole frame")
    return _decode_all(parts, name, seconds)


def _read_framed(file: BinaryIO, family: str, name: str, seconds: float) -> list[_Sound]:
    """FLAC and Ogg: the container is walked where its first sound ends within what is wanted, or has a fault."""
    first, fault = _try_decode(View(file), name, seconds)
    if first and first.full:
        if family == "ogg":
            read = file.tell()
            file.seek(0)
            ogg.read_parts(file.read(read), name, complete=False)
        return [first]
    file.seek(0)
    data = file.read(_MOST_BYTES)
    parts = flac.read_parts(data) if family == "flac" else ogg.read_parts(data, name)
    if len(parts) > 1 or (parts and (not first or len(first.samples) < parts[0].frames)):
        sounds = _decode_all(parts, name, seconds)
    elif not first:
        raise fault or truncated(name, "it has no whole frame")
    else:
        _check_length(first, 0, name)
        sounds = [first]
    if family == "flac":
        flac.check_ends(data, len(sounds) - sounds[-1].full, name)
    return sounds


def _decode_all(parts: Iterable[Part], name: str, seconds: float) -> list[_Sound]:
    """The sounds of all parts, as far as they are needed; raises InputError for one that ends too early."""
    sounds: list[_Sound] = []
    for number, part in enumerate(parts):
        if number == _MOST_PARTS:
            raise InputError(f"{name} holds more than {number:,} sounds in a row.", hint="Split it.")
        sound, fault = _try_decode(part.file, name, seconds)
        if sound is None and part.frames and fault:
            raise InputError(f"{name} is truncated or damaged: {fault.__cause__}", hint=COPY) from fault.__cause__
        if sound is None:
            raise fault or truncated(name, "it has no whole frame")
        _check_length(sound, part.frames, name)
        sounds.append(sound)
        seconds -= sound.seconds
        if sound.full or seconds <= 0:
            break
    return sounds


def _check_length(sound: _Sound, frames: int, name: str) -> None:
    wanted = max(sound.claimed, frames)
    if len(sound.samples) < wanted and not sound.full:
        raise truncated(name, f"{len(sound.samples):,} of {wanted:,} frames")


def _try_decode(file: View, name: str, seconds: float) -> tuple[_Sound | None, InputError | None]:
    """The sound, or the error where libsndfile reads nothing of it."""
    import soundfile

    file.seek(0)
    try:
        with soundfile.SoundFile(file) as sound:
            return _read_open(sound, name, seconds), None
    except soundfile.SoundFileError as cause:
        reason = str(cause).rpartition(": ")[2].rstrip(".")
        error = InputError(f"{name} cannot be read as audio: {reason}.", hint=_SUPPORTED)
        error.__cause__ = cause
        return None, error


def _read_open(sound: SoundFile, name: str, seconds: float) -> _Sound:
    check_rate(sound.samplerate, name)
    if sound.format not in _FORMATS:
        raise InputError(f"{name} is of the format {sound.format}.", hint=_SUPPORTED)
    most = frames_in(seconds, sound.samplerate)
    wanted = min(sound.frames, most)
    samples, channel = mix(_blocks(sound, wanted))
    if channel is not None:
        sound.seek(0)
        samples = np.concatenate([block[:, channel] for block in _blocks(sound, wanted)])
    is_mpeg = sound.format in _MPEG  # whose length is an estimate
    return _Sound(samples, float(sound.samplerate), len(samples) >= most, 0 if is_mpeg else wanted, is_mpeg)


def _blocks(sound: SoundFile, wanted: int) -> Iterator[np.ndarray]:
    """Blocks of at most `wanted` frames together, so that memory stays bounded at any number of channels."""
    while wanted > 0:
        block = sound.read(min(_BLOCK_FRAMES, wanted), dtype="float32", always_2d=True)
        if not len(block):
            return
        wanted -= len(block)
        yield block

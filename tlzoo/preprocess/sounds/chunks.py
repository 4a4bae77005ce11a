"""WAV, RF64, AIFF, CAF and AU: how long the sound is by their headers, and what lies behind it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from tlzoo.errors import InputError
from tlzoo.preprocess.sounds.parts import Part, View, is_filling, truncated

_MOST_CHUNKS = 10_000
_UNKNOWN = 0x7FFFF000  # sizes from here on are what pipes write, who cannot know the length when the header is due
_BEHIND = 2**20  # bytes behind the sound that are looked at
_AU_UNKNOWN = 0xFFFFFFFF


@dataclass(frozen=True)
class _Layout:
    """How a format writes chunks: name and size, and which of them is the sound; chunks are padded to `align` bytes."""

    start: int
    header: str
    sound: bytes
    align: int = 2


@dataclass(frozen=True)
class _SoundChunk:
    """Where the chunk with the sound begins, how long it claims to be, and where that is written."""

    start: int
    claimed: int
    size_at: int
    size_format: str


_WAV, _AIFF, _CAF = _Layout(12, "<4sI", b"data"), _Layout(12, ">4sI", b"SSND"), _Layout(8, ">4sq", b"data", 1)
_LAYOUTS = {b"RIFF": _WAV, b"RIFX": _Layout(12, ">4sI", b"data"), b"RF64": _WAV, b"BW64": _WAV, b"FORM": _AIFF}
_REPAIR = "Keep what its header says: ffmpeg -i OLD.wav -c copy NEW.wav; or all: with -ignore_length 1 before -i."
_FORMS = (b"WAVE", b"AIFF", b"AIFC")


def read_parts(file: BinaryIO, size: int, name: str) -> Iterator[Part]:
    """The sounds of a file, one after another, with sizes in their headers that are true; itself where it is of another
    format.

    Raises InputError for a header that claims more sound than is there, and for bytes behind the sound that are neither
    chunks nor a tag: they may be sound that no decoder would reach.
    """
    start = 0
    while start < size:
        file.seek(start)
        head = file.read(12)
        if head[:4] == b".snd":
            _check_au(file, start, size, name)
        layout = _CAF if head[:4] == b"caff" else _LAYOUTS.get(head[:4]) if head[8:] in _FORMS else None
        part, end = _part(file, start, size, layout, name) if layout else (None, size)
        yield part or Part(View(file, start))
        start = end


def _part(file: BinaryIO, start: int, size: int, layout: _Layout, name: str) -> tuple[Part | None, int]:
    """The sound that begins here, and where another begins, or the file ends."""
    sound = _find_sound(file, start, size, layout, name)
    if sound is None:
        return None, size
    there = size - sound.start
    if there < sound.claimed < (_UNKNOWN if sound.size_format[1] == "I" else 2**62):
        raise truncated(name, f"its header says {sound.claimed:,} bytes of sound, the file has {there:,}")
    if not 0 <= sound.claimed <= there:
        return Part(View(file, start, patches=_true_size(sound, there))), size
    end = sound.start + sound.claimed
    end += -sound.claimed % layout.align
    another = _end_of_chunks(file, end, size, layout, unfinished=not sound.claimed)
    if another is not None:
        return Part(View(file, start, another if another < size else None)), another
    if sound.claimed == 0:
        return Part(View(file, start, patches=_true_size(sound, there))), size
    raise InputError(
        f"{name} has {size - end:,} bytes behind its sound that belong to nothing; its header says {sound.claimed:,} "
        f"bytes of sound.",
        hint=_REPAIR if layout is _WAV else "Save it as WAV or FLAC, with a program that reads all of it.",
    )


def _find_sound(file: BinaryIO, start: int, size: int, layout: _Layout, name: str) -> _SoundChunk | None:
    width = struct.calcsize(layout.header)
    at = start + layout.start
    long: tuple[int, int] | None = None  # where ds64 has the size, and the size
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        chunk = file.read(width)
        if len(chunk) < width:
            return None
        kind, claimed = struct.unpack(layout.header, chunk)
        if kind == b"ds64" and claimed >= 16:
            long = at + width + 8, struct.unpack("<8xQ", file.read(16).ljust(16, b"\0"))[0]
        if kind == layout.sound:
            if long and claimed == 0xFFFFFFFF:
                return _SoundChunk(at + width, long[1], long[0], "<Q")
            return _SoundChunk(at + width, claimed, at + 4, layout.header[0] + layout.header[-1])
        if claimed < 0 or at > size:
            return None
        at += width + claimed + claimed % layout.align
    raise InputError(f"{name} has more than {_MOST_CHUNKS} chunks before its sound.", hint="Save it anew.")


def _true_size(sound: _SoundChunk, there: int) -> dict[int, bytes]:
    """The size in the header as it should be: that of all that is there, or as much of it as can be written."""
    most = 2**31 - 2**16 if sound.size_format[1] == "I" else 2**62
    return {sound.size_at: struct.pack(sound.size_format, min(there, most))}


def _end_of_chunks(file: BinaryIO, at: int, size: int, layout: _Layout, *, unfinished: bool) -> int | None:
    """Where another file begins behind these chunks, or all ends; `None` where something is no chunk."""
    width = struct.calcsize(layout.header)
    for _ in range(_MOST_CHUNKS):
        if size - at < width:
            return size
        file.seek(at)
        head = file.read(width)
        if _LAYOUTS.get(head[:4]) and file.read(12 - width) in _FORMS:
            return at
        if len(head) == width:
            kind, claimed = struct.unpack(layout.header, head)
            if kind != layout.sound and all(32 <= byte < 127 for byte in kind) and 0 <= claimed <= size - at - width:
                at += width + claimed + claimed % layout.align
                continue
        file.seek(at)
        rest = file.read(_BEHIND)
        return size if not unfinished and is_filling(rest) else None
    return None


def _check_au(file: BinaryIO, start: int, size: int, name: str) -> None:
    file.seek(start + 4)
    offset, claimed = struct.unpack(">II", file.read(8).ljust(8, b"\0"))
    there = size - start - offset
    if claimed == _AU_UNKNOWN:
        return
    if claimed > there:
        raise truncated(name, f"its header says {claimed:,} bytes of sound, the file has {there:,}")
    file.seek(start + offset + claimed)
    if not is_filling(file.read(_BEHIND)):
        raise InputError(
            f"{name} has {there - claimed:,} bytes behind its sound that its header does not know.",
            hint="Save it as WAV or FLAC.",
        )

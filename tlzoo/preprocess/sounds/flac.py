"""FLAC: its last frame found, as a header may not know how many samples there are, or be wrong about them."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import NamedTuple

from tlzoo.preprocess.sounds.parts import Part, View, damaged, is_filling

_MOST_MISSES = 100_000  # places that look like a frame and are none
_LEAST_FRAME = 8  # bytes
_INFO = 34  # bytes of the first block, STREAMINFO
_CODED_SIZES = {
    1: 192,
    **{code: 576 << (code - 2) for code in range(2, 6)},
    **{code: 1 << code for code in range(8, 16)},
}
_BITS = {8: 1, 12: 2, 16: 4, 20: 5, 24: 6, 32: 7}


class Info(NamedTuple):
    """What STREAMINFO says of a stream."""

    block: int
    bits: int
    samples: int
    channels: int
    longest: int


def read_parts(data: bytes) -> list[Part]:
    """The streams of a file, one after another, each with the number of samples that its frames have."""
    parts = []
    for start, stop in pairwise([*_starts(data), len(data)]):
        stream = data[start:stop]
        info = _info(stream)
        last = _last_frame(stream, info)
        frames = max(last[1] if last else 0, info.samples)
        if frames != info.samples:  # 36 bits
            head = (stream[21] >> 4 << 36 | frames).to_bytes(5, "big")
            stream = stream[:21] + head + stream[26:]
        parts.append(Part(View(io.BytesIO(stream)), frames))
    return parts


def _starts(data: bytes) -> list[int]:
    found, at = [], data.find(b"fLaC")
    while at >= 0:
        if data[at + 4 : at + 8] in (b"\0\0\0\x22", b"\x80\0\0\x22") and len(data) >= at + 8 + _INFO:
            found.append(at)
        at = data.find(b"fLaC", at + 4)
    return found


def _info(stream: bytes) -> Info:
    block = int.from_bytes(stream[8:10], "big")
    bits = ((stream[20] & 1) << 4 | stream[21] >> 4) + 1
    return Info(
        block,
        bits,
        int.from_bytes(stream[21:26], "big") & 0xFFFFFFFFF,
        (stream[20] >> 1 & 7) + 1,
        int.from_bytes(stream[10:12], "big"),
    )


def check_ends(data: bytes, count: int, name: str) -> None:
    """Raise InputError for bytes behind one of the first `count` streams that are none of its sound.

    The last frame ends where its checksum is right: zeros or a tag may follow.
    """
    for start, stop in list(pairwise([*_starts(data), len(data)]))[:count]:
        stream = data[start:stop]
        info = _info(stream)
        last = _last_frame(stream, info)
        ends = [last[0] + end for end in _frame_ends(stream[last[0] :], info)] if last else []
        if ends and not any(is_filling(stream[end:]) for end in ends):
            raise damaged(name, f"{len(stream) - ends[0]:,} bytes behind its last frame are neither frames nor a tag")


def _frame_ends(frame: bytes, info: Info) -> list[int]:
    """Where the frame can end by its checksum: 16 bits, by the polynomial 0x8005, are right now and then by chance."""
    most = info.channels * (info.longest * (info.bits + 1) // 8 + 8) + 32
    value, ends = 0, []
    for at, byte in enumerate(frame[:most]):
        value = (value << 8 & 0xFFFF) ^ _CRC16[value >> 8 ^ byte]
        if value == 0 and at > _LEAST_FRAME:
            ends.append(at + 1)
    return ends


def _last_frame(stream: bytes, info: Info) -> tuple[int, int] | None:
    """Where the last frame with a whole header begins, and the number of samples up to its end.

    What looks like a header may be none: a frame counts where it is the first, or another ends where it begins.
    """
    first = _first_frame(stream)
    mark = stream[first : first + 2]
    ends: dict[int, tuple[int, int]] = {}
    at = len(stream)
    for _ in range(_MOST_MISSES if len(mark) == 2 else 0):
        at = stream.rfind(mark, first, at)
        if at < 0:
            break
        found = _samples_at(stream, at, info)
        if found is None:
            continue
        start, end = found
        if start == 0:
            return ends.get(end, (at, end))
        if end in ends:
            return ends[end]
        ends.setdefault(start, (at, end))
    return None


def _first_frame(stream: bytes) -> int:
    """Where the blocks of metadata end; each has a flag in its first byte, and then its length."""
    at, last = 4, False
    while not last and at < len(stream):
        last = stream[at] >= 0x80
        at += 4 + int.from_bytes(stream[at + 1 : at + 4], "big")
    return at


def _samples_at(stream: bytes, at: int, info: Info) -> tuple[int, int] | None:
    """The first sample of the frame that starts here, and the one behind its last; `None` where none does."""
    head = stream[at : at + 16]
    if len(head) < 7 or head[1] & 0xFE != 0xF8 or head[3] >> 4 > 10 or head[3] & 1:
        return None
    if head[3] >> 1 & 7 not in (0, _BITS.get(info.bits, 0)):
        return None
    coded, place = _coded_number(head)
    size, rate = head[2] >> 4, head[2] & 15
    if coded is None or size == 0 or rate == 15:
        return None
    block = _CODED_SIZES.get(size, 0)
    if size in (6, 7):
        width = size - 5
        block = int.from_bytes(head[place : place + width], "big") + 1
        place += width
    place += {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if place >= len(head) or _crc8(head[:place]) != head[place]:
        return None
    start = coded if head[1] & 1 else coded * info.block
    return start, start + block


def _coded_number(head: bytes) -> tuple[int | None, int]:
    """The number of the frame, or of its first sample, written as UTF-8 writes code points; where it ends."""
    first = head[4]
    if first < 0x80:
        return first, 5
    length = 8 - (first ^ 0xFF).bit_length()
    rest = head[5 : 4 + length]
    if not 2 <= length <= 7 or len(rest) != length - 1 or any(byte & 0xC0 != 0x80 for byte in rest):
        return None, 5
    number = first & (0x7F >> length)
    for byte in rest:
        number = number << 6 | byte & 0x3F
    return number, 4 + length


def _crc8(head: bytes) -> int:
    value = 0
    for byte in head:
        value = _CRC8[value ^ byte]
    return value


def _shifted(value: int, polynomial: int, bits: int) -> int:
    value <<= bits - 8
    for _ in range(8):
        value = (value << 1 ^ polynomial) & (1 << bits) - 1 if value >> bits - 1 else value << 1
    return value


_CRC8 = [_shifted(value, 0x07, 8) for value in range(256)]
_CRC16 = [_shifted(value, 0x8005, 16) for value in range(256)]

"""MPEG audio (MP3): its frames counted by their headers, as a decoder goes by an estimate or by what a tag claims."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from tlzoo.preprocess.sounds.parts import Part, View, damaged, truncated

_BITRATES = {  # kbit/s, by MPEG-1 or not and layer
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_MOST_MISSES = 100_000  # places that look like a frame and are none
_FRAMES, _BYTES = 1, 2  # flags of a Xing tag: what it has


class Header(NamedTuple):
    """What the four bytes before a frame say; `kind` is alike in all frames of a stream."""

    kind: tuple[int, int, int, bool]
    size: int
    samples: int
    rate: int


@dataclass
class Stream:
    """Frames in one piece, and what a Xing tag before them claims their number to be; `trimmed` are the samples at both
    ends that the tag says are none of the sound."""

    start: int
    stop: int
    header: Header
    frames: int = 0
    claimed: int | None = None
    trimmed: int = 0

    @property
    def samples(self) -> int:
        """How many samples a decoder has to give at least: the first frame may lack what it builds on."""
        return (self.frames - 1) * self.header.samples - self.trimmed

    def is_whole(self) -> bool:
        """Whether its tag has the right count, give or take the tag's own frame."""
        return self.claimed is not None and abs(self.claimed - self.frames) <= 1


def header_at(data: bytes, at: int) -> Header | None:
    """The frame header at this place, if there is one; none of a free bit rate."""
    return _header(data[at : at + 4]) if data[at : at + 1] == b"\xff" else None


@lru_cache(1024)
def _header(head: bytes) -> Header | None:
    if len(head) < 4 or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bits, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or bits in (0, 15) or rate == 3:
        return None
    hertz, padding = _RATES[version][rate], head[2] >> 1 & 1
    bitrate = 1000 * _BITRATES[version == 3, layer][bits]
    samples = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1152
    size = (12 * bitrate // hertz + padding) * 4 if layer == 1 else samples // 8 * bitrate // hertz + padding
    return Header((version, layer, rate, head[3] >> 6 == 3), size, samples, hertz)


def tag_end(data: bytes, at: int) -> int | None:
    """Where a tag that starts here ends: ID3v2, ID3v1, APE or Lyrics3."""
    if data[at : at + 3] == b"ID3" and at + 10 <= len(data):
        size = sum((byte & 127) << (7 * (3 - place)) for place, byte in enumerate(data[at + 6 : at + 10]))
        return at + 10 + size + (10 if data[at + 5] & 16 else 0)
    if data[at : at + 3] == b"TAG":
        return at + 128
    if data[at : at + 11] == b"LYRICSBEGIN":
        ends = [end for mark in (b"LYRICS200", b"LYRICSEND") if (end := data.find(mark, at)) >= 0]
        return min(ends) + 9 if ends else None
    if data[at : at + 8] == b"APETAGEX" and at + 32 <= len(data):
        size, flags = struct.unpack("<I4xI", data[at + 12 : at + 24])
        return at + 32 + (size if flags & 0x20000000 else 0)
    return None


def read_streams(data: bytes, name: str, seconds: float, *, complete: bool) -> list[Stream]:
    """The streams in the first `seconds` of MPEG sound; raises InputError where it ends within a frame.

    A stream ends where another encoder's tag begins, the kind of frames changes, or a tag is between them. Anything
    else between frames, but before another encoder's tag, or behind them for a frame's length, is damage. With
    `complete`, the data is the file to its end.
    """
    streams: list[Stream] = []
    heard = 0.0
    for at, header in _headers(data):
        if heard >= seconds:
            break
        if at + header.size > len(data):
            if complete and streams and streams[-1].header.kind == header.kind:
                raise truncated(name, f"its last frame has {len(data) - at} of {header.size} bytes")
            break
        claimed = _xing_count(data, at, header)
        last = streams[-1] if streams else None
        if last is not None and last.stop != at and claimed is None and (lost := _untagged(data[last.stop : at])):
            raise damaged(name, f"{len(lost):,} bytes between its frames are neither frames nor a tag")
        if last is None or claimed is not None or last.stop != at or last.header.kind != header.kind:
            trimmed = _trimmed(data, at, header) if claimed else 0
            last = Stream(at, at, header, claimed=claimed, trimmed=trimmed)
            streams.append(last)
        last.stop = at + header.size
        if claimed is None:
            last.frames += 1
            heard += header.samples / header.rate
    if complete and streams and heard < seconds:
        last = streams[-1]
        rest = _untagged(data[last.stop :]).strip(b"\0")
        if len(rest) >= last.header.size:
            raise damaged(name, f"{len(rest):,} bytes behind its last frame are neither frames nor a tag")
    return [stream for stream in streams if stream.frames]


def _untagged(data: bytes) -> bytes:
    """What is left of some bytes without the tags that they begin with; nothing where a tag goes on behind them."""
    at = 0
    while 0 <= at < len(data):
        end = tag_end(data, at)
        if end is None:
            return data[at:]
        at = end
    return b""


def check_counts(streams: list[Stream], name: str) -> None:
    """Raise InputError for a stream whose tag claims more frames than are there."""
    for stream in streams:
        if stream.claimed is not None and stream.claimed > stream.frames + 1:
            raise truncated(name, f"its header says {stream.claimed} frames, the file has {stream.frames}")


def make_parts(data: bytes, streams: list[Stream]) -> Iterator[Part]:
    """What the decoder takes, each with a tag of the right count before it."""
    for stream in streams:
        body = data[stream.start : stream.stop]
        if not stream.is_whole():
            if stream.claimed is not None:
                first = header_at(data, stream.start)
                body = body[first.size if first else 0 :]
            body = _xing_frame(body, stream) + body
        yield Part(View(io.BytesIO(body)), stream.samples)


def _headers(data: bytes) -> Iterator[tuple[int, Header]]:
    """The frames in their order, over tags and whatever else is between them."""
    at, known, misses = 0, False, 0
    while 0 <= at < len(data) and misses < _MOST_MISSES:
        header = header_at(data, at)
        if header is not None and (known or _is_followed(data, at + header.size, header)):
            yield at, header
            at, known = at + header.size, True
        else:
            end, misses = tag_end(data, at), misses + 1
            at, known = (data.find(b"\xff", at + 1) if end is None else end), False


def _is_followed(data: bytes, at: int, header: Header) -> bool:
    """Whether a frame of this kind, a tag or the end is where a frame ends: what looks like a header may be none."""
    after = header_at(data, at)
    return (after is not None and after.kind[:3] == header.kind[:3]) or at == len(data) or tag_end(data, at) is not None


def _side_information(header: Header) -> int:
    """Bytes between a frame's header and its sound, of layer III."""
    version, _, _, mono = header.kind
    return (17 if mono else 32) if version == 3 else (9 if mono else 17)


def _xing_count(data: bytes, at: int, header: Header) -> int | None:
    """How many frames follow a frame that is a tag of Xing's, LAME's or Fraunhofer's; `None` for one with sound."""
    if header.kind[1] != 3:
        return None
    tag = at + 4 + _side_information(header)
    if data[tag : tag + 4] in (b"Xing", b"Info"):
        flags, frames = struct.unpack(">II", data[tag + 4 : tag + 12].ljust(8, b"\0"))
        return frames if flags & _FRAMES else 0
    if data[at + 36 : at + 40] == b"VBRI":
        return int.from_bytes(data[at + 50 : at + 54], "big")
    return None


def _trimmed(data: bytes, at: int, header: Header) -> int:
    """Samples before and behind the sound by LAME's part of a Xing tag, 12 bits each."""
    tag = at + 4 + _side_information(header)
    flags = int.from_bytes(data[tag + 4 : tag + 8], "big")
    lame = tag + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    if data[tag : tag + 4] not in (b"Xing", b"Info") or not data[lame : lame + 4].isalnum():
        return 0
    both = int.from_bytes(data[lame + 21 : lame + 24], "big")
    return (both >> 12) + (both & 0xFFF)


def _xing_frame(body: bytes, stream: Stream) -> bytes:
    """A frame without sound whose tag has the stream's count; nothing for layers that have no such tag."""
    if stream.header.kind[1] != 3:
        return b""
    first = bytearray(body[:4])
    first[1] |= 1  # no checksum
    for bits in range(1, 15):
        first[2] = bits << 4 | (first[2] & 0b1100)
        header = header_at(bytes(first), 0)
        tag = 4 + _side_information(stream.header)
        if header is not None and header.size >= tag + 16:
            frame = first + bytes(header.size - 4)
            counts = (_FRAMES | _BYTES, stream.frames, header.size + len(body))
            frame[tag : tag + 16] = b"Xing" + struct.pack(">III", *counts)
            return bytes(frame)
    return b""

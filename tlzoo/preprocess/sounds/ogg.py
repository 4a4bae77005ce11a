"""Ogg (Vorbis, Opus, FLAC): its pages walked, as a decoder stops at the first of several streams in a row."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from tlzoo.errors import InputError
from tlzoo.preprocess.sounds.parts import COPY, Part, View, is_filling, truncated

_BEGINS = 2  # a flag of the first page of a stream


class Page(NamedTuple):
    """A page's place, and what its header says."""

    start: int
    stop: int
    flags: int
    serial: int
    number: int


def read_parts(data: bytes, name: str, *, complete: bool = True) -> list[Part]:
    """The streams of a file that follow one another; those side by side are one part.

    Raises InputError for a page that is cut, damaged or missing, over which a decoder would skip, and for bytes that
    are no page. Without `complete`, the data is the beginning of a file.
    """
    starts: list[int] = []
    numbers: dict[int, int] = {}
    beginning, end = False, 0
    for page in _pages(data, name, complete):
        if page.flags & _BEGINS and not beginning:
            starts.append(page.start)
            numbers.clear()
        elif not page.flags & _BEGINS and numbers.get(page.serial, page.number - 1) != page.number - 1:
            raise truncated(name, f"pages are missing before byte {page.start}")
        beginning, end = bool(page.flags & _BEGINS), page.stop
        numbers[page.serial] = page.number
    return [Part(View(io.BytesIO(data[start:stop]))) for start, stop in pairwise([*starts, end])]


def _pages(data: bytes, name: str, complete: bool) -> Iterator[Page]:
    at = max(0, data.find(b"OggS"))  # a tag may stand before it
    while at < len(data):
        segments = data[at + 26] if at + 27 <= len(data) else 0
        lacing = data[at + 27 : at + 27 + segments]
        stop = at + 27 + segments + sum(lacing)
        if (at + 27 > len(data) or stop > len(data)) and not complete:
            return
        if data[at : at + 4] != b"OggS":
            if is_filling(data[at:]):
                return
            raise InputError(f"{name} has bytes that are no Ogg page, from byte {at} on.", hint=COPY)
        if at + 27 > len(data) or stop > len(data):
            raise truncated(name, f"its last page, from byte {at} on, is cut")
        if _checksum(data[at : at + 22] + bytes(4) + data[at + 26 : stop]) != data[at + 22 : at + 26]:
            raise InputError(f"{name} is damaged: the page from byte {at} on has another checksum.", hint=COPY)
        serial, number = (int.from_bytes(data[at + place : at + place + 4], "little") for place in (14, 18))
        yield Page(at, stop, data[at + 5], serial, number)
        at = stop


_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def _checksum(page: bytes) -> bytes:
    """Ogg's own: zlib's polynomial over bits in the other order, from 0 on and not inverted."""
    mirrored = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return mirrored.to_bytes(4, "little").translate(_REVERSED)[::-1]

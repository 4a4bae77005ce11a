"""The files that follow one another in an MP4, Matroska, ASF or AAC file, and what belongs to none of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from tlzoo.errors import InputError
from tlzoo.preprocess.sounds import mpeg
from tlzoo.preprocess.sounds.parts import is_filling, truncated

EBML = b"\x1aE\xdf\xa3"
_HEAD, _MOST_ELEMENTS, _TAG_HEAD = 64, 1_000_000, 2**20
_SEGMENT, _CLUSTER = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
_ELEMENTS = {  # of a segment, and of a cluster
    *(_SEGMENT, _CLUSTER, EBML, b"\xec", b"\xbf"),
    *(bytes.fromhex(name) for name in "114d9b74 1549a966 1654ae6b 1c53bb6b 1941a469 1043a770 1254c367".split()),
    *(bytes.fromhex(name) for name in "e7 5854 a7 ab a3 a0 af".split()),
}
_BOXES = set(b"ftyp moov mdat free skip wide udta meta moof mfra styp sidx ssix uuid pdin prft emsg junk pnot".split())
_ASF_HEADER, _ASF_DATA = (
    bytes.fromhex(name) for name in ("3026b2758e66cf11a6d900aa0062ce6c", "3626b2758e66cf11a6d900aa0062ce6c")
)
_ASF_OBJECTS = {_ASF_HEADER, _ASF_DATA} | {
    bytes.fromhex(name)
    for name in (
        "90080033b1e5cf1189f400a0c90349cb",
        "d329e2d6da35d111903400a0c90349be",
        "f803b1fead12644c840f2a1d2f7ad48c",
        "d03fb73c4a0c0348953dedf7b6228f0c",
    )
}


def find_pieces(file: BinaryIO, size: int, name: str) -> list[tuple[int, int]]:
    """Where each of the files in a row begins and ends, in bytes.

    Raises InputError where the last part of one is cut, and for bytes that belong to none.
    """
    file.seek(0)
    head = file.read(_HEAD)
    walk = _elements if head[:4] == EBML else _boxes if head[4:8] == b"ftyp" else None
    walk = walk or (_objects if head[:16] == _ASF_HEADER else _frames)
    pieces: list[tuple[int, int]] = []
    for count, (at, stop, begins) in enumerate(walk(file, size, name)):
        if stop > size:
            raise truncated(name, f"its last part ends at byte {stop:,}, the file at {size:,}")
        pieces.append((at, stop) if begins or not pieces else (pieces.pop()[0], stop))
        if count == _MOST_ELEMENTS:
            return [*pieces[:-1], (pieces[-1][0], size)]
    return pieces


def _read(file: BinaryIO, at: int, count: int = _HEAD) -> bytes:
    file.seek(at)
    return file.read(count)


def _check_rest(file: BinaryIO, at: int, size: int, name: str) -> None:
    """Raise InputError for bytes that are none of the file; zeros and tags with a title are left."""
    head = _read(file, at, _TAG_HEAD)
    while head and not head.strip(b"\0"):
        head = file.read(_TAG_HEAD)
    if head and not is_filling(head):
        raise InputError(
            f"{name} has {size - at:,} bytes behind its sound that belong to nothing.",
            hint="Split it, or save it as WAV or FLAC with a program that reads all of it.",
        )


def _boxes(file: BinaryIO, size: int, name: str) -> Iterator[tuple[int, int, bool]]:
    """The boxes of an MP4: a length has 32 bits, or 64 behind the box's name, or is 0 for the last."""
    at = 0
    while at < size:
        head = _read(file, at)
        length, box = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        stop = size if length == 0 else at + max(length, 8)
        if (box not in _BOXES and stop > size) or not (box.isascii() and box.strip(b"\0")):
            return _check_rest(file, at, size, name)
        yield at, stop, box == b"ftyp"
        at = stop


def _elements(file: BinaryIO, size: int, name: str) -> Iterator[tuple[int, int, bool]]:
    """The elements of a Matroska file; those that hold the sound end where they begin to hold others."""
    at, segment = 0, size
    while at < size:
        head = _read(file, at, 16)
        element = head[: _width(head)]
        width = _width(head[len(element) :])
        start = at + len(element) + width
        length = int.from_bytes(head[len(element) : len(element) + width], "big") & (1 << 7 * width) - 1
        stop = size if length == (1 << 7 * width) - 1 else start + length
        outside = at >= segment and element not in (EBML, _SEGMENT, b"\xec", b"\xbf")
        if outside or head[0] < 0x10 or (element not in _ELEMENTS and stop > size):
            return _check_rest(file, at, size, name)
        if element == _SEGMENT:
            segment = stop
            if stop > size:
                yield at, stop, False
        stop = start if element in (_SEGMENT, _CLUSTER) else stop
        yield at, stop, element == EBML
        at = stop


def _width(number: bytes) -> int:
    """How many bytes a number has, which as many leading zeros of its first byte say."""
    return 9 - max(number[0] if number else 1, 1).bit_length()


def _objects(file: BinaryIO, size: int, name: str) -> Iterator[tuple[int, int, bool]]:
    """The objects of an ASF file, of which a live recording does not know how long its data is."""
    at = 0
    while at < size:
        head = _read(file, at)
        length = int.from_bytes(head[16:24], "little")
        if head[:16] not in _ASF_OBJECTS:
            return _check_rest(file, at, size, name)
        live = head[:16] == _ASF_DATA and length <= 50
        stop = size if live else at + max(length, 24)
        yield at, stop, head[:16] == _ASF_HEADER
        at = stop


def _frames(file: BinaryIO, size: int, name: str) -> Iterator[tuple[int, int, bool]]:
    """The frames of an AAC file without a container; another kind of them, or a tag, begins another file."""
    at, kind = 0, b""
    while at < size:
        head = _read(file, at, 10)
        if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
            end = mpeg.tag_end(_read(file, at, _TAG_HEAD), at=0)
            if end is None:
                return _check_rest(file, at, size, name)
            at, kind = at + end, b""
            continue
        fixed = bytes([head[1] & 0xFE, head[2] & 0xFD, head[3] & 0xC0])
        stop = at + max(7, (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5)
        yield at, stop, fixed != kind
        at, kind = stop, fixed

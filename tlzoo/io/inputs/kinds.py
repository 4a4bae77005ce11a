"""What a file is by its first bytes, whatever it is called."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from typing import NamedTuple

HEAD = 132
"""How many bytes `kind_of` looks at."""

_PORTABLE = re.compile(rb"P[1-6]\s")
_IMAGES = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    *(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),  # JPEG 2000, in boxes and bare
)
_SOUNDS = (b"fLaC", b"OggS", b"ID3", b".snd", b"caff")
_RIFF = {b"WEBP": "image", b"WAVE": "audio"}
_AIFF = (b"AIFF", b"AIFC")
_AVIF = (b"avif", b"avis")
_MATROSKA, _ASF = b"\x1aE\xdf\xa3", b"0&\xb2u\x8ef\xcf\x11"

CODESTREAM, _CONTAINER = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
"""With what a JPEG XL begins, bare or in boxes."""


class Format(NamedTuple):
    """A format that an extra reads: how it is called, the extra and the module that comes with it."""

    name: str
    extra: str
    module: str

    @property
    def there(self) -> bool:
        """Whether the extra is installed."""
        return find_spec(self.module) is not None


HEIC = Format("HEIC", "heic", "pi_heif")
JPEG_XL = Format("JPEG XL", "jxl", "imagecodecs")
CONTAINER = Format("MP4, WebM or the like", "containers", "av")
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_PICTURES = (*_AVIF, *_HEIC_BRANDS, b"hevx", b"crx ", b"jp2 ", b"jxl ")


def file_head(path: str | os.PathLike[str]) -> bytes:
    """The first bytes of a file; none where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(HEAD)
    except OSError:
        return b""


def needed_extra(head: bytes) -> Format | None:
    """The format that these first bytes are of, of pictures or sounds, where it is one that an extra reads."""
    return CONTAINER if is_container(head) else extra_format(head)


def extra_format(head: bytes) -> Format | None:
    """The picture format that these first bytes are of, where it is one that an extra reads."""
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
        return HEIC
    return JPEG_XL if head.startswith((CODESTREAM, _CONTAINER)) else None


def kind_of(head: bytes) -> str | None:
    """`image` or `audio` where these are the first bytes of a format that is read; `None` for anything else.

    Formats without a signature of their own are known by their ending alone.
    """
    if head.startswith(_IMAGES) or _PORTABLE.match(head) or head[128:132] == b"DICM" or _is_bitmap(head):
        return "image"
    if head.startswith(_SOUNDS) or is_container(head) or _is_mp3(head):
        return "audio"
    if head.startswith((b"RIFF", b"RF64")):
        return _RIFF.get(head[8:12])
    if head.startswith(b"FORM") and head[8:12] in _AIFF:
        return "audio"
    if (head[4:8] == b"ftyp" and head[8:12] in _AVIF) or extra_format(head) is not None:
        return "image"
    return None


def is_container(head: bytes) -> bool:
    """Whether a file of these first bytes is MP4, M4A, WebM, Matroska, AAC or WMA, whose sound is read through PyAV."""
    if head[4:8] == b"ftyp":
        return head[8:12] not in _PICTURES
    return head.startswith((_MATROSKA, _ASF)) or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0)


def _is_mp3(head: bytes) -> bool:
    """A frame of layer III without a tag before it: eleven bits, and no reserved version, bit rate or sample rate."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2 or head[1] >> 3 & 3 == 1:
        return False
    return head[2] >> 4 not in (0, 15) and head[2] >> 2 & 3 != 3


def _is_bitmap(head: bytes) -> bool:
    """A BMP: "BM", and behind its size four bytes that are reserved, then a header of a known length."""
    lengths = (12, 40, 52, 56, 64, 108, 124)
    return head[:2] == b"BM" and head[6:10] == bytes(4) and int.from_bytes(head[14:18], "little") in lengths

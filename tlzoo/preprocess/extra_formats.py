"""Pictures that Pillow does not read: HEIC (the extra `tlzoo[heic]`) and JPEG XL (the extra `tlzoo[jxl]`)."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from tlzoo.errors import InputError
from tlzoo.io.inputs.kinds import CODESTREAM, HEIC, Format
from tlzoo.preprocess.levels import USED

_SIDE_BITS = (9, 13, 18, 30)
"""In how many bits a JPEG XL codestream may write a side."""
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width to height, where a codestream writes the height alone."""


def open_extra(data: bytes, kind: Format, name: str, check_size: Callable[[tuple[int, int]], None]) -> Image.Image:
    """A decoded picture of such a format, turned as its own container says; `check_size` sees its size before.

    EXIF's orientation says nothing there. Of colours of 16 bits the upper 8 are kept. Raises InputError where the extra
    is not installed or the picture is broken, and what `check_size` raises.
    """
    if not kind.there:
        raise InputError(
            f"{name} is {kind.name}, which needs {kind.module.replace('_', '-')}.",
            hint=f"Install it: pip install 'tlzoo[{kind.extra}]'",
        )
    try:
        return _heic(data, check_size) if kind is HEIC else _jpeg_xl(data, name, check_size)
    except InputError:
        raise
    except Exception as cause:
        said = " ".join(str(cause).split())[:150].rstrip(".") or type(cause).__name__
        said = "it is truncated" if "NEED_MORE_INPUT" in said else said
        raise InputError(
            f"{name} cannot be read as {kind.name}: {said}.", hint="Restore it or remove it from the data."
        ) from cause


def _heic(data: bytes, check_size: Callable[[tuple[int, int]], None]) -> Image.Image:
    import pi_heif

    opened = pi_heif.open_heif(io.BytesIO(data))
    check_size(opened.size)
    image: Image.Image = opened.to_pillow()
    image.info.pop("exif", None)
    return image


def _jpeg_xl(data: bytes, name: str, check_size: Callable[[tuple[int, int]], None]) -> Image.Image:
    import imagecodecs

    check_size(jpeg_xl_size(data))
    pixels: np.ndarray = imagecodecs.jpegxl_decode(data, index=0)
    if pixels.ndim == 3 and pixels.dtype.kind == "f":
        raise InputError(f"{name} has colours in floating point.", hint="Save it with 8 bits per colour.")
    if pixels.ndim == 2:
        return Image.fromarray(pixels.astype(np.float32) if pixels.dtype.kind == "f" else pixels)
    if pixels.dtype == np.uint16:
        if 0 < pixels[..., :3].max(initial=0) < USED:
            raise InputError(
                f"{name} has colours of 9 to 16 bits and uses 12 or fewer.", hint="Save it with 8 bits per colour."
            )
        pixels = (pixels >> 8).astype(np.uint8)
    return Image.fromarray(pixels)


def jpeg_xl_size(data: bytes) -> tuple[int, int]:
    """Width and height as a codestream's header has them (ISO/IEC 18181-1, SizeHeader).

    Raises ValueError where there is no codestream.
    """
    bits = int.from_bytes(_codestream(data)[2:18], "little")

    def read(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    def side() -> int:
        return (read(5) + 1) * 8 if small else read(_SIDE_BITS[read(2)]) + 1

    small = read(1)
    height = side()
    ratio = read(3)
    if ratio == 0:
        return side(), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height


def _codestream(data: bytes) -> bytes:
    """The codestream itself, or its first part, of a bare one or one in boxes."""
    at = 0
    while not data.startswith(CODESTREAM) and at + 16 <= len(data):
        size, kind, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        start = at + head + (4 if kind == b"jxlp" else 0)
        if kind in (b"jxlc", b"jxlp") and data.startswith(CODESTREAM, start):
            return data[start : start + 64]
        at += size or len(data)
        if size in range(1, 8):
            break
    if not data.startswith(CODESTREAM):
        raise ValueError("it has no codestream")
    return data[:64]

"""Pictures as cameras, scanners and drawing programs write them, for every program that decodes pictures."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

ORIENTATION = 0x0112
RANGE = (0, 4095)
"""Of the grey values of 12 bits in `wide_pictures`."""


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """A picture as the bytes of a file."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def scene(height: int = 40, width: int = 64) -> np.ndarray:
    """uint8 [H, W, 3]: a smooth one, of which no part is like another."""
    down, across = np.mgrid[0:height, 0:width]
    channels = (4 * across % 256, 6 * down % 256, 2 * (down + across) % 256)
    return np.stack(channels, 2).astype(np.uint8)


def odd_pictures() -> dict[str, bytes]:
    """Of 8 bits a channel, or of 16 that are all in use, by file name."""
    picture = Image.fromarray(scene())
    turned = {}
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        turned[f"turned-{orientation}.jpg"] = encoded(picture, "JPEG", exif=exif, quality=95, subsampling=0)
    alpha = Image.fromarray(np.tile(np.linspace(0, 255, 64).round().astype(np.uint8), (40, 1)))
    see_through = picture.copy()
    see_through.putalpha(alpha)
    hard = picture.copy()
    hard.putalpha(alpha.point(lambda value: 255 * (value > 100)))
    grey, ramp = picture.convert("L"), np.tile(np.linspace(0, 65535, 64).round().astype(np.uint16), (40, 1))
    return turned | {
        "plain.png": encoded(picture, "PNG"),
        "plain.bmp": encoded(picture, "BMP"),
        "plain.webp": encoded(picture, "WEBP", lossless=True),
        "grey.jpg": encoded(grey, "JPEG", quality=95),
        "grey.png": encoded(grey, "PNG"),
        "four-colours.jpg": encoded(picture.convert("CMYK"), "JPEG", quality=95),
        "one-bit.png": encoded(grey.convert("1"), "PNG"),
        "palette.png": encoded(picture.quantize(16), "PNG"),
        "palette-hole.png": encoded(picture.quantize(16), "PNG", transparency=3),
        "palette.gif": encoded(picture.quantize(16), "GIF"),
        "icon.png": encoded(hard, "PNG"),
        "icon-grey.png": encoded(hard.convert("LA"), "PNG"),
        "icon.webp": encoded(hard, "WEBP", lossless=True, exact=True),
        "colour-hole.png": encoded(picture, "PNG", transparency=tuple(scene()[0, 5].tolist())),
        "half-transparent.png": encoded(see_through, "PNG"),
        "grey-16.png": encoded(Image.fromarray(ramp), "PNG"),
        "grey-16-hole.png": encoded(Image.fromarray(ramp), "PNG", transparency=0),
        "colours-16.png": colour_png(np.stack([ramp, ramp[:, ::-1], ramp], 2)),
    }


def wide_pictures() -> dict[str, bytes]:
    """Grey ones of 12 bits in 16, whose range is `RANGE`, by file name."""
    ramp = np.tile(np.linspace(0, 4095, 64).round().astype(np.uint16), (40, 1))
    return {"twelve-bits.png": encoded(Image.fromarray(ramp), "PNG")}


def colour_png(pixels: np.ndarray) -> bytes:
    """uint16 [H, W, 3] or [H, W, 4] as a PNG of 16 bits per channel."""
    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

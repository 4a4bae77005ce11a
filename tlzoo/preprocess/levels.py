"""Grey pictures of more than 8 bits: what their stored values mean, and how they become 256 levels.

| stored as | black | white |
|---|---|---|
| unsigned, up to 16 bits | 0 | the largest number of these bits |
| signed, 32 bits or floating point | only by a range | only by a range |
| either, where a range is given | the range's low end | its high end |

TIFF's white-is-zero is turned round first. What is no number, or marked as no data by GDAL, is black.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from tlzoo.errors import InputError

WHITE = 65535
"""The largest value of 16 bits: unsigned values of fewer are spread up to it."""
ValueRange = tuple[float, float]
"""The stored values that become black and white."""
USED = 4096
"""Values of 16 bits that all lie below this have 12 bits or fewer: they would be all but black."""
_STRIP = 2**20
_BITS, _PHOTOMETRIC, _PLANAR, _SAMPLE_FORMAT, _GDAL_NODATA = 258, 262, 284, 339, 42113
_UNSIGNED, _SIGNED = 1, 2
_SEPARATE = 2
_COUNTED = {"PNG", "PPM"}
"""Formats whose values of Pillow's mode I are those of 16 bits."""


@dataclass(frozen=True)
class Stored:
    """How a grey picture stores its values: `scale` puts those of fewer bits on 16, `inverted` is white-is-zero.

    `unsigned` is for values of up to 16 bits, whose range the format knows. `wraps` is for 32 unsigned bits, which
    Pillow hands out as signed ones. `missing` is the value of what has none.
    """

    unsigned: bool
    scale: float = 1.0
    inverted: bool = False
    wraps: bool = False
    missing: float | None = None

    def values(self, part: Image.Image) -> np.ndarray:
        """The values of a part, float64 [H, W]; NaN where there is none."""
        pixels = np.asarray(part.convert("I") if part.mode.startswith("I;") else part)
        found = pixels.astype(np.int32).view(np.uint32) if self.wraps else pixels
        found = found.view(np.int8) if found.dtype == np.uint8 else found  # only signed ones come here
        values = found.astype(np.float64)
        if self.missing is not None:
            values[values == self.missing] = np.nan
        if self.scale != 1.0:
            values *= self.scale
        if self.inverted:
            values = WHITE - values if self.unsigned else -values
        values[~np.isfinite(values)] = np.nan
        return values


def is_wide(image: Image.Image) -> bool:
    """Whether it is grey, of more than 8 bits a pixel or of 8 signed ones."""
    tags: Any = getattr(image, "tag_v2", {})
    return image.mode[0] in "IF" or (image.mode == "L" and _first(tags.get(_SAMPLE_FORMAT), _UNSIGNED) == _SIGNED)


def stored(image: Image.Image) -> Stored:
    """What the values of a picture mean for which `is_wide` holds, by its format and its TIFF tags."""
    tags: Any = getattr(image, "tag_v2", {})
    bits, sample_format = _first(tags.get(_BITS), 16), _first(tags.get(_SAMPLE_FORMAT), _UNSIGNED)
    inverted, missing = tags.get(_PHOTOMETRIC) == 0, _number(tags.get(_GDAL_NODATA))
    if image.mode.startswith("I;"):
        return Stored(True, WHITE / (2**bits - 1) if bits < 16 else 1.0, inverted, missing=missing)
    if image.mode == "F" or tags:
        wraps = image.mode == "I" and sample_format == _UNSIGNED
        return Stored(False, inverted=inverted, wraps=wraps, missing=missing)
    if image.format in _COUNTED:
        return Stored(True)
    low, high = image.getextrema()  # an array or a picture in memory: nothing says what its 32 bits hold
    return Stored(bool(low >= 0 and high <= WHITE))  # type: ignore[operator]


def to_grey(image: Image.Image, name: str, value_range: ValueRange | None) -> Image.Image:
    """A picture for which `is_wide` holds on 256 levels, mode L.

    Raises InputError where no range is given and the values have none of their own, or use so few of 16 bits that all
    would be black.
    """
    how = stored(image)
    if value_range is None and not how.unsigned:
        kind = "floating-point" if image.mode == "F" else "32-bit or signed"
        raise InputError(
            f"{name} has {kind} values, and this model was not trained on such: which are black and white is unknown.",
            hint="Save it with 8 bits, or train on such pictures: the range of their values is learnt then.",
        )
    low, high = value_range or (0, WHITE)
    grey, largest = np.empty((image.height, image.width), np.uint8), 0.0
    for rows, part in strips(image):
        values = how.values(part)
        if value_range is None:
            largest = max(largest, float(np.nanmax(values, initial=0.0)))
        shares = ((values - low) / (high - low)).clip(0, 1)
        grey[rows] = np.rint(np.nan_to_num(shares, nan=0.0) * 255)
        if (hole := image.info.get("transparency")) is not None:
            grey[rows][np.asarray(part) == hole] = 255
    if 0 < largest < USED:
        raise InputError(
            f"{name} has 16 bits and no value above {largest:.0f}: it would be all but black.",
            hint="Spread its values over 16 bits, save it with 8, or train on such pictures: their range is learnt.",
        )
    return Image.fromarray(grey)


def check_deep_channels(image: Image.Image, name: str, raw: str, value_range: ValueRange | None) -> None:
    """Raise InputError for channels of 16 bits, by `deep_channels`, that use few of them: Pillow has kept the upper 8.

    Colours may not use 12 or fewer. Grey with transparency has to use at least half, and to come without a range.
    """
    ends: Any = image.getextrema()
    largest = max(high for band, (_, high) in zip(image.getbands(), ends, strict=True) if band != "A")
    if raw.startswith("LA") and (value_range is not None or 0 < largest < 128):
        raise InputError(
            f"{name} is grey with transparency and has 16 bits, of which only the upper 8 can be read.",
            hint="Save it without transparency, or with 8 bits.",
        )
    if 0 < largest < USED // 256:
        raise InputError(
            f"{name} has 16 bits per colour and uses 12 or fewer: it would be all but black.",
            hint="Spread its values over 16 bits, or save it with 8.",
        )


def deep_channels(image: Image.Image) -> str:
    """How a picture that is not yet decoded stores several channels of 16 bits, as Pillow calls it; "" for others."""
    kinds = [tile[3] for tile in getattr(image, "tile", ()) if ";16" in str(tile[3])]
    first = kinds[0] if kinds and len(image.getbands()) > 1 else ""
    return str(first[0] if isinstance(first, tuple) else first)


def check_layout(image: Image.Image, name: str) -> None:
    """Raise InputError for a picture, not yet decoded, whose channels of 16 bits Pillow would take apart wrongly."""
    tags: Any = getattr(image, "tag_v2", {})
    bits, raw = _first(tags.get(_BITS), 8), any(tile[0] == "raw" for tile in getattr(image, "tile", ()))
    if raw and bits > 8 and tags.get(_PLANAR) == _SEPARATE and len(image.getbands()) > 1:
        raise InputError(
            f"{name} has colours of {bits} bits, stored channel by channel, which are not read.",
            hint="Save it with 8 bits, or with the channels of a pixel together.",
        )


def settle_transparency(image: Image.Image) -> None:
    """Put the one transparent colour of a PNG that is not yet decoded on the scale of the pixels that Pillow makes."""
    hole, kinds = image.info.get("transparency"), {str(tile[3]) for tile in getattr(image, "tile", ())}
    if image.format != "PNG":
        return
    if isinstance(hole, int) and image.mode == "L":
        for bits in (2, 4):
            if kinds == {f"L;{bits}"}:
                image.info["transparency"] = hole * 255 // (2**bits - 1)
    elif isinstance(hole, tuple) and any(";16" in kind for kind in kinds):
        image.info["transparency"] = tuple(value >> 8 for value in hole)


def without_missing(image: Image.Image, shown: Image.Image) -> Image.Image:
    """What is `shown` of a TIFF of 8 bits, black where GDAL's tag says that all channels hold no data."""
    tags: Any = getattr(image, "tag_v2", {})
    missing = _number(tags.get(_GDAL_NODATA))
    if missing is None or image.mode not in ("L", "RGB"):
        return shown
    held = np.asarray(image).reshape(image.height, image.width, -1)
    pixels = np.array(shown)
    pixels[(held == missing).all(axis=2)] = 0
    return Image.fromarray(pixels)


def strips(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """Rows and the part of the picture there, about a million pixels each: copies as floats take much memory."""
    height = max(1, _STRIP // image.width)
    if height >= image.height:
        yield slice(0, image.height), image
        return
    for top in range(0, image.height, height):
        bottom = min(top + height, image.height)
        yield slice(top, bottom), image.crop((0, top, image.width, bottom))


def _first(value: Any, otherwise: int) -> int:
    if value is None:
        return otherwise
    return int(value[0] if isinstance(value, tuple) else value)


def _number(text: Any) -> float | None:
    try:
        return None if text is None else float(str(text).strip("\0 "))
    except ValueError:
        return None

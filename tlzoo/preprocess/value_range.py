"""Learns which stored values a data set's grey pictures of more than 8 bits use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tlzoo.errors import InputError
from tlzoo.io.cores import available_cores
from tlzoo.preprocess.image import open_picture
from tlzoo.preprocess.levels import WHITE, ValueRange, is_wide, stored
from tlzoo.preprocess.prefetch import prefetch_map
from tlzoo.progress import progress

SHARE = 0.001
"""Of the values, how many lie below the range, and as many above it: a hot pixel does not set it."""
PICTURES = 2000
"""How many are looked at, evenly spread over those there are."""
_PIXELS = 2048
_HEAD = 26
_PNG, _PNG_BITS = b"\x89PNG\r\n\x1a\n", 24
_MAY_BE_WIDE = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"P2", b"P5")


class LearntRange(NamedTuple):
    """The range, and the number of pictures of more than 8 bits that it was learnt from."""

    ends: ValueRange
    pictures: int


def learn_value_range(pictures: Sequence[Any]) -> LearntRange | None:
    """The range of values that these files' grey pictures of more than 8 bits use, but for a thousandth at either end.

    `None` where there are none, or where their values use at least half of 16 unsigned bits: these are taken as they
    are. What cannot be read is passed over.
    """
    candidates = [path for path in pictures if _may_be_wide(path)]
    places = np.linspace(0, len(candidates) - 1, min(PICTURES, len(candidates))).astype(int)
    found: list[tuple[np.ndarray, bool]] = []
    with progress("Looking for the range of grey values", len(places)) as advance:
        for sample in prefetch_map([candidates[at] for at in places], _sample, available_cores()):
            found += [] if sample is None else [sample]
            advance(1)
    if not found:
        return None
    low, high = np.quantile(np.concatenate([values for values, _ in found]), (SHARE, 1 - SHARE))
    if all(unsigned for _, unsigned in found) and high - low > WHITE / 2:
        return None
    low, high = float(f"{low:.6g}"), float(f"{high:.6g}")
    return LearntRange((low, high if high > low else low + 1), len(found))


def _sample(path: Any) -> tuple[np.ndarray, bool] | None:
    """Values of one picture, evenly spread, and whether they are unsigned; `None` where it has 8 bits or is broken."""
    try:
        image = open_picture(path)
        if not is_wide(image):
            return None
        image.load()
        how = stored(image)
        values = how.values(image).ravel()
    except (InputError, OSError, ValueError, SyntaxError):
        return None
    values = values[~np.isnan(values)]
    if not values.size:
        return None
    places = np.linspace(0, len(values) - 1, min(_PIXELS, len(values))).astype(int)
    return values[places], how.unsigned


def _may_be_wide(path: Any) -> bool:
    """Whether a file's first bytes allow more than 8 bits of grey."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except (OSError, TypeError, ValueError):
        return False
    if head.startswith(_PNG):
        return len(head) > _PNG_BITS + 1 and head[_PNG_BITS] == 16 and head[_PNG_BITS + 1] == 0
    return head.startswith(_MAY_BE_WIDE)

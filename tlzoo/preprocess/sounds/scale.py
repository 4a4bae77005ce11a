"""Arrays of any numbers on the scale of sound, -1 to 1."""

from __future__ import annotations

import numpy as np

from tlzoo.errors import InputError

HEADROOM = 2.0
"""How far floats may go: mixes and lossy encodings exceed 1 a little, nothing that is meant exceeds this."""
_JUSTIFIED = 2**16  # 16 bits in the upper half of 32


def full_scale(array: np.ndarray) -> tuple[float, float] | None:
    """What to subtract from integers and what to divide by, so that they span -1..1; `None` beyond 32 bits.

    int8, uint8 and int16 span their type's range. In wider types the values decide: the fewest of 16, 24 and 32 bits
    (8 too where they are unsigned) that hold them all, or 32 where they are all multiples of 65,536. Unsigned integers
    have silence in the middle of that range.
    """
    signed = array.dtype.kind == "i"
    if array.dtype.itemsize == 1 or array.dtype == np.int16 or not array.size:
        half = 2 ** (8 * array.dtype.itemsize - 1)
        return (0.0 if signed else float(half)), float(half)
    low, high = int(array.min()), int(array.max())
    for bits in (16, 24, 32) if signed else (8, 16, 24, 32):
        half = 2 ** (bits - 1)
        if (-half <= low and high < half) if signed else high < 2 * half:
            if bits == 24 and signed and not (array % _JUSTIFIED).any():
                continue
            return (0.0 if signed else float(half)), float(half)
    return None


def as_floats(array: np.ndarray, frames: int, name: str, expected: str) -> np.ndarray:
    """The first `frames` of an array [T, ...] as float32, integers by `full_scale`.

    Raises InputError for what is no array of numbers, and for integers of more than 32 bits.
    """
    if np.ma.is_masked(array):
        raise InputError(f"{name} is an array with masked samples.", hint="Fill them: array.filled(0).")
    heard = np.asarray(array[:frames])
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return heard.astype(np.float32, copy=False)
    if array.dtype.kind not in "iu":
        raise InputError(f"{name} is an array of {array.dtype}, not of numbers.", hint=expected)
    scale = full_scale(array)
    if scale is None:
        raise InputError(
            f"{name} is an array of {array.dtype} with values from {array.min()} to {array.max()}, beyond 32 bits.",
            hint="Divide it by its full scale and give floats of -1 to 1.",
        )
    middle, full = scale
    floats: np.ndarray = ((heard - middle) / full).astype(np.float32)
    return floats


def check_samples(samples: np.ndarray, name: str) -> None:
    """Raise InputError for samples [T] that are none, not finite, or on the scale of integers."""
    if not len(samples):
        raise InputError(f"{name} holds no samples.", hint="Remove it, or record it again.")
    peak = max(float(samples.max()), -float(samples.min()))
    if not np.isfinite(peak):
        raise InputError(f"{name} holds NaN or infinite samples.", hint="Remove it, or record it again.")
    if peak > HEADROOM:
        raise InputError(
            f"{name} holds samples up to {peak:,.5g}; they should lie in -1..1, and may go to {HEADROOM:g}.",
            hint="Divide them by their full scale, 32768 where they come from 16 bits, or save them as integers.",
        )

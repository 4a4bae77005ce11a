"""transformers' image processors as ImageSpec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tlzoo.errors import RegistryError
from tlzoo.plugin import ImageSpec

_RESAMPLE = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers."""
_CONVNEXT_CROPS_BELOW = 384


def spec_of(id: str, processor: Mapping[str, Any]) -> ImageSpec:
    """The geometry and arithmetic of a `preprocessor_config.json`.

    A processor that squashes pictures to a square, without cropping, gives the square in the middle here. Raises
    RegistryError naming what cannot be expressed.
    """
    if processor.get("do_flip_channel_order"):
        raise _unsupported(id, "it needs BGR channel order")
    mean, std = _arithmetic(processor)
    if not len(mean) == len(std) == 3 or 0 in std:
        raise _unsupported(id, f"its pictures have {len(mean)} channels")
    size, crop = _geometry(id, processor)
    resample = processor.get("resample")
    return ImageSpec(
        size=size,
        crop=crop,
        interpolation=_RESAMPLE.get(resample if isinstance(resample, int) else 2, "bilinear"),  # type: ignore[arg-type]
        mean=mean,
        std=std,
    )


def _geometry(id: str, processor: Mapping[str, Any]) -> tuple[tuple[int, int], float]:
    """(height, width) of what the network sees, and the share of the resized shorter side that it is."""
    resized = _read_size(processor.get("size"))
    if resized is None or not processor.get("do_resize", True):
        raise _unsupported(id, f"its size is {processor.get('size')!r}")
    shortest, whole = resized
    if "crop_pct" in processor and shortest and processor["crop_pct"] and shortest < _CONVNEXT_CROPS_BELOW:
        return (shortest, shortest), float(processor["crop_pct"])
    cropped = _read_size(processor.get("crop_size")) if processor.get("do_center_crop") else None
    if cropped is None:
        return whole, 1.0
    height, width = cropped[1]
    longer = max(min(whole), min(height, width))
    return (height, width), _share(min(height, width), longer)


def _share(kept: int, resized: int) -> float:
    """The crop with which floor(kept / crop) is `resized` in floating point too."""
    share = kept / resized
    return share if int(kept / share) == resized else kept / (resized + 1e-6)


def _read_size(size: Any) -> tuple[int | None, tuple[int, int]] | None:
    """The shorter side where only that is set, and (height, width); `None` where the processor says neither."""
    match size:
        case int():
            return size, (size, size)
        case {"shortest_edge": int(side)}:
            return side, (side, side)
        case {"height": int(height), "width": int(width)}:
            return None, (height, width)
    return None


def _arithmetic(processor: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std on the 0..1 scale: (pixel * factor - mean) / std with any factor is the same with 1 / 255."""
    factor = processor.get("rescale_factor", 1 / 255) if processor.get("do_rescale", True) else 1.0
    offset = 1.0 if processor.get("rescale_offset") or processor.get("offset") else 0.0
    normalised = processor.get("do_normalize", True) and processor.get("image_mean") and processor.get("image_std")
    mean = processor["image_mean"] if normalised else (0.0,) * 3
    std = processor["image_std"] if normalised else (1.0,) * 3
    scale = 255 * factor
    if not isinstance(mean, list | tuple) or not isinstance(std, list | tuple):
        return (), ()
    return tuple(_rounded((m + offset) / scale) for m in mean), tuple(_rounded(s / scale) for s in std)


def _rounded(value: float) -> float:
    """Without the last digits that 255 * (1 / 255) leaves."""
    return round(float(value), 12)


def _unsupported(id: str, reason: str) -> RegistryError:
    return RegistryError(
        f"{id}: its preprocessor_config.json is not supported: {reason}.", hint="Choose another checkpoint."
    )

"""Pictures: random resized crop, flip, colour jitter, RandAugment, random erasing.

Pillow and numpy rather than torchvision's transforms: those draw from torch's global generator, which the training
thread shares, so decoding ahead in another thread would change what dropout draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

_BILINEAR = Image.Resampling.BILINEAR
_GREY = (128, 128, 128)
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as Pillow's conversion to grey


@dataclass(frozen=True)
class ImagePolicy:
    """`scale` is the crop's share of the area, `ratio` bounds its aspect relative to the picture's; `flip` and `erase`
    are probabilities; `jitter` bounds brightness, contrast and saturation at 1 ± jitter; RandAugment applies
    `operations` at `magnitude` of 30.
    """

    scale: tuple[float, float]
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    jitter: float = 0.0
    operations: int = 0
    magnitude: int = 0
    erase: float = 0.0
    erased_area: tuple[float, float] = (0.02, 0.33)
    erased_ratio: tuple[float, float] = (0.3, 3.3)


POLICIES = {
    "light": ImagePolicy(scale=(0.6, 1.0), jitter=0.2),
    "light-noflip": ImagePolicy(scale=(0.6, 1.0), jitter=0.2, flip=0.0),
    "strong": ImagePolicy(scale=(0.35, 1.0), operations=2, magnitude=9, erase=0.25),
    "strong-noflip": ImagePolicy(scale=(0.35, 1.0), operations=2, magnitude=9, erase=0.25, flip=0.0),
}


def augment_image(pixels: np.ndarray, policy: ImagePolicy, rng: np.random.Generator) -> np.ndarray:
    """Another view of the picture uint8 [H, W, 3], of the same shape."""
    picture = _crop(Image.fromarray(pixels), policy, rng)
    if rng.random() < policy.flip:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if policy.jitter:
        picture = _jitter(picture, *rng.uniform(1 - policy.jitter, 1 + policy.jitter, 3))
    picture = _randaugment(picture, policy.operations, policy.magnitude, rng)
    changed = np.array(picture)
    if rng.random() < policy.erase:
        _erase(changed, policy, rng)
    return changed


def _crop(picture: Image.Image, policy: ImagePolicy, rng: np.random.Generator) -> Image.Image:
    """A random part of the picture, resized to the whole (Szegedy et al. 2015)."""
    area = rng.uniform(*policy.scale)
    ratio = math.exp(rng.uniform(*np.log(policy.ratio)))
    width = picture.width * min(1.0, math.sqrt(area * ratio))
    height = picture.height * min(1.0, math.sqrt(area / ratio))
    left, top = rng.random(2) * (picture.width - width, picture.height - height)
    right, bottom = min(left + width, picture.width), min(top + height, picture.height)
    return picture.resize(picture.size, _BILINEAR, box=(left, top, right, bottom))


def _jitter(picture: Image.Image, brightness: float, contrast: float, saturation: float) -> Image.Image:
    """Brightness, contrast about the mean grey, and saturation, as one linear map of the colours."""
    mean = float(np.array(picture.resize((1, 1), Image.Resampling.BOX))[0, 0] @ _LUMA)
    linear = brightness * contrast * (saturation * np.eye(3) + (1 - saturation) * _LUMA)
    offset = np.full((3, 1), brightness * (1 - contrast) * mean)
    return picture.convert("RGB", tuple(np.hstack([linear, offset]).ravel().tolist()))


def _erase(pixels: np.ndarray, policy: ImagePolicy, rng: np.random.Generator) -> None:
    """Fill a random rectangle with noise, in place (random erasing, Zhong et al. 2017)."""
    height, width = pixels.shape[:2]
    area = height * width * rng.uniform(*policy.erased_area)
    ratio = math.exp(rng.uniform(*np.log(policy.erased_ratio)))
    rows = min(height, round(math.sqrt(area * ratio)))
    columns = min(width, round(math.sqrt(area / ratio)))
    top = rng.integers(height - rows, endpoint=True)
    left = rng.integers(width - columns, endpoint=True)
    noise = rng.integers(0, 256, (rows, columns, pixels.shape[2]), dtype=np.uint8)
    pixels[top : top + rows, left : left + columns] = noise


def _randaugment(picture: Image.Image, count: int, magnitude: int, rng: np.random.Generator) -> Image.Image:
    """`count` operations drawn with equal chance, each at the same magnitude (RandAugment, Cubuk et al. 2020)."""
    for operation, sign in zip(rng.integers(len(OPERATIONS), size=count), rng.choice([-1, 1], size=count), strict=True):
        picture = list(OPERATIONS.values())[operation](picture, float(sign) * magnitude / 30)
    return picture


def _warp(picture: Image.Image, xy: float = 0.0, x: float = 0.0, yx: float = 0.0, y: float = 0.0) -> Image.Image:
    """Shear by `xy` and `yx` about the middle, and move by the shares `x` of the width and `y` of the height."""
    across = x * picture.width - xy * picture.height / 2
    down = y * picture.height - yx * picture.width / 2
    matrix = (1.0, xy, across, yx, 1.0, down)
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, _BILINEAR, fillcolor=_GREY)


_MAX_TRANSLATION = 150 / 331  # the paper's largest shift, as a share of the picture

# each takes a strength of -1..1; where the operation has no direction, its amount counts
OPERATIONS: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "identity": lambda picture, _: picture,
    "autocontrast": lambda picture, _: ImageOps.autocontrast(picture),
    "equalize": lambda picture, _: ImageOps.equalize(picture),
    "rotate": lambda picture, strength: picture.rotate(30 * strength, _BILINEAR, fillcolor=_GREY),
    "solarize": lambda picture, strength: ImageOps.solarize(picture, round(256 * (1 - abs(strength)))),
    "posterize": lambda picture, strength: ImageOps.posterize(picture, 8 - round(4 * abs(strength))),
    "color": lambda picture, strength: ImageEnhance.Color(picture).enhance(1 + 0.9 * strength),
    "contrast": lambda picture, strength: ImageEnhance.Contrast(picture).enhance(1 + 0.9 * strength),
    "brightness": lambda picture, strength: ImageEnhance.Brightness(picture).enhance(1 + 0.9 * strength),
    "sharpness": lambda picture, strength: ImageEnhance.Sharpness(picture).enhance(1 + 0.9 * strength),
    "shear-x": lambda picture, strength: _warp(picture, xy=0.3 * strength),
    "shear-y": lambda picture, strength: _warp(picture, yx=0.3 * strength),
    "translate-x": lambda picture, strength: _warp(picture, x=_MAX_TRANSLATION * strength),
    "translate-y": lambda picture, strength: _warp(picture, y=_MAX_TRANSLATION * strength),
}

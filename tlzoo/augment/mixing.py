"""Mixing of samples within a batch: mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019).

The loss is mixed alike: lam * loss(logits, y) + (1 - lam) * loss(logits, y[permutation]). Mixup of cached activations
is manifold mixup (Verma et al. 2019) at the cut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from tlzoo.errors import UsageError

if TYPE_CHECKING:
    import torch

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Mix:
    """`lam` (0..1) is the weight of each sample's own label; `permutation`, int64 [N], names its partner.

    `box` is CutMix's rectangle (top, bottom, left, right), which comes from the partner; `None` is mixup.
    """

    lam: float
    permutation: np.ndarray
    box: Box | None = None


def draw_mix(
    rng: np.random.Generator,
    kind: Literal["mixup", "cutmix"],
    alpha: float,
    n: int,
    hw: tuple[int, int] | None = None,
) -> Mix:
    """lam ~ Beta(alpha, alpha) and partners for a batch of `n`; CutMix needs `hw`, the pictures' height and width.

    CutMix's lam is the share of the picture that the box, cut off at the edges, leaves. Raises UsageError for an
    unknown kind, an alpha that is not positive and finite, and CutMix without `hw`.
    """
    if kind not in ("mixup", "cutmix"):
        raise UsageError(f"Unknown mixing method {kind!r}.", hint="Use mixup or cutmix.", parameter="mixup")
    if not 0 < alpha < math.inf:
        raise UsageError(f"The alpha of {kind} must be a positive number, not {alpha:g}.", hint="Try 0.2.")
    # an exact 0 or 1 for what is lost in float16 anyway, so that -inf in a cached mask never meets a weight of zero
    lam = round(float(rng.beta(alpha, alpha)), 6)
    permutation = rng.permutation(n).astype(np.int64)
    if kind == "mixup":
        return Mix(lam, permutation)
    if hw is None:
        raise UsageError("CutMix needs pictures as inputs.", hint="Use mixup.", parameter="cutmix")
    box = _draw_box(rng, lam, *hw)
    top, bottom, left, right = box
    return Mix(1 - (bottom - top) * (right - left) / (hw[0] * hw[1]), permutation, box)


def apply_mix(tensors: tuple[torch.Tensor, ...], mix: Mix) -> tuple[torch.Tensor, ...]:
    """New tensors, each mixed along its first axis, of the same shapes and dtypes.

    Mixup takes floats, and uint8 (rounded back); CutMix takes pictures [N, H, W, C] of any dtype. Raises UsageError
    for anything else: the mean of two token ids is another token.
    """
    return tuple(_mix_one(tensor, mix) for tensor in tensors)


def _mix_one(tensor: torch.Tensor, mix: Mix) -> torch.Tensor:
    import torch

    partner = tensor[torch.from_numpy(mix.permutation).to(tensor.device)]
    if mix.box is not None:
        return _paste_box(tensor, partner, mix.box)
    if not tensor.is_floating_point() and tensor.dtype != torch.uint8:
        raise UsageError(
            f"Mixup cannot mix {str(tensor.dtype).removeprefix('torch.')}: the mean of two token ids is another token.",
            hint="Leave `mixup` out, or freeze the embedding: `freeze='until:<stage>'`.",
            parameter="mixup",
        )
    if mix.lam in (0, 1):
        return tensor.clone() if mix.lam else partner
    if tensor.is_floating_point():
        return mix.lam * tensor + (1 - mix.lam) * partner
    return (mix.lam * tensor.float() + (1 - mix.lam) * partner.float()).round().to(tensor.dtype)


def _paste_box(tensor: torch.Tensor, partner: torch.Tensor, box: Box) -> torch.Tensor:
    top, bottom, left, right = box
    if tensor.ndim != 4 or bottom > tensor.shape[1] or right > tensor.shape[2]:
        raise UsageError(
            f"CutMix needs pictures [N, H, W, C], not an array {list(tensor.shape)}.",
            hint="Use mixup: it also mixes cached activations.",
            parameter="cutmix",
        )
    pasted = tensor.clone()
    pasted[:, top:bottom, left:right] = partner[:, top:bottom, left:right]
    return pasted


def _draw_box(rng: np.random.Generator, lam: float, height: int, width: int) -> Box:
    """A box of sqrt(1 - lam) of the height and width about a random point, cut off at the edges."""
    side = math.sqrt(1 - lam)
    rows, columns = round(height * side), round(width * side)
    top = int(rng.integers(height)) - rows // 2
    left = int(rng.integers(width)) - columns // 2
    return max(0, top), min(height, top + rows), max(0, left), min(width, left + columns)

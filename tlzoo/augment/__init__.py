"""Augmentation: other views of the same samples, which keep their labels.

Every sample's draw comes from `numpy.random.default_rng([seed, view, index])` alone, never from a global state, the
batch or the thread: a resumed run repeats it to the bit, and views can be cached under `signature`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlzoo.augment import audio, image, text
from tlzoo.augment.mixing import Mix, apply_mix, draw_mix
from tlzoo.errors import UsageError
from tlzoo.options import POLICIES

__all__ = ["AugmentBatch", "Mix", "apply_mix", "draw_mix", "make_augment", "signature"]

AugmentBatch = Callable[[dict[str, np.ndarray], Sequence[int], int], dict[str, np.ndarray]]

_REVISION = 1  # raise it with any change of what the same parameters draw, so that no cached view is mistaken


@dataclass(frozen=True)
class _Augmentation:
    """How one modality is augmented: `change(row, parameters, rng)` gives a new row of the array of this name."""

    array: str
    change: Callable[[np.ndarray, Any, np.random.Generator], np.ndarray]
    policies: Mapping[str, Any]


_AUGMENTATIONS = {
    "audio": _Augmentation("audio", audio.augment_audio, audio.POLICIES),
    "image": _Augmentation("image", image.augment_image, image.POLICIES),
    "text": _Augmentation("attention_mask", text.drop_tokens, text.POLICIES),
}


def make_augment(modality: str, policy: str, seed: int) -> AugmentBatch | None:
    """`augment(arrays, indices, view)` for preprocessed arrays of N samples with these indices; `None` for "none".

    `view` is the epoch, or the number of the cached view; `indices` are the samples' positions in their data set; all
    are 0 or more. New arrays of the same names, shapes and dtypes come back: `image` uint8 [N, H, W, 3],
    `attention_mask` int64 [N, L] or `audio` float32 [N, T] changed, every other array copied.
    Raises UsageError for an unknown policy, a modality without augmentation, a negative seed, and (when called) for
    arrays that lack the one to change.
    """
    parameters = _parameters(modality, policy)
    if parameters is None:
        return None
    if seed < 0:
        raise UsageError(f"`seed` cannot be {seed}.", hint="Give 0 or more.", parameter="seed")
    kind = _AUGMENTATIONS[modality]

    def augment(arrays: dict[str, np.ndarray], indices: Sequence[int], view: int) -> dict[str, np.ndarray]:
        if kind.array not in arrays:
            raise UsageError(
                f"Augmentation of {modality} needs the input {kind.array!r}; this model takes {', '.join(arrays)}.",
                hint="Leave `augment` out.",
                parameter="augment",
            )
        changed = {name: np.array(array) for name, array in arrays.items()}
        rows = changed[kind.array]
        for position, index in zip(range(len(rows)), indices, strict=True):
            rows[position] = kind.change(rows[position], parameters, np.random.default_rng([seed, view, int(index)]))
        return changed

    return augment


def signature(modality: str, policy: str) -> str:
    """A stable text that names the exact parameters, for cache keys; raises UsageError as `make_augment` does."""
    parameters = _parameters(modality, policy)
    return "none" if parameters is None else f"{modality}/{_REVISION} {parameters}"


def _parameters(modality: str, policy: str) -> Any:
    if policy not in POLICIES:
        raise UsageError(
            f"`augment` cannot be {policy!r}.", hint=f"Give one of: {', '.join(POLICIES)}.", parameter="augment"
        )
    if policy == "none":
        return None
    if modality not in _AUGMENTATIONS:
        raise UsageError(f"There is no augmentation for {modality}.", hint="Leave `augment` out.", parameter="augment")
    policies = _AUGMENTATIONS[modality].policies
    if policy not in policies:
        raise UsageError(
            f"`augment={policy!r}` is for pictures, not for {modality}.",
            hint=f"Give one of: {', '.join(['none', *policies])}.",
            parameter="augment",
        )
    return policies[policy]

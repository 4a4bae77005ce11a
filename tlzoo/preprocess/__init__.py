"""From raw inputs to arrays, by specification. Torch-free; the same code in training, prediction and serving.

Geometry and decoding happen here, arithmetic (scaling, normalisation, log-mel) happens inside the model's graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tlzoo.errors import ArtifactError
from tlzoo.preprocess.prepared import Limit, PreparedArrays
from tlzoo.specs import AudioSpec, ImageSpec, Preprocess, TextSpec

if TYPE_CHECKING:
    import numpy as np

Preprocessor = Callable[[Sequence[Any]], "dict[str, np.ndarray]"]


def limit_of(preprocessor: Preprocessor) -> Limit | None:
    """How much of an input it reads; `None` where it reads all, or does not say."""
    found = getattr(preprocessor, "limit", None)
    return None if found is None else Limit(*found)


def longer_in(arrays: Mapping[str, np.ndarray]) -> Sequence[bool] | None:
    """Which of the inputs were cut; `None` where that is not known."""
    return arrays.longer if isinstance(arrays, PreparedArrays) else None


def with_contexts(preprocessor: Preprocessor, inputs: Sequence[Any]) -> tuple[dict[str, np.ndarray], list[Any]]:
    """The arrays of N inputs, and what the preprocessor knows of each: `None` where it has no `with_contexts`."""
    ask = getattr(preprocessor, "with_contexts", None)
    return (preprocessor(inputs), [None] * len(inputs)) if ask is None else ask(inputs)


def row_lengths(arrays: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """How long each padded row is, int64 [N]: the last place under `attention_mask`, and one; `None` without a mask.

    The mask of an augmented text has holes, so its sum is not the length.
    """
    mask = arrays.get("attention_mask")
    if mask is None:
        return None
    import numpy as np  # asking which preprocessor there is imports nothing

    there = mask != 0
    lengths: np.ndarray = np.where(there.any(axis=1), there.shape[1] - there[:, ::-1].argmax(axis=1), 0)
    return lengths.astype(np.int64)


def make_preprocessor(spec: Preprocess) -> Preprocessor:
    """The core's preprocessor for the three modalities; raises ArtifactError for a plugin's own kind."""
    match spec:
        case ImageSpec():
            from tlzoo.preprocess.image import ImagePreprocessor

            return ImagePreprocessor(spec)
        case TextSpec():
            from tlzoo.preprocess.text import TextPreprocessor

            return TextPreprocessor(spec)
        case AudioSpec():
            from tlzoo.preprocess.audio import AudioPreprocessor

            return AudioPreprocessor(spec)
    raise ArtifactError(
        f"Preprocessing of kind {spec.kind!r} needs the plugin {spec.plugin!r}.",
        hint=f"Install it: tlzoo plugins install tlzoo-{spec.plugin}",
    )

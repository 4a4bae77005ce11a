"""From raw inputs to arrays, by specification. Torch-free; the same code in training, prediction and serving.

Geometry and decoding happen here, arithmetic (scaling, normalisation, log-mel) happens inside the model's graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tlzoo.errors import ArtifactError
from tlzoo.specs import AudioSpec, ImageSpec, Preprocess, TextSpec

if TYPE_CHECKING:
    import numpy as np

Preprocessor = Callable[[Sequence[Any]], "dict[str, np.ndarray]"]


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

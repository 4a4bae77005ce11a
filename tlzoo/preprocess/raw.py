"""Pictures for a graph that resizes and crops them itself: decoded, upright, RGB, of their own size. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from PIL import Image

from tlzoo.errors import InputError
from tlzoo.preprocess.image import load_image, name_of, resized_size
from tlzoo.specs import ImageSpec


class RawImages:
    """Pictures of one size to `image` uint8 [N, H, W, 3] (RGB), H and W as they come."""

    def __init__(self, spec: ImageSpec) -> None:
        self.spec = spec

    def __call__(self, inputs: Sequence[Any]) -> dict[str, np.ndarray]:
        """Paths, encoded bytes, Pillow images or uint8 arrays, as ImagePreprocessor takes them, to one batch.

        Raises InputError naming the picture that cannot be read, that the graph would blow up beyond what
        ImagePreprocessor allows, or that is not of the first one's size.
        """
        names = [name_of(source, f"picture {at + 1} of the batch") for at, source in enumerate(inputs)]
        for source in inputs:
            if isinstance(source, Image.Image):
                source.load()  # one picture given twice would be decoded by two threads at once
        if len(inputs) > 1:
            with ThreadPoolExecutor() as pool:
                pictures = list(pool.map(self._pixels, inputs, names))
        else:
            pictures = [self._pixels(source, name) for source, name in zip(inputs, names, strict=True)]
        for pixels, name in zip(pictures, names, strict=True):
            if pixels.shape != pictures[0].shape:
                raise InputError(
                    f"{name} has {_size(pixels)} pixels, {names[0]} has {_size(pictures[0])}.",
                    hint="Pictures of one batch must have the same size: pass other sizes in separate batches.",
                )
        return {"image": np.stack(pictures) if pictures else np.zeros((0, *self.spec.size, 3), np.uint8)}

    def _pixels(self, source: Any, name: str) -> np.ndarray:
        image = load_image(source, name, self.spec.value_range)
        resized_size(image.size, self.spec, name)
        return np.asarray(image)


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]}"

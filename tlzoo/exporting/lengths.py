"""Lengths that a proof tries: texts of several lengths in tokens, recordings of several durations."""

from __future__ import annotations

import numpy as np

from tlzoo.data.dataset import TaskDataset
from tlzoo.exporting.check import LengthCase
from tlzoo.models.model import TaskModel
from tlzoo.models.onnx_export import eager_outputs
from tlzoo.specs import Preprocess, TextSpec

SAMPLES = 5
TOKENS = (2, 8, 32, 128, 512)
SHARES = (0.1, 0.35, 0.7)
"""Of a recording, what is left before silence."""


def length_cases(model: TaskModel, data: TaskDataset, spec: Preprocess) -> list[LengthCase]:
    """A few held-out samples at other lengths, with torch's outputs; none for pictures and plugins' own kinds."""
    if spec.kind not in ("text", "audio"):
        return []
    arrays = data.arrays(range(min(SAMPLES, len(data))))
    if isinstance(spec, TextSpec):
        lengths = sorted({min(tokens, spec.max_length) for tokens in TOKENS} | {spec.max_length})
        return [_tried(model, tokens, _tokens(arrays, tokens, spec.pad_id)) for tokens in lengths]
    samples = arrays["audio"].shape[1]
    return [_tried(model, round(share * samples), _heard(arrays, round(share * samples))) for share in SHARES]


def _tried(model: TaskModel, length: int, arrays: dict[str, np.ndarray]) -> LengthCase:
    return LengthCase(length, arrays, eager_outputs(model, arrays))


def _tokens(arrays: dict[str, np.ndarray], length: int, pad_id: int) -> dict[str, np.ndarray]:
    """Cut to `length` tokens or extended: every other sample by repeating its tokens, the rest by padding."""
    missing = max(0, length - arrays["input_ids"].shape[1])
    pads = {"input_ids": pad_id, "attention_mask": 0}
    longer = {}
    for name, rows in arrays.items():
        padded = np.pad(rows, ((0, 0), (0, missing)), constant_values=pads.get(name, 0))
        padded[::2] = np.pad(rows[::2], ((0, 0), (0, missing)), mode="wrap")
        longer[name] = np.ascontiguousarray(padded[:, :length])
    return longer


def _heard(arrays: dict[str, np.ndarray], samples: int) -> dict[str, np.ndarray]:
    audio = arrays["audio"].copy()
    audio[:, samples:] = 0
    return {**arrays, "audio": audio}

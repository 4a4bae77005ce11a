"""Arrays that a proof tries besides held-out samples: texts and recordings of several lengths, and extreme inputs."""

from __future__ import annotations

import numpy as np

from tlzoo.data.dataset import TaskDataset
from tlzoo.exporting.check import ArrayCase
from tlzoo.models.model import TaskModel
from tlzoo.models.onnx_export import eager_outputs_and_features
from tlzoo.models.padding import beside_a_longer_text, pad_rows
from tlzoo.specs import Preprocess, TextSpec
from tlzoo.tasks.contract import EMBEDDINGS

SAMPLES = 5
TOKENS = (2, 8, 32, 128, 512)
SHARES = (0.1, 0.35, 0.7)
"""Of a recording, what is left before silence."""
PICTURES = {"black": 0, "grey": 128, "white": 255}
RECORDINGS = {"on silence": 0, "on a constant recording": 1}
"""Values that all numbers of an input have."""


def array_cases(model: TaskModel, data: TaskDataset, spec: Preprocess) -> list[ArrayCase]:
    """Some held-out samples at other lengths, a short text beside a long one, extreme inputs; with torch's outputs
    and, where its head is given a vector, that as `embeddings`.

    None for plugins' own kinds of input.
    """
    if spec.kind == "plugin":
        return []
    arrays = data.arrays(range(min(SAMPLES, len(data))))
    if isinstance(spec, TextSpec):
        return [*_lengths_of_text(model, arrays, spec), *_beside_a_longer_text(model, arrays, spec)]
    if spec.kind == "image":
        return [_extreme(model, f"on a {name} picture", _constant(arrays, value)) for name, value in PICTURES.items()]
    samples = arrays["audio"].shape[1]
    heard = [(round(share * samples), _heard(arrays, round(share * samples))) for share in SHARES]
    lengths = [_tried(model, f"at a length of {length}", each, length) for length, each in heard]
    return [*lengths, *(_extreme(model, where, _constant(arrays, value)) for where, value in RECORDINGS.items())]


def _torch_outputs(model: TaskModel, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    outputs, given = eager_outputs_and_features(model, arrays)
    return outputs if given is None or given.ndim != 2 else {**outputs, EMBEDDINGS: given}


def _extreme(model: TaskModel, where: str, arrays: dict[str, np.ndarray]) -> ArrayCase:
    return ArrayCase(where, arrays, _torch_outputs(model, arrays), extreme=True)


def _tried(model: TaskModel, where: str, arrays: dict[str, np.ndarray], length: int = 0) -> ArrayCase:
    return ArrayCase(where, arrays, _torch_outputs(model, arrays), length)


def _lengths_of_text(model: TaskModel, arrays: dict[str, np.ndarray], spec: TextSpec) -> list[ArrayCase]:
    lengths = sorted({min(tokens, spec.max_length) for tokens in TOKENS} | {spec.max_length})
    tried = [(tokens, _tokens(arrays, tokens, spec.pad_id)) for tokens in lengths]
    return [_tried(model, f"at a length of {tokens}", each, tokens) for tokens, each in tried]


def _beside_a_longer_text(model: TaskModel, arrays: dict[str, np.ndarray], spec: TextSpec) -> list[ArrayCase]:
    """The shortest text beside a longer one: the reference is what torch gives for each of them alone."""
    if (found := beside_a_longer_text(arrays, spec)) is None:
        return []
    alone, together = found
    each = [_torch_outputs(model, one) for one in alone]
    wide = {
        name: np.concatenate([_widened(one[name], max(len(rows[name][0]) for rows in each)) for one in each])
        if each[0][name].ndim > 1
        else np.concatenate([one[name] for one in each])
        for name in each[0]
    }
    return [ArrayCase("for a short text beside a longer one", together, wide)]


def _widened(rows: np.ndarray, size: int) -> np.ndarray:
    return np.pad(rows, [(0, 0), (0, size - rows.shape[1]), *[(0, 0)] * (rows.ndim - 2)])


def _tokens(arrays: dict[str, np.ndarray], length: int, pad_id: int) -> dict[str, np.ndarray]:
    """Cut to `length` tokens or extended: every other sample by repeating its tokens, the rest by padding."""
    missing = max(0, length - arrays["input_ids"].shape[1])
    longer = {}
    for name, rows in pad_rows(arrays, missing, pad_id).items():
        rows[::2] = np.pad(arrays[name][::2], ((0, 0), (0, missing)), mode="wrap")
        longer[name] = np.ascontiguousarray(rows[:, :length])
    return longer


def _heard(arrays: dict[str, np.ndarray], samples: int) -> dict[str, np.ndarray]:
    audio = arrays["audio"].copy()
    audio[:, samples:] = 0
    return {**arrays, "audio": audio}


def _constant(arrays: dict[str, np.ndarray], value: int) -> dict[str, np.ndarray]:
    return {name: np.full_like(rows[:1], value) for name, rows in arrays.items()}

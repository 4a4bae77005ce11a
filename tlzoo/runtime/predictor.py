"""Load an exported file and predict from paths, bytes, arrays or strings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from tlzoo.errors import ArtifactError, InputError
from tlzoo.export.manifest import Manifest, parse_manifest
from tlzoo.preprocess import Preprocessor, make_preprocessor
from tlzoo.preprocess.ahead import ahead
from tlzoo.runtime.session import open_session, run_session
from tlzoo.tasks import make_task

SINGLE = (str, bytes, bytearray, memoryview, os.PathLike, np.ndarray)


@dataclass(frozen=True)
class Prediction:
    """One answer: the input as given (paths as strings; None for bytes and arrays), the likeliest label, its
    probability, and every label's probability."""

    input: str | None
    label: str
    score: float
    scores: dict[str, float]


@dataclass(frozen=True)
class MultiLabelPrediction:
    """The input as given, the labels of probability 0.5 or more, and every label's own probability."""

    input: str | None
    labels: list[str]
    scores: dict[str, float]


@dataclass(frozen=True)
class ValuePrediction:
    """The input as given, and the number predicted for it."""

    input: str | None
    value: float


ANSWER = {"single": Prediction, "multilabel": MultiLabelPrediction, "regression": ValuePrediction}


class Predictor:
    """An exported model with its own preprocessing, labels and proof."""

    def __init__(self, session: ort.InferenceSession, manifest: Manifest, preprocessor: Preprocessor) -> None:
        self.manifest = manifest
        self.task = make_task(manifest.task, manifest.labels)
        self._session = session
        self._preprocessor = preprocessor

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the logits."""
        return self.manifest.labels

    def predict(self, inputs: Any, *, batch: int = 32) -> list[Any]:
        """Answer `inputs`: paths, bytes, arrays (uint8 [H, W, 3]; float32 [T] at the model's rate) or texts.

        A single input gives a list of one. The answers are of type Prediction, where an input may have several labels
        MultiLabelPrediction, for regression ValuePrediction. Raises InputError naming the first input that cannot be
        read.
        """
        items = [inputs] if isinstance(inputs, SINGLE) or not isinstance(inputs, Iterable) else list(inputs)
        names = [str(item) if isinstance(item, (str, Path)) else None for item in items]
        rows = self.task.decode(self.logits(items, batch=batch))
        answer = ANSWER[self.task.kind]
        return [answer(input=name, **row) for name, row in zip(names, rows, strict=True)]

    def logits(self, inputs: Sequence[Any], *, batch: int = 32) -> np.ndarray:
        """Logits float32 [N, C], in the order of `inputs`; texts of like length share a batch."""
        order = list(range(len(inputs)))
        if self.task.modality == "text":
            for position, given in enumerate(inputs):
                if not isinstance(given, str):
                    raise InputError(
                        f"Input {position} is not a text but {type(given).__name__}.", hint="Give strings."
                    )
            order.sort(key=lambda i: len(inputs[i]))
        rows = np.empty((len(inputs), len(self.labels)), dtype=np.float32)
        for positions, arrays in ahead(lambda chunk: self._preprocessor([inputs[i] for i in chunk]), order, batch):
            rows[positions] = run_session(self._session, arrays)
        return rows


def load(path: str | Path, *, preprocessor: Preprocessor | None = None) -> Predictor:
    """Load an exported ONNX file; `preprocessor` stands in for one that only a plugin could make.

    Raises ArtifactError when the file is missing, not an ONNX model, or has no manifest that this version reads.
    """
    session = open_artifact(path)
    manifest = read_manifest(session, path)
    width = session.get_outputs()[0].shape[-1]  # a name where the graph leaves it open
    if isinstance(width, int) and width != len(manifest.labels):
        raise ArtifactError(f"{path} gives {width} logits for {len(manifest.labels)} labels.", hint="Export it again.")
    return Predictor(session, manifest, preprocessor or make_preprocessor(manifest.preprocess))


def open_artifact(path: str | Path) -> ort.InferenceSession:
    """A session on an ONNX file; raises ArtifactError when it is missing or not a model."""
    file = Path(path)
    if not file.is_file():
        raise ArtifactError(
            f"{file} does not exist." if not file.exists() else f"{file} is not a file.",
            hint="Name an exported ONNX file.",
        )
    try:
        return open_session(file.read_bytes())
    except OSError as cause:
        raise ArtifactError(f"{file} cannot be read: {cause.strerror}.") from cause
    except Exception as cause:
        reason = str(cause).strip().splitlines()[0][:200] if str(cause).strip() else type(cause).__name__
        raise ArtifactError(
            f"{file} is not an ONNX model that can run: {reason}",
            hint="Export it again: tlzoo export RUN --out FILE.onnx",
        ) from cause


def read_manifest(session: ort.InferenceSession, path: str | Path) -> Manifest:
    """What an opened file says of itself."""
    return parse_manifest(session.get_modelmeta().custom_metadata_map, str(path))

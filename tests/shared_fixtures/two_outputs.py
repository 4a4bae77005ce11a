"""A text model of two outputs, one of which is as long as its text: tags of each letter, and a state of the whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from tlzoo.tasks import Output, Prediction, Task
from tlzoo.tasks.base import DerivedOutput
from tlzoo.tasks.metrics import Direction

PADDING = 99
GRAPH = """<ir_version: 10, opset_import: ["": 20]>
g (int64[batch, length] input_ids, int64[batch, length] attention_mask) => (
    float[batch, length, 3] tags, float[batch, 2] state, float[batch, length, 3] probabilities
) {
    real = Cast<to = 1>(input_ids)
    there = Cast<to = 1>(attention_mask)
    last = Constant<value = int64[1] {2}>()
    first = Constant<value = int64[1] {1}>()
    letters = Unsqueeze(real, last)
    tags = Mul(letters, weight)
    seen = Mul(real, there)
    sums = ReduceSum<keepdims = 1>(seen, first)
    state = Mul(sums, scale)
    probabilities = Softmax<axis = -1>(tags)
}"""


@dataclass(frozen=True)
class TagsPrediction(Prediction):
    """The likeliest tag of each letter, and the state."""

    tags: list[int]
    state: list[float]


@dataclass(frozen=True)
class Tagging(Task):
    """A task of two outputs: `tags` of each letter, and `state`."""

    family: ClassVar[str] = "tagging"
    headline: ClassVar[str] = "found"
    directions: ClassVar[Mapping[str, Direction]] = {"found": "max"}
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"found": (0, 1)}
    derived: ClassVar[tuple[DerivedOutput, ...]] = (DerivedOutput("probabilities", "tags", "Softmax"),)
    prediction: ClassVar[type[Prediction]] = TagsPrediction

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Tags as long as the text, and a state that is not."""
        return (Output("tags", ("batch", "length", 3)), Output("state", ("batch", 2)))

    def decode(self, outputs: Any, contexts: Sequence[Any] = (), options: Any = None) -> list[TagsPrediction]:
        """The largest of each letter's, and the state as it is."""
        pairs = zip(outputs["tags"], outputs["state"], strict=True)
        return [TagsPrediction(tags.argmax(axis=1).tolist(), state.tolist()) for tags, state in pairs]


def numbered(texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Letters as numbers, a = 1, filled up to the longest text."""
    longest = max(map(len, texts))
    rows = [[ord(letter) - 96 for letter in text] for text in texts]
    filled = [row + [PADDING] * (longest - len(row)) for row in rows]
    return {
        "input_ids": np.array(filled, np.int64),
        "attention_mask": np.array([[1] * len(row) + [0] * (longest - len(row)) for row in rows], np.int64),
    }


@pytest.fixture(scope="session")
def two_outputs() -> Callable[..., Any]:
    """A predictor of that model, `two_outputs(weight=..., scale=...)`: of each tag [3], and of each state [2]."""
    from onnx import numpy_helper, parser

    from tlzoo.artifact.manifest import KEY, parse_manifest
    from tlzoo.runtime import Predictor
    from tlzoo.runtime.session import open_session

    document = json.loads((Path(__file__).parents[2] / "fuzz" / "manifest.json").read_text())
    document |= {"task": "text-classification", "preprocess": {"kind": "plugin", "plugin": "letters"}}

    def make(weight: Sequence[float] = (1, -1, 0.5), scale: Sequence[float] = (0.5, 0.25)) -> Predictor:
        proto = parser.parse_model(GRAPH)
        for name, numbers in (("weight", weight), ("scale", scale)):
            proto.graph.initializer.append(numpy_helper.from_array(np.array(numbers, np.float32), name))
        manifest = parse_manifest({KEY: json.dumps(document)}, "letters.onnx")
        predictor = Predictor(open_session(proto.SerializeToString(), threads=1), manifest, numbered)
        predictor.task = Tagging("text-tagging")
        return predictor

    return make

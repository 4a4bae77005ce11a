"""Four small tasks: two outputs, two inputs, windows, and a graph with a loop. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from tlzoo.errors import DataError
from tlzoo.plugin import Input, OperatingPoint, Output, Prediction, Task, Window


@dataclass(frozen=True)
class TwoPrediction(Prediction):
    """A sign and a size."""

    sign: str
    size: float


@dataclass(frozen=True)
class Two(Task):
    """A number as its sign and its size, two outputs of a head with two layers; a target is the number."""

    unit: str = "points"

    family: ClassVar[str] = "two"
    plugin: ClassVar[str] = "duo"
    answers: ClassVar[str] = "signs"
    head: ClassVar[str] = "tlzoo_duo.heads"
    page: ClassVar[Path] = Path(__file__).with_name("page.js")
    headline: ClassVar[str] = "accuracy"
    monitor: ClassVar[str] = "error"
    directions: ClassVar[dict] = {"accuracy": "max", "error": "min"}
    ranges: ClassVar[dict] = {"accuracy": (0, 1)}
    prediction: ClassVar[type] = TwoPrediction
    supports: ClassVar[frozenset] = frozenset({"threshold"})

    @property
    def outputs(self):
        return Output("sign", ("batch", 2)), Output("size", ("batch",))

    def read(self, row):
        try:
            return float(row.text("label"))
        except ValueError:
            raise DataError(f"File {row.file} has no number in {row.place}.", hint="Write one.") from None

    def fit(self, targets, column):
        return type(self)(self.name, ("minus", "plus"))

    def collate(self, targets, contexts):
        numbers = np.array(targets, dtype=np.float32)
        return {"sign": (numbers > 0).astype(np.int64), "size": np.abs(numbers)}

    def metrics(self, outputs, targets, contexts):
        right = self.collate(targets, contexts)
        return {
            "accuracy": float(self.samplewise(outputs, targets, contexts).mean()),
            "error": float(np.abs(outputs["size"] - right["size"]).mean()),
        }

    def samplewise(self, outputs, targets, contexts):
        return (outputs["sign"].argmax(axis=1) == self.collate(targets, contexts)["sign"]).astype(np.float64)

    def decode(self, outputs, contexts, options):
        signs = self._share_of_plus(outputs) >= (0.5 if options.threshold is None else options.threshold)
        return [TwoPrediction(self.labels[s], float(size)) for s, size in zip(signs * 1, outputs["size"], strict=True)]

    def operating_point(self, outputs, targets, contexts):
        shares, right = self._share_of_plus(outputs), self.collate(targets, contexts)["sign"]
        tried = {t: float(((shares >= t) == right).mean()) for t in (0.3, 0.5, 0.7)}
        best = max(tried, key=tried.get)
        return OperatingPoint(best, "the most right signs", len(right), "accuracy", tried[best], 0.0, 1.0)

    def _share_of_plus(self, outputs):
        minus, plus = np.asarray(outputs["sign"], np.float64).T
        return 1 / (1 + np.exp(minus - plus))


@dataclass(frozen=True)
class Steps(Two):
    """The same by a graph that adds the size up in a loop."""

    family: ClassVar[str] = "steps"
    form: ClassVar[str] = "loop"


@dataclass(frozen=True)
class Pair(Two):
    """How much more kind words the second text has than the first: two inputs, a number."""

    family: ClassVar[str] = "pair"
    modalities: ClassVar[frozenset] = frozenset({"text"})

    @property
    def inputs(self):
        return Input("question"), Input("answer", "reply")


@dataclass(frozen=True)
class Longest(Two):
    """Read in windows of four words: the window whose size is largest counts."""

    family: ClassVar[str] = "longest"
    modalities: ClassVar[frozenset] = frozenset({"text"})

    def windows(self, input, preprocessor):
        words = input.split(" ")
        starts = range(0, len(words), 3)
        parts = [Window(" ".join(words[at : at + 4]), len(" ".join(words[:at])) + bool(at)) for at in starts]
        return parts if len(parts) > 1 else None

    def merge(self, parts):
        largest = max(parts, key=lambda part: float(part.outputs["size"]))
        return dict(largest.outputs), None


@dataclass(frozen=True)
class Both(Two):
    """Takes the vector of a text and those of its tokens."""

    family: ClassVar[str] = "both"
    needs: ClassVar[tuple] = ("sequence", "vector")
    modalities: ClassVar[frozenset] = frozenset({"text"})

"""What a predictor answers, and how the model's outputs become it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from typing_extensions import TypeVar  # its defaults are the standard library's from Python 3.13 on

from tlzoo.errors import InputError
from tlzoo.runtime.stream import Chunk
from tlzoo.tasks.base import DecodeOptions, Prediction, Task, check_predict_options
from tlzoo.tasks.contract import predictions_problem, task_error
from tlzoo.tasks.rows import Outputs, select


@dataclass(frozen=True)
class Failure:
    """An input that cannot be read, and why; every other answer's `error` is None."""

    input: str | None
    error: str

    def as_row(self) -> dict[str, Any]:
        """Input and error."""
        return {"input": self.input, "error": self.error}


class CoreAnswer(Protocol):
    """What a stream of the core's predictions has, each a `CorePrediction` or, where `error` is not None, a `Failure`.

    Test `error` first: a `Failure` has `input` and `error` alone.
    """

    @property
    def input(self) -> str | None: ...
    @property
    def embedding(self) -> np.ndarray | None: ...
    @property
    def cut(self) -> bool: ...
    @property
    def error(self) -> str | None: ...
    @property
    def label(self) -> str | None: ...
    @property
    def score(self) -> float: ...
    @property
    def scores(self) -> dict[str, float]: ...
    @property
    def labels(self) -> list[str]: ...
    @property
    def value(self) -> float: ...
    @property
    def entities(self) -> list[dict[str, Any]]: ...
    def as_row(self) -> dict[str, Any]: ...


class CorePrediction(CoreAnswer, Protocol):
    """What the core's tasks answer, so that an editor knows the names; which of them an answer has is its task's.

    `label`, `score` and `scores` are a classification's, `labels` and `scores` those of several labels, `value` a
    regression's, `entities` those of tagged texts. `tlzoo.load(file, answers=tlzoo.LabelPrediction)` says which it is.
    """

    @property
    def error(self) -> None: ...
    def as_line(self) -> dict[str, str]: ...


PredictionT = TypeVar("PredictionT", default=Any)
"""What a file answers with."""


@dataclass(frozen=True)
class PredictOptions:
    """What answers hold: the `top_k` likeliest labels, labels from a probability of `threshold` on, embeddings."""

    top_k: int | None = None
    threshold: float | None = None
    embeddings: bool = False

    def check(self, task: Task) -> None:
        """Raise UsageError for what this task's answers cannot hold."""
        check_predict_options(task, top_k=self.top_k, threshold=self.threshold)


def display_name(item: Any) -> str | None:
    """An input as its answer names it: a text or path as a string, several in one, None for anything else."""
    if isinstance(item, tuple):
        names = [display_name(each) for each in item]
        return " | ".join("?" if name is None else name for name in names)
    return str(item) if isinstance(item, str | os.PathLike) else None


def decode_chunk(
    task: Task, chunk: Chunk, temperature: float, options: PredictOptions
) -> Iterator[Prediction | InputError]:
    """One answer per input of a chunk, or the error of one that cannot be read."""
    good = [at for at in range(len(chunk.items)) if at not in chunk.errors]
    outputs: Outputs = chunk.outputs if len(good) == len(chunk.items) else select(chunk.outputs, good)
    embeddings = outputs.get("embeddings") if options.embeddings else None
    contexts = [chunk.contexts[at] for at in good]
    decoded: Sequence[Prediction] = []
    if good:
        decoded = task.decode(
            {output.name: outputs[output.name] for output in task.outputs},
            contexts,
            DecodeOptions(temperature, options.top_k, options.threshold),
        )
        if task.plugin and (wrong := predictions_problem(task, decoded, len(good))):
            raise task_error(task, f"returns unusable predictions: {wrong}")
    found = iter(zip(decoded, embeddings if embeddings is not None else [None] * len(good), strict=True))
    for at, item in enumerate(chunk.items):
        if at in chunk.errors:
            yield chunk.errors[at]
        else:
            answer, embedding = next(found)
            yield replace(answer, input=display_name(item), embedding=embedding, cut=at in chunk.longer)


def as_failure(item: Any, error: InputError) -> Failure:
    """The answer for an input that cannot be read."""
    return Failure(display_name(item), str(error))

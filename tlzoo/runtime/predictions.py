"""What a predictor answers, and how the model's outputs become it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np

from tlzoo.errors import InputError, UsageError
from tlzoo.tasks import Task


@dataclass(frozen=True)
class Prediction:
    """One answer: the input as given (paths as strings; None for bytes and arrays), the likeliest label, its
    probability, and every label's probability.

    With a threshold, `label` is None where the likeliest label's probability is below it. With `top_k`, `scores` holds
    that many labels, the likeliest first.
    """

    input: str | None
    label: str | None
    score: float
    scores: dict[str, float]
    embedding: np.ndarray | None = field(default=None, compare=False)
    error: ClassVar[None] = None


@dataclass(frozen=True)
class MultiLabelPrediction:
    """The input as given, the labels whose probability reaches the threshold (0.5), and every label's own probability.

    With `top_k`, `scores` holds that many labels, the likeliest first; `labels` are as without.
    """

    input: str | None
    labels: list[str]
    scores: dict[str, float]
    embedding: np.ndarray | None = field(default=None, compare=False)
    error: ClassVar[None] = None


@dataclass(frozen=True)
class ValuePrediction:
    """The input as given, and the number predicted for it."""

    input: str | None
    value: float
    embedding: np.ndarray | None = field(default=None, compare=False)
    error: ClassVar[None] = None


@dataclass(frozen=True)
class Failure:
    """An input that cannot be read, and why; every other answer's `error` is None."""

    input: str | None
    error: str


Answer = Prediction | MultiLabelPrediction | ValuePrediction | Failure
ANSWER: dict[str, Any] = {"single": Prediction, "multilabel": MultiLabelPrediction, "regression": ValuePrediction}


@dataclass(frozen=True)
class Wanted:
    """What answers hold: the `top_k` likeliest labels, labels from a probability of `threshold` on, embeddings."""

    top_k: int | None = None
    threshold: float | None = None
    embeddings: bool = False

    def check(self, task: Task) -> None:
        """Raise UsageError for what this task's answers cannot hold."""
        for name, value in (("top_k", self.top_k), ("threshold", self.threshold)):
            if value is not None and task.kind == "regression":
                raise UsageError(f"{name} is for labels; {task.name} predicts a number.", hint=f"Leave out {name}.")
        if self.top_k is not None and self.top_k < 1:
            raise UsageError(f"top_k is {self.top_k}.", hint="Ask for 1 label or more.")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise UsageError(f"The threshold {self.threshold} is no probability.", hint="Give 0 to 1.")


def name_of(item: Any) -> str | None:
    """An input as its answer names it: a text or path as a string, None for anything else."""
    return str(item) if isinstance(item, str | os.PathLike) else None


def answers(
    task: Task, items: list[Any], logits: np.ndarray, embeddings: np.ndarray | None, temperature: float, wanted: Wanted
) -> list[Any]:
    """One answer per row of logits [N, C]; probabilities are those of logits / temperature."""
    answer = ANSWER[task.kind]
    rows = task.decode(logits if temperature == 1 else logits / np.float32(temperature))
    if wanted.top_k is not None or wanted.threshold is not None:
        rows = [_narrowed(row, task.kind, wanted) for row in rows]
    if embeddings is None:
        return [answer(input=name_of(item), **row) for item, row in zip(items, rows, strict=True)]
    return [
        answer(input=name_of(item), embedding=embedding, **row)
        for item, row, embedding in zip(items, rows, embeddings, strict=True)
    ]


def failure(item: Any, error: InputError) -> Failure:
    """The answer for an input that cannot be read."""
    return Failure(name_of(item), str(error))


def document(answer: Any) -> dict[str, Any]:
    """An answer as JSON holds it: its fields, without an embedding that nobody asked for."""
    values = {each.name: getattr(answer, each.name) for each in fields(answer)}
    embedding = values.pop("embedding", None)
    return values if embedding is None else {**values, "embedding": embedding.tolist()}


def _narrowed(row: dict[str, Any], kind: str, wanted: Wanted) -> dict[str, Any]:
    """A decoded row with the threshold and `top_k` applied."""
    scores: dict[str, float] = row["scores"]
    if wanted.threshold is not None and kind == "single" and row["score"] < wanted.threshold:
        row["label"] = None
    if wanted.threshold is not None and kind == "multilabel":
        row["labels"] = [label for label, score in scores.items() if score >= wanted.threshold]
    if wanted.top_k is not None:
        best = sorted(scores, key=scores.__getitem__, reverse=True)[: wanted.top_k]
        row["scores"] = {label: scores[label] for label in best}
    return row

"""Classification with one label per sample, of pictures, texts or recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from tlzoo.errors import DataError
from tlzoo.tasks.metrics import Direction, direction, scikit_learn_metrics


@dataclass(frozen=True)
class Classification:
    """`name` is the task's, such as `image-classification`; `labels` are the classes in the order of the logits."""

    name: str
    labels: tuple[str, ...]

    kind: ClassVar[Literal["single"]] = "single"
    monitor: ClassVar[str] = "log_loss"
    headline: ClassVar[str] = "accuracy"
    directions: ClassVar[dict[str, Direction]] = {"accuracy": "max", "macro_f1": "max", "log_loss": "min"}

    @staticmethod
    def labels_of(cells: Sequence[str], column: str) -> tuple[str, ...]:
        """The classes that occur in `cells`, sorted."""
        return tuple(sorted(set(cells)))

    @property
    def modality(self) -> str:
        """`image`, `text`, `audio` or a plugin's own."""
        return self.name.partition("-")[0]

    @property
    def outputs(self) -> int:
        """How many logits a model of this task gives."""
        return len(self.labels)

    def encode(self, labels: Sequence[str]) -> np.ndarray:
        """Labels to class numbers, int64 [N]; raises DataError naming labels that this task does not have."""
        numbers = class_numbers(self.labels, labels)
        return np.array([numbers[label] for label in labels], dtype=np.int64)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Softmax of logits [N, C] in double precision, as float32 [N, C] whose rows sum to 1."""
        return _softmax(logits).astype(np.float32)

    def decode(self, logits: np.ndarray) -> list[dict[str, Any]]:
        """One dict per row of logits [N, C]: the likeliest `label`, its `score`, and `scores` {label: probability}."""
        rows = self.probabilities(logits).tolist()
        best = np.argmax(logits, axis=1).tolist() if len(rows) else []
        return [
            {"label": self.labels[top], "score": row[top], "scores": dict(zip(self.labels, row, strict=True))}
            for top, row in zip(best, rows, strict=True)
        ]

    def metrics(self, logits: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Accuracy, macro-averaged F1 (over classes that occur) and log loss (nats) of logits [N, C] for targets [N].

        Raises UsageError where scikit-learn is not installed.
        """
        measures = scikit_learn_metrics()
        predicted = np.argmax(logits, axis=1)
        return {
            "accuracy": float(measures.accuracy_score(targets, predicted)),
            "macro_f1": float(measures.f1_score(targets, predicted, average="macro", zero_division=0)),
            "log_loss": float(measures.log_loss(targets, _softmax(logits), labels=range(self.outputs))),
        }

    def better(self, metric: str) -> Direction:
        """Whether less (`min`) or more (`max`) of a metric is better; raises UsageError for a name that is none."""
        return direction(self.name, self.directions, metric)

    def samplewise(self, logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """1 where the likeliest label is right, else 0, float64 [N]; the mean is the accuracy."""
        result: np.ndarray = (np.argmax(logits, axis=1) == targets).astype(np.float64)
        return result

    def scale(self, reference: np.ndarray) -> float:
        """The largest logit's distance from its sample's mean: what all logits of a sample share does not count."""
        return float(max(1e-12, np.abs(reference - reference.mean(axis=1, keepdims=True)).max()))

    def agreement(self, exported: np.ndarray, reference: np.ndarray, tolerance: float) -> np.ndarray:
        """Bool [N]: whether the label chosen by `exported` has a reference logit within `tolerance` of the largest."""
        chosen = np.take_along_axis(reference, exported.argmax(axis=1)[:, None], axis=1)[:, 0]
        result: np.ndarray = chosen >= reference.max(axis=1) - tolerance
        return result


def class_numbers(known: Sequence[str], labels: Sequence[str]) -> dict[str, int]:
    """The number of each known label; raises DataError naming those of `labels` that are not known."""
    numbers = {label: number for number, label in enumerate(known)}
    if unknown := sorted({label for label in labels if label not in numbers}):
        names = ", ".join(repr(label) for label in unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        raise DataError(f"Labels that training never saw: {names}.", hint=f"Known labels: {', '.join(known[:20])}")
    return numbers


def _softmax(logits: np.ndarray) -> np.ndarray:
    wide = np.asarray(logits, dtype=np.float64)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return shares

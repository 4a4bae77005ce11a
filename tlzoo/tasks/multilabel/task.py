"""Classification with any number of labels per sample, none included: each label is a yes or no of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from tlzoo.tasks.classification.task import class_numbers
from tlzoo.tasks.metrics import Direction, direction, scikit_learn_metrics

SEPARATOR = ";"


@dataclass(frozen=True)
class MultiLabel:
    """`name` is the task's, such as `text-multilabel`; `labels` stand in the order of the logits."""

    name: str
    labels: tuple[str, ...]

    kind: ClassVar[Literal["multilabel"]] = "multilabel"
    monitor: ClassVar[str] = "log_loss"
    headline: ClassVar[str] = "macro_f1"
    directions: ClassVar[dict[str, Direction]] = {
        "macro_f1": "max",
        "micro_f1": "max",
        "mean_average_precision": "max",
        "log_loss": "min",
    }

    @staticmethod
    def labels_of(cells: Sequence[str], column: str) -> tuple[str, ...]:
        """The labels that occur in `cells`, such as `a;b`, sorted."""
        return tuple(sorted({label for cell in cells for label in _labels_in(cell)}))

    @property
    def modality(self) -> str:
        """`image`, `text`, `audio` or a plugin's own."""
        return self.name.partition("-")[0]

    @property
    def outputs(self) -> int:
        """How many logits a model of this task gives."""
        return len(self.labels)

    def encode(self, labels: Sequence[str]) -> np.ndarray:
        """Cells such as `a;b` to float32 [N, C] of 0 and 1; raises DataError naming labels that this task has not."""
        rows = [_labels_in(cell) for cell in labels]
        numbers = class_numbers(self.labels, [label for row in rows for label in row])
        targets = np.zeros((len(rows), self.outputs), dtype=np.float32)
        for target, row in zip(targets, rows, strict=True):
            target[[numbers[label] for label in row]] = 1
        return targets

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Each label's own probability, the logistic function of logits [N, C] in double precision, as float32."""
        wide = np.asarray(logits, dtype=np.float64)
        return np.exp(-np.logaddexp(0, -wide)).astype(np.float32)

    def decode(self, logits: np.ndarray) -> list[dict[str, Any]]:
        """One dict per row of logits [N, C]: the `labels` of probability 0.5 or more, and `scores` of all labels."""
        return [
            {
                "labels": [label for label, there in zip(self.labels, decided, strict=True) if there],
                "scores": dict(zip(self.labels, row, strict=True)),
            }
            for decided, row in zip(np.asarray(logits) >= 0, self.probabilities(logits).tolist(), strict=True)
        ]

    def metrics(self, logits: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """F1 averaged over labels and over decisions, mean average precision, log loss; logits and targets [N, C].

        Macro F1 counts labels that occur or are predicted, 1 where there are none. Mean average precision counts
        labels that occur, 0 where there are none. Log loss is in nats per decision. Raises UsageError where
        scikit-learn is not installed.
        """
        wide = np.asarray(logits, dtype=np.float64)
        hits, misses = _hits_and_misses(wide, targets, axis=0)
        counted = hits + misses > 0
        return {
            "macro_f1": float(_f1(hits, misses)[counted].mean()) if counted.any() else 1.0,
            "micro_f1": float(_f1(hits.sum(), misses.sum())),
            "mean_average_precision": _mean_average_precision(wide, targets),
            "log_loss": float((np.logaddexp(0, wide) - targets * wide).mean()),
        }

    def better(self, metric: str) -> Direction:
        """Whether less (`min`) or more (`max`) of a metric is better; raises UsageError for a name that is none."""
        return direction(self.name, self.directions, metric)

    def samplewise(self, logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Each sample's F1 over its labels, float64 [N]; 1 where it has none and none is predicted.

        Their mean is not macro F1, which is no mean over samples, but moves with it.
        """
        return _f1(*_hits_and_misses(logits, targets, axis=1))

    def scale(self, reference: np.ndarray) -> float:
        """The largest logit's size: a label's logit is compared with 0, not with the others'."""
        return float(max(1e-12, np.abs(reference).max()))

    def agreement(self, exported: np.ndarray, reference: np.ndarray, tolerance: float) -> np.ndarray:
        """Bool [N]: whether every label is decided alike, those with a reference within `tolerance` of 0 aside."""
        alike = ((exported >= 0) == (reference >= 0)) | (np.abs(reference) <= tolerance)
        result: np.ndarray = (alike & np.isfinite(exported)).all(axis=1)
        return result


def _labels_in(cell: str) -> list[str]:
    return [label for part in cell.split(SEPARATOR) if (label := part.strip())]


def _hits_and_misses(logits: np.ndarray, targets: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Along `axis`: labels found, and labels missed or wrongly predicted; float64."""
    predicted, there = np.asarray(logits) >= 0, np.asarray(targets) > 0.5
    return (predicted & there).sum(axis, dtype=np.float64), (predicted != there).sum(axis, dtype=np.float64)


def _f1(hits: np.ndarray, misses: np.ndarray) -> np.ndarray:
    """2 TP / (2 TP + FP + FN); 1 where there was nothing to find and nothing was claimed."""
    total = 2 * hits + misses
    result: np.ndarray = np.where(total > 0, 2 * hits / np.maximum(total, 1), 1.0)
    return result


def _mean_average_precision(logits: np.ndarray, targets: np.ndarray) -> float:
    measures = scikit_learn_metrics()
    occurring = np.flatnonzero(targets.any(axis=0))
    found = [measures.average_precision_score(targets[:, at], logits[:, at]) for at in occurring]
    return float(np.mean(found)) if found else 0.0

"""Classification with one label per sample, of pictures, texts or recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlzoo.errors import DataError, UsageError


@dataclass(frozen=True)
class Classification:
    """`name` is the task's, such as `image-classification`; `labels` are the classes in the order of the logits."""

    name: str
    labels: tuple[str, ...]

    @property
    def modality(self) -> str:
        """`image`, `text` or `audio`."""
        return self.name.partition("-")[0]

    @property
    def outputs(self) -> int:
        """How many logits a model of this task gives."""
        return len(self.labels)

    def encode(self, labels: Sequence[str]) -> np.ndarray:
        """Labels to class numbers, int64 [N]; raises DataError naming labels that this task does not have."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        unknown = sorted({label for label in labels if label not in numbers})
        if unknown:
            names = ", ".join(repr(label) for label in unknown[:5]) + (", ..." if len(unknown) > 5 else "")
            raise DataError(
                f"Labels that training never saw: {names}.", hint=f"Known labels: {', '.join(self.labels[:20])}"
            )
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
        try:
            from sklearn.metrics import accuracy_score, f1_score, log_loss
        except ImportError as cause:
            raise UsageError(
                "Measuring needs scikit-learn, which is not installed.",
                hint="Install it: pip install 'tlzoo[evaluate]'",
            ) from cause
        predicted = np.argmax(logits, axis=1)
        return {
            "accuracy": float(accuracy_score(targets, predicted)),
            "macro_f1": float(f1_score(targets, predicted, average="macro", zero_division=0)),
            "log_loss": float(log_loss(targets, _softmax(logits), labels=range(self.outputs))),
        }


def _softmax(logits: np.ndarray) -> np.ndarray:
    wide = np.asarray(logits, dtype=np.float64)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return shares

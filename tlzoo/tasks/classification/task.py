"""Classification with one label per sample, of pictures, texts or recordings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tlzoo.tasks.agreement import EPSILON, TIE, single_output
from tlzoo.tasks.base import DEFAULT_OPTIONS, Agreement, DecodeOptions, DerivedOutput, Output, Prediction, Task
from tlzoo.tasks.calibration import binned_error, fit_temperature, multinomial_loss
from tlzoo.tasks.labels import check_two_classes, class_numbers, count_found, in_order, label_shares, top_scores
from tlzoo.tasks.metrics import Direction, scikit_learn_metrics
from tlzoo.tasks.probabilities import softmax
from tlzoo.tasks.row import Row
from tlzoo.tasks.rows import Outputs

_ARRAY = re.compile(r"\[[0-9.\s]+\]")
"""Numbers as NumPy prints them."""


@dataclass(frozen=True)
class LabelPrediction(Prediction):
    """The likeliest label, its probability, and every label's probability.

    With a threshold, `label` is `None` where the likeliest label's probability is below it. With `top_k`, `scores`
    holds that many labels, the likeliest first.
    """

    label: str | None
    score: float
    scores: dict[str, float]

    def as_line(self) -> dict[str, str]:
        """Input, label and score."""
        return {"input": str(self.input), "label": str(self.label), "score": f"{self.score:.4f}"}


@dataclass(frozen=True)
class Classification(Task):
    """`labels` are the classes in the order of the logits; a target is one of them."""

    family: ClassVar[str] = "classification"
    answers: ClassVar[str] = "labels"
    holds: ClassVar[str] = "one label per sample"
    supports: ClassVar[frozenset[str]] = frozenset(
        {"probe", "calibration", "class_weights", "label_smoothing", "mixup", "augment", "top_k", "threshold"}
    )
    folders: ClassVar[bool] = True
    monitor: ClassVar[str] = "log_loss"
    headline: ClassVar[str] = "accuracy"
    directions: ClassVar[Mapping[str, Direction]] = {"accuracy": "max", "macro_f1": "max", "log_loss": "min"}
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"accuracy": (0, 1), "macro_f1": (0, 1), "log_loss": (0, inf)}
    prediction: ClassVar[type[Prediction]] = LabelPrediction
    derived: ClassVar[tuple[DerivedOutput, ...]] = (DerivedOutput("probabilities", "logits", "Softmax"),)
    resamples: ClassVar[int] = 2000
    head: ClassVar[str] = "tlzoo.tasks.classification.head"
    page: ClassVar[Path | None] = Path(__file__).with_name("page.js")

    @property
    def outputs(self) -> tuple[Output, ...]:
        """`logits` [N, C]."""
        return (Output("logits", ("batch", len(self.labels)), labelled=True),)

    def read(self, row: Row) -> str:
        """The label, as `plain_label` has it."""
        value = row.value("label")
        if row.listed("label") is not None or (isinstance(value, str) and _ARRAY.fullmatch(value.strip())):
            raise row.error(
                f"has a list as {row.column('label')!r}",
                "For several labels of a sample train with `task='multilabel'`; else write the one label alone.",
            )
        return row.label("label", value)

    def check(self, targets: Sequence[str], place: Path) -> None:
        """Two classes or more."""
        check_two_classes(targets, place)

    def fit(self, targets: Sequence[str], column: str) -> Classification:
        """The classes that occur, sorted, by value where all are numbers."""
        return Classification(self.name, tuple(in_order(targets)))

    def group(self, target: str) -> str:
        """Splits keep every class."""
        return target

    def labels_in(self, target: str) -> Sequence[str]:
        """The one label."""
        return (target,)

    def collate(self, targets: Sequence[str], contexts: Sequence[Any] = ()) -> dict[str, np.ndarray]:
        """`labels`, class numbers int64 [N]; raises DataError naming labels that this task does not have."""
        numbers = class_numbers(self.labels, targets)
        return {"labels": np.array([numbers[target] for target in targets], dtype=np.int64)}

    def balance(self, targets: Sequence[str]) -> list[float]:
        """N / (C * n) for a class of n samples (King & Zeng 2001), from 0.01 to 100."""
        counts = np.bincount(self.collate(targets)["labels"], minlength=len(self.labels))
        weights: list[float] = np.clip(len(targets) / len(self.labels) / np.maximum(1, counts), 0.01, 100).tolist()
        return weights

    def metrics(self, outputs: Outputs, targets: Sequence[str], contexts: Sequence[Any] = ()) -> dict[str, float]:
        """Accuracy, macro-averaged F1 (over classes that occur) and log loss (nats).

        Raises UsageError where scikit-learn is not installed.
        """
        measures, logits, right = scikit_learn_metrics(), np.asarray(outputs["logits"]), self.collate(targets)["labels"]
        predicted = np.argmax(logits, axis=1)
        return {
            "accuracy": float(measures.accuracy_score(right, predicted)),
            "macro_f1": float(measures.f1_score(right, predicted, average="macro", zero_division=0)),
            "log_loss": float(measures.log_loss(right, softmax(logits), labels=range(len(self.labels)))),
        }

    def prior_outputs(self, targets: Sequence[str], count: int) -> Outputs:
        """The logarithms of the classes' shares, each class seen once more (Laplace)."""
        seen = np.bincount(self.collate(targets)["labels"], minlength=len(self.labels)) + 1
        return {"logits": np.tile(np.log(seen / seen.sum()), (count, 1))}

    def samplewise(self, outputs: Outputs, targets: Sequence[str], contexts: Sequence[Any] = ()) -> np.ndarray:
        """1 where the likeliest label is right, else 0; the mean is the accuracy."""
        right: np.ndarray = np.argmax(outputs["logits"], axis=1) == self.collate(targets)["labels"]
        return right.astype(np.float64)

    def label_recalls(
        self, outputs: Outputs, targets: Sequence[str], contexts: Sequence[Any] = ()
    ) -> Mapping[str, tuple[int, int]]:
        """Each class's samples whose likeliest label it is."""
        right = self.samplewise(outputs, targets) > 0
        there = np.eye(len(self.labels), dtype=bool)[self.collate(targets)["labels"]]
        return count_found(self.labels, there & right[:, None], there)

    def resample(
        self, outputs: Outputs, targets: Sequence[str], contexts: Sequence[Any], draws: Iterable[np.ndarray]
    ) -> list[float]:
        """The accuracy of each draw."""
        scores = self.samplewise(outputs, targets)
        return [float(scores[drawn].mean()) for drawn in draws]

    def agree(self, exported: Outputs, reference: Outputs, tolerance: float) -> Agreement:
        """The same where the label chosen has a reference logit as large as the largest, a tie aside.

        The scale is the largest logit's distance from its sample's mean: what all logits of a sample share does not
        count.
        """
        right, chosen = np.asarray(reference["logits"]), np.asarray(exported["logits"]).argmax(axis=1)
        scale = float(max(EPSILON, np.abs(right - right.mean(axis=1, keepdims=True)).max()))
        there = np.take_along_axis(right, chosen[:, None], axis=1)[:, 0]
        same = there >= right.max(axis=1) - min(tolerance, TIE) * scale
        return Agreement(*single_output("logits", exported, reference, scale), same)

    def answer_shares(self, outputs: Outputs, contexts: Sequence[Any] = ()) -> dict[str, float]:
        """The likeliest labels."""
        counts = np.bincount(np.argmax(outputs["logits"], axis=1), minlength=len(self.labels))
        return label_shares(self.labels, counts.tolist())

    def decode(
        self, outputs: Outputs, contexts: Sequence[Any] = (), options: DecodeOptions = DEFAULT_OPTIONS
    ) -> list[LabelPrediction]:
        """The likeliest label of each sample."""
        logits = np.asarray(outputs["logits"]) / np.float32(options.temperature)
        rows = softmax(logits).astype(np.float32).tolist()
        best = np.argmax(logits, axis=1).tolist() if len(rows) else []
        return [
            LabelPrediction(
                self.labels[top] if options.threshold is None or row[top] >= options.threshold else None,
                row[top],
                top_scores(dict(zip(self.labels, row, strict=True)), options.top_k),
            )
            for top, row in zip(best, rows, strict=True)
        ]

    def temperature(self, outputs: Outputs, targets: Sequence[str], contexts: Sequence[Any] = ()) -> float:
        """See `fit_temperature`."""
        return fit_temperature(multinomial_loss(np.asarray(outputs["logits"]), self.collate(targets)["labels"]))

    def calibration_error(
        self, outputs: Outputs, targets: Sequence[str], contexts: Sequence[Any] = (), temperature: float = 1.0
    ) -> float:
        """The likeliest label's probability against how often it is right."""
        shares = softmax(np.asarray(outputs["logits"], dtype=np.float64) / temperature)
        right = shares.argmax(axis=1) == self.collate(targets)["labels"]
        return binned_error(shares.max(axis=1), right.astype(np.float64))

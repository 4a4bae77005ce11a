"""Classification with any number of labels per sample, none included: each label is a yes or no of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tlzoo.errors import DataError
from tlzoo.tasks.agreement import EPSILON, TIE, single_output
from tlzoo.tasks.base import DEFAULT_OPTIONS, Agreement, DecodeOptions, DerivedOutput, Output, Prediction, Task
from tlzoo.tasks.calibration import binned_error, fit_temperature, logistic_loss
from tlzoo.tasks.labels import class_numbers, count_found, in_order, top_scores
from tlzoo.tasks.metrics import Direction, scikit_learn_metrics
from tlzoo.tasks.multilabel.cells import SEPARATOR, check_separator, read_labels
from tlzoo.tasks.probabilities import sigmoid
from tlzoo.tasks.row import Row
from tlzoo.tasks.rows import Outputs


@dataclass(frozen=True)
class MultiLabelPrediction(Prediction):
    """The labels whose probability reaches the threshold (0.5), and every label's own probability.

    A line of text has a score for each of its labels, `-` where `top_k` leaves it out.

    With `top_k`, `scores` holds that many labels, the likeliest first; `labels` are as without.
    """

    labels: list[str]
    scores: dict[str, float]

    def as_line(self) -> dict[str, str]:
        """Input, labels and their scores."""
        shown = ";".join(f"{self.scores[label]:.4f}" if label in self.scores else "-" for label in self.labels)
        return {"input": str(self.input), "labels": ";".join(self.labels), "scores": shown}


@dataclass(frozen=True)
class MultiLabel(Task):
    """`labels` stand in the order of the logits; a target is the labels of a sample, as `a;b`."""

    family: ClassVar[str] = "multilabel"
    answers: ClassVar[str] = "labels"
    holds: ClassVar[str] = "several labels per sample"
    supports: ClassVar[frozenset[str]] = frozenset(
        {"probe", "calibration", "class_weights", "label_smoothing", "mixup", "augment", "top_k", "threshold"}
    )
    monitor: ClassVar[str] = "log_loss"
    headline: ClassVar[str] = "macro_f1"
    directions: ClassVar[Mapping[str, Direction]] = {
        "macro_f1": "max",
        "micro_f1": "max",
        "mean_average_precision": "max",
        "log_loss": "min",
    }
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        "macro_f1": (0, 1),
        "micro_f1": (0, 1),
        "mean_average_precision": (0, 1),
        "log_loss": (0, inf),
    }
    prediction: ClassVar[type[Prediction]] = MultiLabelPrediction
    derived: ClassVar[tuple[DerivedOutput, ...]] = (DerivedOutput("probabilities", "logits", "Sigmoid"),)
    head: ClassVar[str] = "tlzoo.tasks.multilabel.head"
    page: ClassVar[Path | None] = Path(__file__).with_name("page.js")

    @property
    def outputs(self) -> tuple[Output, ...]:
        """`logits` [N, C]."""
        return (Output("logits", ("batch", len(self.labels)), labelled=True),)

    def read(self, row: Row) -> str:
        """The labels of a row, see `tlzoo.tasks.multilabel.cells`; an empty cell has none."""
        return SEPARATOR.join(read_labels(row))

    def check_table(self, rows: Sequence[Row]) -> None:
        """Cells that may hold several labels say what separates them."""
        check_separator(rows)

    def check(self, targets: Sequence[str], place: Path) -> None:
        """One label or more: that it is there or not are two classes."""
        if not any(self.labels_in(target) for target in targets):
            raise DataError(
                f"{place} has no label in any row.", hint="Fill its label column, such as a;b for two labels."
            )
        if len({frozenset(self.labels_in(target)) for target in targets}) < 2:
            raise DataError(
                f"Every sample of {place} has the same labels, {targets[0]}: there is nothing to learn.",
                hint="Give samples with different labels, or without any.",
            )

    def fit(self, targets: Sequence[str], column: str) -> MultiLabel:
        """The labels that occur, sorted, by value where all are numbers."""
        return MultiLabel(self.name, tuple(in_order(label for target in targets for label in self.labels_in(target))))

    def labels_in(self, target: str) -> Sequence[str]:
        """The labels of a target such as `a;b`."""
        return [label for part in target.split(SEPARATOR) if (label := part.strip())]

    def merge_targets(self, targets: Sequence[str]) -> str:
        """All labels that any of them has, each once."""
        return SEPARATOR.join(dict.fromkeys(label for target in targets for label in self.labels_in(target)))

    def collate(self, targets: Sequence[str], contexts: Sequence[Any] = ()) -> dict[str, np.ndarray]:
        """`labels`, float32 [N, C] of 0 and 1; raises DataError naming labels that this task does not have."""
        rows = [self.labels_in(target) for target in targets]
        numbers = class_numbers(self.labels, [label for row in rows for label in row])
        there = np.zeros((len(rows), len(self.labels)), dtype=np.float32)
        for sample, row in zip(there, rows, strict=True):
            sample[[numbers[label] for label in row]] = 1
        return {"labels": there}

    def balance(self, targets: Sequence[str]) -> list[float]:
        """The samples without a label over those with it, from 0.01 to 100."""
        counts = self.collate(targets)["labels"].sum(axis=0)
        weights: list[float] = np.clip((len(targets) - counts) / np.maximum(1, counts), 0.01, 100).tolist()
        return weights

    def metrics(self, outputs: Outputs, targets: Sequence[str], contexts: Sequence[Any] = ()) -> dict[str, float]:
        """F1 averaged over labels and over decisions, mean average precision, log loss.

        Macro F1 counts labels that occur or are predicted, 1 where there are none. Mean average precision counts
        labels that occur, 0 where there are none. Log loss is in nats per decision. Raises UsageError where
        scikit-learn is not installed.
        """
        wide, there = np.asarray(outputs["logits"], dtype=np.float64), self.collate(targets)["labels"]
        hits, misses = _hits_and_misses(wide, there, axis=0)
        return {
            "macro_f1": _macro_f1(hits, misses),
            "micro_f1": float(_f1(hits.sum(), misses.sum())),
            "mean_average_precision": _mean_average_precision(wide, there),
            "log_loss": float((np.logaddexp(0, wide) - there * wide).mean()),
        }

    def prior_outputs(self, targets: Sequence[str], count: int) -> Outputs:
        """The logarithms of each label's odds, it being seen there once more and not there once more (Laplace)."""
        there = self.collate(targets)["labels"].sum(axis=0, dtype=np.float64)
        return {"logits": np.tile(np.log((there + 1) / (len(targets) - there + 1)), (count, 1))}

    def samplewise(self, outputs: Outputs, targets: Sequence[str], contexts: Sequence[Any] = ()) -> np.ndarray:
        """Each sample's F1 over its labels; 1 where it has none and none is predicted.

        Their mean is not macro F1, which is no mean over samples, but moves with it.
        """
        return _f1(*_hits_and_misses(np.asarray(outputs["logits"]), self.collate(targets)["labels"], axis=1))

    def label_recalls(
        self, outputs: Outputs, targets: Sequence[str], contexts: Sequence[Any] = ()
    ) -> Mapping[str, tuple[int, int]]:
        """Each label's samples for which it is predicted."""
        there = self.collate(targets)["labels"] > 0.5
        return count_found(self.labels, there & (np.asarray(outputs["logits"]) >= 0), there)

    def resample(
        self, outputs: Outputs, targets: Sequence[str], contexts: Sequence[Any], draws: Iterable[np.ndarray]
    ) -> list[float]:
        """The macro F1 of each draw."""
        logits, there = np.asarray(outputs["logits"]), self.collate(targets)["labels"]
        return [_macro_f1(*_hits_and_misses(logits[drawn], there[drawn], axis=0)) for drawn in draws]

    def agree(self, exported: Outputs, reference: Outputs, tolerance: float) -> Agreement:
        """The same where every label is decided alike, those with a reference near 0 aside.

        The scale is the largest logit's size: a label's logit is compared with 0, not with the others'.
        """
        mine, right = np.asarray(exported["logits"]), np.asarray(reference["logits"])
        scale = float(max(EPSILON, np.abs(right).max()))
        alike = ((mine >= 0) == (right >= 0)) | (np.abs(right) <= min(tolerance, TIE) * scale)
        same = (alike & np.isfinite(mine)).all(axis=1)
        return Agreement(*single_output("logits", exported, reference, scale), same)

    def decode(
        self, outputs: Outputs, contexts: Sequence[Any] = (), options: DecodeOptions = DEFAULT_OPTIONS
    ) -> list[MultiLabelPrediction]:
        """The labels of probability 0.5 or more, or of the threshold."""
        logits = np.asarray(outputs["logits"]) / np.float32(options.temperature)
        shares = sigmoid(logits).astype(np.float32)
        chosen = logits >= 0 if options.threshold is None else shares >= options.threshold
        return [
            MultiLabelPrediction(
                [label for label, there in zip(self.labels, decided, strict=True) if there],
                top_scores(dict(zip(self.labels, row, strict=True)), options.top_k),
            )
            for decided, row in zip(chosen, shares.tolist(), strict=True)
        ]

    def temperature(self, outputs: Outputs, targets: Sequence[str], contexts: Sequence[Any] = ()) -> float:
        """See `fit_temperature`."""
        return fit_temperature(logistic_loss(np.asarray(outputs["logits"]), self.collate(targets)["labels"]))

    def calibration_error(
        self, outputs: Outputs, targets: Sequence[str], contexts: Sequence[Any] = (), temperature: float = 1.0
    ) -> float:
        """Every label's own probability against how often it is there."""
        shares = sigmoid(np.asarray(outputs["logits"], dtype=np.float64) / temperature)
        return binned_error(shares.ravel(), self.collate(targets)["labels"].ravel().astype(np.float64))


def _hits_and_misses(logits: np.ndarray, targets: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Along `axis`: labels found, and labels missed or wrongly predicted; float64."""
    predicted, there = np.asarray(logits) >= 0, np.asarray(targets) > 0.5
    return (predicted & there).sum(axis, dtype=np.float64), (predicted != there).sum(axis, dtype=np.float64)


def _f1(hits: np.ndarray, misses: np.ndarray) -> np.ndarray:
    """2 TP / (2 TP + FP + FN); 1 where there was nothing to find and nothing was claimed."""
    total = 2 * hits + misses
    result: np.ndarray = np.where(total > 0, 2 * hits / np.maximum(total, 1), 1.0)
    return result


def _macro_f1(hits: np.ndarray, misses: np.ndarray) -> float:
    counted = hits + misses > 0
    return float(_f1(hits, misses)[counted].mean()) if counted.any() else 1.0


def _mean_average_precision(logits: np.ndarray, targets: np.ndarray) -> float:
    measures = scikit_learn_metrics()
    occurring = np.flatnonzero(targets.any(axis=0))
    found = [measures.average_precision_score(targets[:, at], logits[:, at]) for at in occurring]
    return float(np.mean(found)) if found else 0.0

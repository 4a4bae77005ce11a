"""The proof that an exported file equals the trained model, on held-out samples, through the runtime's own path.

Torch-free: `reference` is what torch said, now or when the file was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlzoo.artifact.manifest import Parity, Thresholds
from tlzoo.errors import InputError, ParityError
from tlzoo.progress import progress
from tlzoo.runtime import Predictor
from tlzoo.tasks import Task

BATCHES = (1, 2, 3, 7)
WHOLE = 32
PER_BATCH_SIZE = 28
TIE = 1e-4
"""A label may change, in any precision, only where logits are nearer to each other than this share of their scale."""

NO_FILE = "No file was written. Report it to the plugin's author."

THRESHOLDS = {
    "fp32": Thresholds(difference=1e-4, agreement=1.0, drop=0.5),
    "fp16": Thresholds(difference=0.02, agreement=0.99, drop=0.5),
    "int8": Thresholds(difference=1.5, agreement=0.95, drop=0.5),
    "raw input": Thresholds(difference=0.5, agreement=0.95, drop=0.5),
}
"""What is asked of each precision, and where the graph resizes pictures itself, by default."""


def default_thresholds(precision: str, raw_input: bool = False) -> Thresholds:
    """What is asked of a precision, where the graph resizes pictures itself the looser of both."""
    asked = [THRESHOLDS[precision], *([THRESHOLDS["raw input"]] if raw_input else [])]
    return Thresholds(
        difference=max(one.difference for one in asked),
        agreement=min(one.agreement for one in asked),
        drop=max(one.drop for one in asked),
    )


@dataclass(frozen=True)
class Proof:
    """The figures, the file's logits [N, C] for all samples, and the name of the one that differs most."""

    parity: Parity
    exported: np.ndarray
    worst: str


@dataclass(frozen=True)
class Tried:
    """Arrays as the graph takes them, `length` tokens or samples of audio long, and torch's logits for them."""

    length: int
    arrays: dict[str, np.ndarray]
    reference: np.ndarray


def prove(
    predictor: Predictor,
    inputs: Sequence[Any],
    reference: np.ndarray,
    *,
    thresholds: Thresholds | None = None,
    targets: np.ndarray | None = None,
    lengths: Sequence[Tried] = (),
) -> Proof:
    """Compare the file's logits for raw `inputs` with torch's `reference` [N, C], at several batch sizes and lengths.

    Raises ParityError naming the sample that differs most when a logit differs by more than the thresholds' share of
    the logits' scale, when too many answers differ that are no ties, or, with `targets`, when the task's headline
    metric loses too much; the task says what scale and answer are. The default thresholds are those of fp32.
    """
    task, asked = predictor.task, thresholds or THRESHOLDS["fp32"]
    scale = task.scale(reference)
    tolerance = asked.difference * scale
    tie = tolerance if task.kind == "regression" else min(tolerance, TIE * scale)
    with progress("Proof", 1 + len(BATCHES) + len(lengths), "batch sizes and lengths") as advance:
        exported = _answers(predictor, inputs, WHOLE)
        advance(1)
        worst = np.abs(exported - reference).max(axis=1)
        agreed = task.agreement(exported, reference, tie)
        few = range(min(PER_BATCH_SIZE, len(inputs)))
        for size in BATCHES:
            again = _answers(predictor, [inputs[i] for i in few], size)
            worst[: len(few)] = np.maximum(worst[: len(few)], np.abs(again - reference[: len(few)]).max(axis=1))
            agreed[: len(few)] &= task.agreement(again, reference[: len(few)], tie)
            advance(1)
        differences = []
        for tried in lengths:
            differences.append(_difference(predictor, tried))
            advance(1)
    whole = bool(np.isfinite(exported).all())
    drop = lost(task, reference, exported, targets) if targets is not None and whole else 0.0
    parity = Parity(
        samples=len(worst),
        batches=(*BATCHES, WHOLE),
        lengths=tuple(tried.length for tried in lengths),
        max_abs_diff=float(worst.max()),
        scale=scale,
        tolerance=tolerance,
        top1_agreement=float(agreed.mean()),
        worst=int(np.where(np.isfinite(worst), worst, np.inf).argmax()),
        drop=drop,
        thresholds=asked,
    )
    longest = 120 if task.modality == "text" else None  # of a path, every letter counts
    name = repr(str(inputs[parity.worst or 0])[:longest])
    _judge(parity, asked, name, task.headline)
    _judge_lengths(parity, differences)
    return Proof(parity, exported, name)


def lost(task: Task, reference: np.ndarray, exported: np.ndarray, targets: np.ndarray) -> float:
    """What the headline metric lost, in points (hundredths); of one in the targets' unit, in percent of its value."""
    before, after = (task.metrics(rows, targets)[task.headline] for rows in (reference, exported))
    if task.better(task.headline) == "max":
        return 100 * (before - after)
    return 100 * (after - before) / max(before, 1e-12)


def _answers(predictor: Predictor, inputs: Sequence[Any], batch: int) -> np.ndarray:
    try:
        return predictor.logits(inputs, batch=batch, finite=False)
    except InputError:
        raise
    except Exception as cause:
        raise _fails(f"on held-out samples in batches of {batch}", cause) from cause


def _difference(predictor: Predictor, tried: Tried) -> float:
    try:
        found = predictor.run(tried.arrays)
    except Exception as cause:
        raise _fails(f"at a length of {tried.length}", cause) from cause
    return float(np.abs(found - tried.reference).max())


def _fails(where: str, cause: Exception) -> ParityError:
    reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
    return ParityError(f"The exported file fails {where}: {reason}", hint=NO_FILE)


def _judge_lengths(parity: Parity, differences: Sequence[float]) -> None:
    for length, difference in zip(parity.lengths, differences, strict=True):
        if not difference <= parity.tolerance:
            raise ParityError(
                f"At a length of {length} the exported file differs from the trained model by {difference:.3g} "
                f"({parity.tolerance:.3g} is allowed).",
                hint=NO_FILE,
            )


def _judge(parity: Parity, asked: Thresholds, name: str, metric: str) -> None:
    if (
        parity.max_abs_diff <= parity.tolerance
        and parity.top1_agreement >= asked.agreement
        and parity.drop <= asked.drop
    ):
        return
    raise ParityError(
        f"The exported file differs from the trained model: by {parity.max_abs_diff:.3g} at most "
        f"({parity.tolerance:.3g} is allowed), answers agree on {parity.top1_agreement:.1%} of {parity.samples} "
        f"held-out samples ({asked.agreement:.1%} is asked), {metric} loses {parity.drop:.2f} points "
        f"({asked.drop:g} are allowed); it differs most on {name}.",
        hint=NO_FILE,
    )

"""The proof that an exported file equals the trained model, on held-out samples, through the runtime's own path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlzoo.errors import ParityError, TlzooError
from tlzoo.export.manifest import Parity
from tlzoo.progress import progress
from tlzoo.runtime import Predictor

BATCHES = (1, 2, 3, 7)
PER_BATCH_SIZE = 28
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Proof:
    """The figures, and the file's logits [N, C] for all samples."""

    parity: Parity
    exported: np.ndarray


def prove(predictor: Predictor, inputs: Sequence[Any], reference: np.ndarray) -> Proof:
    """Compare the file's logits for raw `inputs` with torch's `reference` [N, C], at several batch sizes.

    Raises ParityError naming the sample that differs most when a logit differs by more than 1e-4 of the logits'
    scale, or when an answer differs that is no tie within that tolerance; the task says what scale and answer are.
    """
    task = predictor.task
    tolerance = TOLERANCE * task.scale(reference)
    with progress("Proof", 1 + len(BATCHES), "batch sizes") as advance:
        exported = _answers(predictor, inputs, 32)
        advance(1)
        worst = np.abs(exported - reference).max(axis=1)
        few = range(min(PER_BATCH_SIZE, len(inputs)))
        agreed = task.agreement(exported, reference, tolerance)
        for size in BATCHES:
            again = _answers(predictor, [inputs[i] for i in few], size)
            worst[: len(few)] = np.maximum(worst[: len(few)], np.abs(again - reference[: len(few)]).max(axis=1))
            agreed[: len(few)] &= task.agreement(again, reference[: len(few)], tolerance)
            advance(1)
    parity = _figures(worst, agreed, task.scale(reference))
    longest = 120 if task.modality == "text" else None  # of a path, every letter counts
    _judge(parity, worst, agreed, [repr(str(given)[:longest]) for given in inputs])
    return Proof(parity, exported)


def _answers(predictor: Predictor, inputs: Sequence[Any], batch: int) -> np.ndarray:
    try:
        return predictor.logits(inputs, batch=batch)
    except TlzooError:
        raise
    except Exception as cause:
        reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        raise ParityError(
            f"The exported file fails on held-out samples in batches of {batch}: {reason}",
            hint="No file was written. Report it to the plugin's author.",
        ) from cause


def _figures(worst: np.ndarray, agreed: np.ndarray, scale: float) -> Parity:
    return Parity(
        samples=len(worst),
        batches=(*BATCHES, 32),
        max_abs_diff=float(worst.max()),
        scale=scale,
        tolerance=TOLERANCE * scale,
        top1_agreement=float(agreed.mean()),
    )


def _judge(parity: Parity, worst: np.ndarray, agreed: np.ndarray, names: Sequence[str]) -> None:
    finite = np.where(np.isfinite(worst), worst, np.inf)
    at = int(finite.argmax())
    if bool(agreed.all()) and finite[at] <= parity.tolerance:
        return
    raise ParityError(
        f"The exported file differs from the trained model: by {worst[at]:.3g} at most "
        f"({parity.tolerance:.3g} is allowed), answers agree on {parity.top1_agreement:.1%} of {parity.samples} "
        f"held-out samples; it differs most on {names[at]}.",
        hint="No file was written. Report it to the plugin's author.",
    )

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
    scale, or when a label differs that is no tie within that tolerance.
    """
    with progress("Proof", 1 + len(BATCHES), "batch sizes") as advance:
        exported = _answers(predictor, inputs, 32)
        advance(1)
        worst = np.abs(exported - reference).max(axis=1)
        few = range(min(PER_BATCH_SIZE, len(inputs)))
        agreed = agreement(exported, reference, TOLERANCE * _scale(reference))
        for size in BATCHES:
            again = _answers(predictor, [inputs[i] for i in few], size)
            worst[: len(few)] = np.maximum(worst[: len(few)], np.abs(again - reference[: len(few)]).max(axis=1))
            agreed[: len(few)] &= agreement(again, reference[: len(few)], TOLERANCE * _scale(reference))
            advance(1)
    parity = _figures(worst, agreed, reference)
    longest = 120 if predictor.task.modality == "text" else None  # of a path, every letter counts
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


def agreement(exported: np.ndarray, reference: np.ndarray, tolerance: float) -> np.ndarray:
    """Per sample, whether the file's label is one whose reference logit is within `tolerance` of the largest."""
    chosen = np.take_along_axis(reference, exported.argmax(axis=1)[:, None], axis=1)[:, 0]
    result: np.ndarray = chosen >= reference.max(axis=1) - tolerance
    return result


def _scale(reference: np.ndarray) -> float:
    """The largest logit's distance from its sample's mean: what all logits of a sample share does not count."""
    return float(max(1e-12, np.abs(reference - reference.mean(axis=1, keepdims=True)).max()))


def _figures(worst: np.ndarray, agreed: np.ndarray, reference: np.ndarray) -> Parity:
    return Parity(
        samples=len(reference),
        batches=(*BATCHES, 32),
        max_abs_diff=float(worst.max()),
        scale=_scale(reference),
        tolerance=TOLERANCE * _scale(reference),
        top1_agreement=float(agreed.mean()),
    )


def _judge(parity: Parity, worst: np.ndarray, agreed: np.ndarray, names: Sequence[str]) -> None:
    finite = np.where(np.isfinite(worst), worst, np.inf)
    at = int(finite.argmax())
    if bool(agreed.all()) and finite[at] <= parity.tolerance:
        return
    raise ParityError(
        f"The exported file differs from the trained model: by {worst[at]:.3g} at most "
        f"({parity.tolerance:.3g} is allowed), labels agree on {parity.top1_agreement:.1%} of {parity.samples} "
        f"held-out samples; it differs most on {names[at]}.",
        hint="No file was written. Report it to the plugin's author.",
    )

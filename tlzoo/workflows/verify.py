"""`tlzoo.verify`: an exported file's proof, repeated anywhere, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlzoo.allocator import keep_big_blocks
from tlzoo.artifact.manifest import Parity
from tlzoo.artifact.reference import DIGEST_BYTES, unpack
from tlzoo.data import Columns, Samples, contents, endings_of, read
from tlzoo.errors import DataError, ParityError, UsageError
from tlzoo.export.check import Proof, prove
from tlzoo.progress import say
from tlzoo.runtime import Predictor, load
from tlzoo.tasks import Task
from tlzoo.tasks.metrics import scikit_learn_metrics


@dataclass(frozen=True)
class Verification:
    """The proof on those samples of the data that the file was proven on, `missing` of the file's being elsewhere.

    `metrics` are the file's here, of all `n` samples of the data where they are labelled, and `then` those it was
    exported with, on all it was proven on.
    """

    parity: Parity
    worst: str
    missing: int
    n: int
    metrics: dict[str, float] | None
    then: dict[str, float]


def verify(file: str | Path, data: str | Path, *, columns: Columns | None = None) -> Verification:
    """Compare an exported file's answers here with what the trained model answered when it was made.

    The trained model's logits for held-out samples lie in the file; samples of `data` are known again by their
    contents. Thresholds are those it was exported with. Raises ParityError where they do not hold, DataError where
    none of the samples is in `data`, ArtifactError for a file without reference outputs.
    """
    keep_big_blocks()
    predictor = load(file)
    reference = unpack(predictor.metadata, predictor.manifest, str(file))
    samples = _read(data, predictor, columns or {})
    places = {name: at for at, name in enumerate(reference.contents)}
    known = [digest[:DIGEST_BYTES] for digest in contents(samples.inputs, samples.modality)]
    pairs = {places[name]: at for at, name in enumerate(known) if name in places}
    if not pairs:
        raise DataError(
            f"None of the {len(samples)} samples of {data} is among the {len(places)} that {file} was proven on.",
            hint="Name the data that was held out when it was exported.",
        )
    stored, here = zip(*sorted(pairs.items()), strict=True)
    labelled = samples.labels if _measurable(predictor.task, samples) else None
    targets = None if labelled is None else predictor.task.encode(labelled)
    proof = _prove(
        predictor,
        [samples.inputs[at] for at in here],
        reference.logits[list(stored)],
        None if targets is None else targets[list(here)],
        file,
    )
    return Verification(
        parity=proof.parity,
        worst=proof.worst,
        missing=len(places) - len(pairs),
        n=len(samples),
        metrics=None if targets is None else predictor.task.metrics(predictor.logits(samples.inputs), targets),
        then=dict(predictor.manifest.metrics["exported"]),
    )


def _prove(
    predictor: Predictor, inputs: list[str], reference: np.ndarray, targets: np.ndarray | None, file: str | Path
) -> Proof:
    thresholds = predictor.manifest.parity.thresholds
    try:
        return prove(predictor, inputs, reference, thresholds=thresholds, targets=targets)
    except ParityError as error:
        raise ParityError(
            f"{file} does not answer here as it was proven to: {error.message}",
            hint="Export it again; a file in int8 may depend on the kind of processor.",
        ) from error


def _read(data: str | Path, predictor: Predictor, columns: Columns) -> Samples:
    """The samples of `data`; of data with a test part, those of that part."""
    if not str(data):
        raise UsageError("No data was named.", hint="Name a folder or a table.")
    task, endings = predictor.task, endings_of(predictor.manifest.preprocess)
    collection = read(data, task.modality, minimum_classes=1, kind=task.kind, endings=endings, **columns)
    return collection.test or collection.train


def _measurable(task: Task, samples: Samples) -> bool:
    """Whether metrics can be had: the proof stands without them."""
    if samples.labels is None:
        return False
    try:
        if task.kind != "regression":
            scikit_learn_metrics()
    except UsageError as error:
        say(str(error))
        return False
    return True

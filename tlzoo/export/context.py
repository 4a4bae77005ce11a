"""What an export is judged by: the trained model, held-out samples, and what torch says of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tlzoo.artifact.manifest import Calibration
from tlzoo.data import Parts, Samples
from tlzoo.errors import DataError
from tlzoo.export.check import Tried
from tlzoo.export.lengths import tried_lengths
from tlzoo.features.dataset import Dataset
from tlzoo.models.model import Model
from tlzoo.runs.run import RunFolder
from tlzoo.runtime import Predictor
from tlzoo.tasks.calibration import calibration_error, fit_temperature
from tlzoo.tasks.classification.task import Classification
from tlzoo.tasks.multilabel.task import MultiLabel
from tlzoo.training.evaluation import logits

CALIBRATION_BATCH = 16
CALIBRATION_SAMPLES = 256


@dataclass(frozen=True)
class Subject:
    """A run's model, its held-out `samples`, and torch's `reference` logits [N, C] for them.

    `parts` are the samples it was trained on; None where they are gone, with the reason in `gone`.
    """

    run: RunFolder
    model: Model
    samples: Samples
    heldout: Dataset
    reference: np.ndarray
    parts: Parts | None
    gone: DataError | None = None

    @property
    def targets(self) -> np.ndarray:
        """The held-out samples' labels, encoded."""
        assert self.heldout.targets is not None
        return self.heldout.targets

    @cached_property
    def lengths(self) -> list[Tried]:
        """Some of the held-out samples at other lengths."""
        return tried_lengths(self.model, self.heldout, self.run.preprocess)

    def calibration_arrays(self) -> list[dict[str, np.ndarray]]:
        """Batches of training samples as the graph takes them; raises DataError where they are gone."""
        if self.parts is None:
            raise self.gone or DataError("The training data is gone.")
        train = self.run.dataset(self.parts.train)
        chosen = np.linspace(0, len(train) - 1, min(CALIBRATION_SAMPLES, len(train))).astype(int)
        chosen = np.random.default_rng(self.run.data.seed).permutation(np.unique(chosen))
        return [
            train.arrays(chosen[start : start + CALIBRATION_BATCH].tolist())
            for start in range(0, len(chosen), CALIBRATION_BATCH)
        ]


def examine(run: RunFolder, data: str | Path | None) -> Subject:
    """Build the run's model and have torch answer the held-out samples, those of `data` where it is named."""
    model = run.model()
    parts, gone = None, None
    try:
        parts = run.parts()
    except DataError as error:
        if data is None:
            raise
        gone = error
    samples = run.heldout(data) if data is not None or parts is None else parts.test
    heldout = run.dataset(samples)
    return Subject(run, model, samples, heldout, logits(model, heldout), parts, gone)


def calibrate(subject: Subject, predictor: Predictor) -> Calibration | None:
    """The temperature, and what it does on held-out samples; None for numbers, and where no labelled data can tell.

    A probe's is fitted while it is trained, with a head that had not seen the validation samples; of other runs they
    are answered by the exported graph now. A model adapted to another domain has no labels to calibrate on.
    """
    run, task = subject.run, subject.run.task
    if not isinstance(task, Classification | MultiLabel) or run.adapted:
        return None
    temperature, samples = run.options.get("temperature"), run.data.n_validation
    if temperature is None:
        if subject.parts is None or run.options.get("strategy") == "probe":
            return None
        validation = run.dataset(subject.parts.validation)
        assert validation.targets is not None
        temperature = fit_temperature(task, predictor.logits(validation.inputs), validation.targets)
        samples = len(validation)
    return Calibration(
        temperature=temperature,
        samples=samples,
        ece_before=calibration_error(task, subject.reference, subject.targets),
        ece_after=calibration_error(task, subject.reference, subject.targets, temperature),
    )

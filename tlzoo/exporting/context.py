"""What an export is compared with: the trained model, held-out samples and the torch outputs for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from tlzoo.artifact.manifest import Calibration
from tlzoo.artifact.trained_on import seen_note
from tlzoo.data import Columns, Samples, SampleSplits, content_digests, fingerprint, say_cut, unchanged
from tlzoo.data.broken import Reading, tolerate
from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import DataError
from tlzoo.exporting.batches import draw_samples
from tlzoo.exporting.cases import array_cases
from tlzoo.exporting.check import ArrayCase
from tlzoo.io.inputs.report import NOTHING, ReadReport, Skip
from tlzoo.models.model import TaskModel
from tlzoo.plugins.preprocess import checkpoint_preprocessor
from tlzoo.progress import say, working
from tlzoo.runs.run import RunFolder
from tlzoo.runtime import Predictor
from tlzoo.tasks.base import OperatingPoint
from tlzoo.tasks.contract import check_number, operating_point_problem, task_error
from tlzoo.tasks.intervals import few_samples_note
from tlzoo.tasks.rows import Outputs
from tlzoo.training.evaluation import outputs_and_features

CALIBRATION_BATCH = 16
CALIBRATION_SAMPLES = 256
SMALLEST_TEMPERATURE = 1e-6
"""What a temperature may be at least: logits are divided by it."""


@dataclass(frozen=True)
class ExportContext:
    """A run's model, the held-out samples that it is proven on, and the torch model's `reference` outputs for them.

    They are 500 inputs at most, drawn from `held` samples, and torch runs once over them for all precisions; `features`
    is what its head was given for them, where that is a vector each. `proven_on` is the fingerprint of the samples that
    they were drawn from; `read` says what was read of data other than the run's. `parts` are the samples it was trained
    on; None where they are gone, with the reason in `parts_error`.
    """

    run: RunFolder
    model: TaskModel
    heldout: TaskDataset
    held: int
    reference: Outputs
    features: np.ndarray | None
    proven_on: str
    parts: SampleSplits | None
    parts_error: DataError | None = None
    read: Mapping[str, Any] = field(default_factory=dict)

    def headline(self, outputs: Outputs) -> float:
        """The task's headline metric of a model's outputs for the held-out samples."""
        return self.heldout.metrics(outputs)[self.run.task.headline]

    def validation(self) -> TaskDataset | None:
        """The validation samples as the model takes them, 500 inputs at most; `None` where they are gone."""
        return None if self.parts is None else drawn(self.run.dataset(self.parts.validation), self.run.data.seed)

    @cached_property
    def cases(self) -> list[ArrayCase]:
        """Some of the held-out samples at other lengths, and extreme inputs."""
        with working("Trying other lengths and extreme inputs (torch)"):
            return array_cases(self.model, self.heldout, self.run.preprocess)

    def calibration_arrays(self) -> list[dict[str, np.ndarray]]:
        """Batches of training samples as the graph takes them; raises DataError where they are gone."""
        if self.parts is None:
            raise _without_training(self.parts_error or DataError("The training data cannot be found."))
        train = self.run.dataset(self.parts.train)
        chosen = np.linspace(0, len(train) - 1, min(CALIBRATION_SAMPLES, len(train))).astype(int)
        chosen = np.random.default_rng(self.run.data.seed).permutation(np.unique(chosen))
        return [
            train.arrays(chosen[start : start + CALIBRATION_BATCH].tolist())
            for start in range(0, len(chosen), CALIBRATION_BATCH)
        ]


@dataclass(frozen=True)
class _ProofData:
    """Samples for the proof, with the account of reading them where they are of other `data`; and those of the
    training, or why there are none."""

    samples: Samples
    parts: SampleSplits | None
    parts_error: DataError | None
    data: str | Path | None = None
    report: ReadReport | None = None


def make_context(
    run: RunFolder,
    data: str | Path | None,
    columns: Columns,
    *,
    needs_training: bool = False,
    skip_broken: float = 0.0,
) -> ExportContext:
    """Build the run's model and compute its outputs for the held-out samples, or for those of `data`.

    Up to the share `skip_broken` of that, what cannot be read is left out. With `needs_training` raises DataError where
    the samples it was trained on are gone or others.
    """
    read = partial(_read_data, run, data, columns)  # the errors of which come before torch has worked
    compute = partial(_computed, run, needs_training)
    if data is None:
        return compute(read(NOTHING).value)
    return tolerate(skip_broken, read, compute, lambda: checkpoint_preprocessor(run.checkpoint, run.preprocess))


def _computed(run: RunFolder, needs_training: bool, found: _ProofData) -> ExportContext:
    samples, parts, parts_error = found.samples, found.parts, found.parts_error
    if parts_error is not None:
        if needs_training:
            raise _without_training(parts_error)
        say(f"{parts_error.message} Nothing is calibrated on it.")
    if note := seen_note(run.trained_on(), content_digests(samples.inputs, samples.modality)):
        say(note)
    if note := few_samples_note(run.task, len(samples)):
        say(note)
    with working(f"Building the network of {run.path}"):
        model = run.model()
    whole = run.dataset(samples)
    heldout = drawn(whole, run.data.seed)
    with unchanged(samples):
        reference, features = outputs_and_features(model, heldout)
    if found.report is not None:
        say_cut(found.report, found.data or "", heldout.cut())
    return ExportContext(
        run=run,
        model=model,
        heldout=heldout,
        held=whole.samples,
        reference=reference,
        features=features,
        proven_on=fingerprint(samples),
        parts=parts,
        parts_error=parts_error,
        read={} if found.report is None else found.report.facts(),
    )


def _without_training(why: DataError) -> DataError:
    """The error of a precision that takes training samples, where they are gone or others."""
    hint = "Restore it, or export in fp32 or fp16, which take no samples of it."
    return DataError(why.message, hint=hint, parameter="precision")


def _read_data(run: RunFolder, data: str | Path | None, columns: Columns, skip: Skip) -> Reading[_ProofData]:
    parts: SampleSplits | None = None
    why: DataError | None = None
    try:
        parts = run.splits()
    except DataError as error:
        if data is None:
            raise
        why = error
    if parts is not None and fingerprint(parts.train) != run.data.fingerprint:
        why = DataError(f"The training data of {run.path} has changed since training: {run.data.path}.")
    trained = parts if why is None else None
    if data is None:
        assert parts is not None
        return Reading(_ProofData(parts.test, trained, why), [parts.test], [])
    report = ReadReport()
    samples = run.labelled(data, report, skip, columns)
    return Reading(_ProofData(samples, trained, why, data, report), [samples], [report])


def drawn(data: TaskDataset, seed: int) -> TaskDataset:
    """The samples of labelled data that a proof looks at: all, or some of each group of the task's."""
    sizes = [1] * data.samples if data.windows is None else [len(each) for each in data.windows]
    chosen = draw_samples([data.task.group(target) for target in data.sample_targets], sizes, seed)
    return data if len(chosen) == data.samples else data.subset(chosen)


def fit_on_validation(context: ExportContext, predictor: Predictor) -> tuple[Calibration | None, OperatingPoint | None]:
    """The calibration and the operating point, of one pass over the validation samples where either takes one."""
    answers = cache(lambda: _validation_outputs(context, predictor))
    return _calibrate(context, answers), _operating_point(context, answers)


Answers = Callable[[], tuple[TaskDataset, Outputs, list[Any]] | None]
"""The validation samples, the file's merged outputs for them and their contexts; `None` where they are gone."""


def _validation_outputs(context: ExportContext, predictor: Predictor) -> tuple[TaskDataset, Outputs, list[Any]] | None:
    if (validation := context.validation()) is None:
        return None
    return validation, *validation.merge_outputs(predictor.outputs(validation.inputs))


def _calibrate(context: ExportContext, answers: Answers) -> Calibration | None:
    """The temperature, and what it does on held-out samples; None where the task has none, or nothing labelled can
    tell.

    A probe's is fitted while it is trained, with a head that had not seen the validation samples; of other runs they
    are answered by the exported graph now. A model adapted to another domain has no labels to calibrate on.
    """
    run, task = context.run, context.run.task
    if "calibration" not in task.supports or run.adapted:
        return None
    temperature, samples = run.options.get("temperature"), run.data.n_validation
    if temperature is None:
        if run.options.get("strategy") == "probe" or (answered := answers()) is None:
            return None
        validation, found, contexts = answered
        fitted = task.temperature(found, validation.sample_targets, contexts)
        temperature = check_number(task, "temperature", fitted, SMALLEST_TEMPERATURE)
        samples = validation.samples
    return measure_calibration(context, temperature, samples, context.reference)


def measure_calibration(context: ExportContext, temperature: float, samples: int, outputs: Outputs) -> Calibration:
    """What a temperature does to these outputs for the held-out samples."""
    merged, contexts = context.heldout.merge_outputs(outputs)
    labelled, task = (merged, context.heldout.sample_targets, contexts), context.run.task
    return Calibration(
        temperature=temperature,
        samples=samples,
        ece_before=check_number(task, "calibration_error", task.calibration_error(*labelled), 0),
        ece_after=check_number(task, "calibration_error", task.calibration_error(*labelled, temperature), 0),
    )


def _operating_point(context: ExportContext, answers: Answers) -> OperatingPoint | None:
    """The threshold that the task chooses on the validation samples; None where it has none, or they are gone."""
    task = context.run.task
    if not task.overrides("operating_point") or (answered := answers()) is None:
        return None
    validation, found, contexts = answered
    point = task.operating_point(found, validation.sample_targets, contexts)
    if wrong := operating_point_problem(task, point):
        raise task_error(task, f"returns an unusable operating point: {wrong}")
    return point

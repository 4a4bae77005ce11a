"""`tlzoo.evaluate`: a run by torch, an ONNX file by the runtime, with the same metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from tlzoo.allocator import raise_malloc_thresholds
from tlzoo.artifact import trained_on
from tlzoo.artifact.trained_on import TrainedOn
from tlzoo.data import (
    Columns,
    Samples,
    announce,
    check_columns,
    check_used,
    content_digests,
    endings_of,
    for_other_data,
    read_labelled,
    say_cut,
    unchanged,
)
from tlzoo.data.broken import Reading, tolerate
from tlzoo.data.dataset import TaskDataset, make_dataset
from tlzoo.errors import ArtifactError, concerning
from tlzoo.io.inputs.report import ReadReport, Skip
from tlzoo.options.arguments import check_paths, check_shares
from tlzoo.plugins.containment import guard_workflow
from tlzoo.plugins.preprocess import checkpoint_preprocessor
from tlzoo.progress import progress, say
from tlzoo.runs.run import RunFolder
from tlzoo.specs import Preprocess
from tlzoo.tasks import Task
from tlzoo.tasks.intervals import few_samples_note, wilson_interval
from tlzoo.tasks.rows import Outputs, select


@dataclass(frozen=True)
class LabelRecall:
    """The recall of a label: `found` of the `n` samples that have it; 95 % interval `low`, `high` (Wilson 1927)."""

    found: int
    n: int
    low: float
    high: float


@dataclass(frozen=True)
class Evaluation:
    """The task's metrics over `n` samples, and the 95 % confidence `interval` of the headline metric.

    `trained_on` of them are among the samples that the model was trained on, chosen by or adapted to, and `heldout` are
    the metrics over the others with their own interval; `None` where there are none of either, or the model does not
    know what it has seen. An interval has `metric`, `level`, `low`, `high`; a side without a bound is `None`. `labels`
    are those of the samples that it has not seen, or of all where it has seen all or none, lowest recall first; empty
    where the task has no labels, or may have one several times in a sample. `read` counts what was read and what was
    left out.
    """

    metrics: dict[str, float]
    n: int
    interval: dict[str, Any]
    labels: dict[str, LabelRecall]
    trained_on: int | None = None
    heldout: dict[str, float] | None = None
    heldout_interval: dict[str, Any] | None = None
    read: Mapping[str, Any] = field(default_factory=dict)


Labelled = tuple[Samples, ReadReport]
"""Labelled samples, and the account of reading them."""


@guard_workflow()
def evaluate(
    model: str | Path | RunFolder, data: str | Path, *, columns: Columns | None = None, skip_broken: float = 0.0
) -> Evaluation:
    """Measure a run (by torch) or an exported ONNX file (without torch) on labelled data.

    Data with a `test` part is measured on that part alone. Samples that cannot be read are an error that names all of
    them; up to the share `skip_broken` of all, from 0 to 1, they are left out. Raises DataError when the data has
    labels that the model does not know, ArtifactError or RunError when the model cannot be loaded.
    """
    if not isinstance(model, RunFolder):
        check_paths(model=model)
    check_paths(data=data)
    check_shares(skip_broken=skip_broken)
    raise_malloc_thresholds()
    columns = check_columns(columns)
    if isinstance(model, RunFolder) or Path(model).is_dir():
        return _evaluate_run(RunFolder.of(model, "model"), data, columns, skip_broken)
    if not Path(model).exists():
        raise ArtifactError(
            f"{model} does not exist.", hint="Name a run's folder or an exported ONNX file.", parameter="model"
        )
    return _evaluate_file(Path(model), data, columns, skip_broken)


def _evaluate_run(run: RunFolder, data: str | Path, columns: Columns, skip_broken: float) -> Evaluation:
    def measure(labelled: Labelled) -> Evaluation:
        samples, report = labelled
        dataset = run.dataset(samples)
        from tlzoo.training.evaluation import outputs

        with unchanged(samples):
            found = outputs(run.model(), dataset)
        say_cut(report, data, dataset.cut())
        return replace(_evaluation(dataset, samples, found, run.trained_on()), read=report.facts())

    read = partial(_labelled, data, run.task, run.preprocess, run.data.columns, columns)
    return tolerate(skip_broken, read, measure, lambda: checkpoint_preprocessor(run.checkpoint, run.preprocess))


def _evaluate_file(path: Path, data: str | Path, columns: Columns, skip_broken: float) -> Evaluation:
    from tlzoo.runtime import load

    with concerning("model", ArtifactError, inner="path"):
        predictor = load(path)
    known: Columns = predictor.manifest.columns  # type: ignore[assignment]

    def measure(labelled: Labelled) -> Evaluation:
        samples, report = labelled
        dataset, longer = make_dataset(samples, predictor.task, predictor.preprocessor), set[int]()
        with unchanged(samples), progress(f"Evaluating {path}", len(dataset.inputs)) as advance:
            found = predictor.outputs(dataset.inputs, advance=advance, longer=longer)
        dataset.note_longer({at: at in longer for at in range(len(dataset))})
        say_cut(report, data, dataset.cut())
        known_samples = trained_on.of_file(predictor.metadata, str(path))
        return replace(_evaluation(dataset, samples, found, known_samples), read=report.facts())

    read = partial(_labelled, data, predictor.task, predictor.manifest.preprocess, known, columns)
    return tolerate(skip_broken, read, measure, lambda: predictor.preprocessor)


def _evaluation(dataset: TaskDataset, samples: Samples, found: Outputs, known: TrainedOn | None) -> Evaluation:
    """The metrics of all samples, and of those that the model has not seen."""
    if known is None:
        say("Whether some of these samples were trained on is not known: no list of those was kept.")
        seen, new = None, list(range(len(samples)))
    else:
        digests = content_digests(samples.inputs, samples.modality)
        new = [at for at, each in enumerate(digests) if each not in known]
        seen = len(samples) - len(new)
    metrics = dataset.metrics(found)
    whole = metrics, len(samples), dataset.interval(found, metrics)
    _note(dataset, len(new))
    if not seen or not new:
        return Evaluation(*whole, _labels(dataset, found), seen)
    others, outputs = dataset.subset(new), select(found, dataset.places(new))
    heldout = others.metrics(outputs)
    return Evaluation(*whole, _labels(others, outputs), seen, heldout, others.interval(outputs, heldout))


def _labels(dataset: TaskDataset, outputs: Outputs) -> dict[str, LabelRecall]:
    found = {
        label: LabelRecall(hits, count, *wilson_interval(hits, count))
        for label, (hits, count) in dataset.label_recalls(outputs).items()
    }
    return dict(sorted(found.items(), key=lambda item: (item[1].found / item[1].n, -item[1].n)))


def _note(dataset: TaskDataset, count: int) -> None:
    """Say how little few samples prove."""
    if count and (note := few_samples_note(dataset.task, count, "new", "Take")):
        say(note)


def _labelled(
    data: str | Path, task: Task, spec: Preprocess, known: Columns, given: Columns, skip: Skip
) -> Reading[Labelled]:
    """The samples of `data`, whose columns are `known` from training, but for those that were given."""
    report = ReadReport()
    columns = for_other_data(known, given)
    samples = read_labelled(data, task, columns=columns, endings=endings_of(spec), report=report, skip=skip)
    check_used(given, report.roles, data)
    announce(report, data, skip)
    return Reading((samples, report), [samples], [report])

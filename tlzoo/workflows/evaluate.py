"""`tlzoo.evaluate`: a run by torch, an ONNX file by the runtime, with the same metrics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tlzoo.allocator import raise_malloc_thresholds
from tlzoo.data import Columns, Samples, endings_of, read
from tlzoo.data.dataset import make_dataset
from tlzoo.errors import DataError, UsageError
from tlzoo.specs import Preprocess
from tlzoo.tasks import Task


@dataclass(frozen=True)
class Evaluation:
    """The task's metrics over `n` samples."""

    metrics: dict[str, float]
    n: int


def evaluate(model: str | Path, data: str | Path, *, columns: Columns | None = None) -> Evaluation:
    """Measure a run folder (by torch) or an exported ONNX file (without torch) on labelled data.

    Data with a `test` part is measured on that part alone. Raises DataError when the data has labels that the model
    does not know, ArtifactError or RunError when the model cannot be loaded.
    """
    raise_malloc_thresholds()
    path = Path(model)
    if path.is_dir():
        return _evaluate_run(path, data, columns or {})
    return _evaluate_file(path, data, columns or {})


def _evaluate_run(path: Path, data: str | Path, columns: Columns) -> Evaluation:
    from tlzoo.runs.run import RunFolder
    from tlzoo.training.evaluation import measure

    run = RunFolder.load(path)
    samples = _labelled(data, run.task, run.preprocess, {**run.data.columns, **columns})
    return Evaluation(measure(run.model(), run.dataset(samples)), len(samples))


def _evaluate_file(path: Path, data: str | Path, columns: Columns) -> Evaluation:
    from tlzoo.runtime import load

    predictor = load(path)
    columns = {**predictor.manifest.columns, **columns}  # type: ignore[typeddict-item]
    samples = _labelled(data, predictor.task, predictor.manifest.preprocess, columns)
    dataset = make_dataset(samples, predictor.task, predictor.preprocessor)
    return Evaluation(dataset.metrics(predictor.outputs(dataset.inputs)), len(samples))


def _labelled(data: str | Path, task: Task, spec: Preprocess, columns: Columns) -> Samples:
    if not str(data):
        raise UsageError("No data was given.", hint="Pass a folder or a table.")
    collection = read(data, task, columns=columns, endings=endings_of(spec))
    samples = collection.test or collection.train
    if samples.targets is None:
        raise DataError(f"{data} has no labels.", hint="Evaluation needs labelled data.")
    return samples

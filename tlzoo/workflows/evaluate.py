"""`tlzoo.evaluate`: a run by torch, an ONNX file by the runtime, with the same metrics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tlzoo.allocator import raise_malloc_thresholds
from tlzoo.artifact import trained_on
from tlzoo.artifact.trained_on import TrainedOn
from tlzoo.data import Columns, Samples, content_digests, endings_of, read
from tlzoo.data.dataset import TaskDataset, make_dataset
from tlzoo.errors import DataError, UsageError
from tlzoo.plugins.attribution import name_plugins
from tlzoo.progress import say
from tlzoo.specs import Preprocess
from tlzoo.tasks import Task
from tlzoo.tasks.rows import Outputs, select

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Evaluation:
    """The task's metrics over `n` samples.

    `trained_on` of them are among the samples that the model was trained on, chosen by or adapted to, and `heldout` are
    the metrics over the others; `None` where there are none of either, or the model does not know what it has seen.
    """

    metrics: dict[str, float]
    n: int
    trained_on: int | None = None
    heldout: dict[str, float] | None = None


@name_plugins()
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
    from tlzoo.training.evaluation import outputs

    run = RunFolder.load(path)
    samples = _labelled(data, run.task, run.preprocess, {**run.data.columns, **columns})
    dataset = run.dataset(samples)
    return _evaluation(dataset, samples, outputs(run.model(), dataset), run.trained_on())


def _evaluate_file(path: Path, data: str | Path, columns: Columns) -> Evaluation:
    from tlzoo.runtime import load

    predictor = load(path)
    columns = {**predictor.manifest.columns, **columns}  # type: ignore[typeddict-item]
    samples = _labelled(data, predictor.task, predictor.manifest.preprocess, columns)
    dataset = make_dataset(samples, predictor.task, predictor.preprocessor)
    return _evaluation(
        dataset, samples, predictor.outputs(dataset.inputs), trained_on.of_file(predictor.metadata, str(path))
    )


def _evaluation(dataset: TaskDataset, samples: Samples, found: Outputs, known: TrainedOn | None) -> Evaluation:
    """The metrics of all samples, and of those that the model has not seen."""
    whole, count = dataset.metrics(found), len(samples)
    if known is None:
        say("Whether some of these samples were trained on is not known: no list of those was kept.")
        return Evaluation(whole, count)
    new = [at for at, each in enumerate(content_digests(samples.inputs, samples.modality)) if each not in known]
    if len(new) in (0, count):
        return Evaluation(whole, count, count - len(new))
    return Evaluation(whole, count, count - len(new), dataset.subset(new).metrics(select(found, dataset.places(new))))


def _labelled(data: str | Path, task: Task, spec: Preprocess, columns: Columns) -> Samples:
    if not str(data):
        raise UsageError("No data was given.", hint="Pass a folder or a table.")
    collection = read(data, task, columns=columns, endings=endings_of(spec))
    samples = collection.test or collection.train
    if samples.targets is None:
        raise DataError(f"{data} has no labels.", hint="Evaluation needs labelled data.")
    return samples

"""A run: a folder with everything a trained model is. Only safetensors, JSON and CSV."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import TypeAdapter

from tlzoo.artifact.trained_on import TrainedOn
from tlzoo.data import (
    Columns,
    Samples,
    SampleSplits,
    announce,
    check_used,
    endings_of,
    fingerprint,
    for_other_data,
    read_labelled,
    read_splits,
)
from tlzoo.data.broken import recorded
from tlzoo.data.dataset import TaskDataset, make_dataset
from tlzoo.errors import DataError, RunError, UsageError, concerning
from tlzoo.io.inputs.report import NOTHING, ReadReport, Skip
from tlzoo.io.regular import read_regular
from tlzoo.io.texts import LONGEST
from tlzoo.options.arguments import check_paths
from tlzoo.plugins.preprocess import checkpoint_preprocessor
from tlzoo.plugins.tasks import task_of
from tlzoo.registry.schema import Checkpoint
from tlzoo.runs.record import (
    PREPROCESS,
    TRAINED_ON,
    CrossValidationRecord,
    DataRecord,
    ProbeRecord,
    RunRecord,
    read_record,
    short_reason,
    upgraded,
)
from tlzoo.runs.seals import check_files
from tlzoo.specs import Preprocess
from tlzoo.tasks import Task

if TYPE_CHECKING:
    from tlzoo.models.model import TaskModel


@dataclass(frozen=True, repr=False)
class RunFolder:
    """A trained model's folder: its `record` is what `run.json` says, `preprocess` what makes inputs of raw data."""

    path: Path
    record: RunRecord
    preprocess: Preprocess
    task: Task

    def __repr__(self) -> str:
        kind, metric = type(self).__name__, self.task.headline
        figures = f"{metric}={self.metrics[metric]:.4f}" if metric in self.metrics else "no metrics"
        return f"<{kind} {str(self.path)!r}: {self.checkpoint.id}, {self.task.name}, {figures}>"

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a run folder; raises RunError when it is none, is torn, or was written by another version."""
        folder = Path(path)
        record = read_record(folder)
        check_files(folder, record.files, (PREPROCESS,))
        try:
            return cls(folder, record, _read_preprocess(folder), _task(record))
        except UsageError as cause:
            raise RunError(f"{folder} cannot be used: {cause.message}", hint=upgraded(record) + cause.hint) from cause
        except (ValueError, OSError) as cause:
            raise RunError(
                f"run.json or {PREPROCESS} in {folder} cannot be read: {short_reason(cause)}.",
                hint="Train again, or restore the folder.",
            ) from cause

    @classmethod
    def of(cls, run: str | Path | RunFolder, parameter: str = "run") -> RunFolder:
        """A run as it is, or that in a folder; what is neither raises UsageError or RunError about `parameter`."""
        if isinstance(run, RunFolder):
            return run
        check_paths(**{parameter: run})
        with concerning(parameter, RunError):
            return cls.load(run)

    @property
    def checkpoint(self) -> Checkpoint:
        """The registry's entry of what it was made from, complete enough to build it again."""
        return self.record.checkpoint

    @property
    def data(self) -> DataRecord:
        """Where its data came from."""
        return self.record.data

    @property
    def options(self) -> Mapping[str, Any]:
        """How it was trained: the options given, and what training decided itself."""
        return self.record.options

    @property
    def metrics(self) -> Mapping[str, float]:
        """The task's metrics on the held-out samples."""
        return self.record.metrics

    @property
    def seconds(self) -> Mapping[str, float]:
        """Wall-clock seconds by what they were spent on, and in `total`."""
        return self.record.seconds

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of the distributions that made it."""
        return self.record.versions

    @property
    def head(self) -> str:
        """Who builds the head: `linear` is the task's own, `plugin` the checkpoint's plugin's, or `plugin/name`."""
        return self.record.head

    @property
    def interval(self) -> Mapping[str, Any] | None:
        """The 95 % confidence interval of the headline metric: `metric`, `level`, `low`, `high`."""
        return self.record.interval

    @property
    def baseline(self) -> Mapping[str, float] | None:
        """The metrics of answering by the frequencies of the training targets alone; `None` where there are none."""
        return self.record.baseline

    @property
    def probe(self) -> ProbeRecord | None:
        """What a linear probe of the same features reaches on the held-out samples, and how the run compares.

        `metrics`, `difference` of the headline metric with its paired 95 % interval (positive where the run's is
        larger), and `verdict`: `better`, `worse` or `chance`. `None` where no probe was measured.
        """
        return self.record.probe

    @property
    def cross_validation(self) -> CrossValidationRecord | None:
        """Of a probe with fewer than 20 samples held out: `metrics`, `interval` and `n` of all samples, each answered
        by a probe of the same kind that had not seen it. `None` elsewhere."""
        return self.record.cross_validation

    @property
    def frozen(self) -> Mapping[str, Any] | None:
        """What was checked to be bit-identical after training, and how many parameters trained."""
        return self.record.frozen

    @property
    def adapted(self) -> Mapping[str, Any] | None:
        """How it was adapted to another domain; `None` where it was not."""
        return self.record.adapted

    def model(self) -> TaskModel:
        """The trained model in eval mode, checked against the outputs it had when it was saved.

        Raises RunError when its weights are missing or damaged, or when the plugin now builds something else.
        """
        from tlzoo.runs.trained import trained_model

        return trained_model(self.path, self.record, self.task, self.preprocess)

    def dataset(self, samples: Samples) -> TaskDataset:
        """Samples as this run's model takes them."""
        return make_dataset(samples, self.task, checkpoint_preprocessor(self.checkpoint, self.preprocess))

    def splits(self) -> SampleSplits:
        """The samples it was trained and tested on, read again; raises DataError when they moved or changed."""
        for place in filter(None, (self.data.path, self.data.test, self.data.validation)):
            if not os.path.exists(place):
                raise DataError(
                    f"The data of {self.path} is no longer at {place}.",
                    hint="Restore it, or export with other labelled data: `data`.",
                    parameter="data",
                )
        where, columns, seed = (self.data.path, self.data.test), self.data.columns, self.data.seed
        try:
            endings, together = endings_of(self.preprocess), bool(self.data.read)
            skip = recorded(self.data.read)
            sets: dict[str, Any] = {"validation": self.data.validation, "group_by": self.data.group_by}
            parts = read_splits(*where, self.task, columns, seed, endings, together=together, skip=skip, **sets)
        except DataError as cause:
            raise DataError(
                f"The data of {self.path} cannot be divided as it was in training. {cause.message}",
                hint="Restore it, or export with other labelled data: `data`.",
                parameter="data",
            ) from cause
        if fingerprint(parts.test) != self.data.heldout_fingerprint:
            raise DataError(
                f"The held-out data of {self.path} has changed since training: {self.data.test or self.data.path}.",
                hint="Restore it, or export with other labelled data: `data`.",
                parameter="data",
            )
        return parts

    def trained_on(self) -> TrainedOn | None:
        """The filter of what it was trained on; `None` where it has none. Raises RunError for one that is torn."""
        file = self.path / TRAINED_ON
        check_files(self.path, self.record.files, (TRAINED_ON,))
        if not file.is_file():
            return None
        try:
            return TrainedOn.from_json(file.read_text(encoding="ascii"))
        except (OSError, ValueError) as cause:
            raise RunError(f"{file} cannot be read: {short_reason(cause)}.", hint="Train again.") from cause

    def heldout(self, data: str | Path | None = None) -> Samples:
        """Labelled samples it was not trained on: those of `data`, or its own test part."""
        return self.splits().test if data is None else self.labelled(data, ReadReport())

    def labelled(
        self, data: str | Path, report: ReadReport, skip: Skip = NOTHING, given: Columns | None = None
    ) -> Samples:
        """Labelled samples of `data`, read as those it was trained on but for what is `given`; `report` gets what was
        read, which is said."""
        given = {} if given is None else given
        endings, columns = endings_of(self.preprocess), for_other_data(self.data.columns, given)
        samples = read_labelled(data, self.task, columns=columns, endings=endings, report=report, skip=skip)
        check_used(given, report.roles, data)
        announce(report, data, skip)
        return samples


@contextmanager
def columns_of_training(run: Path) -> Iterator[None]:
    """What is wrong with a column has no option here: the data of a run has the columns of its training data."""
    try:
        yield
    except DataError as error:
        if error.parameter != "columns":
            raise
        hint = f"Rename it: the columns are those of the data that {run} was trained on."
        raise DataError(error.message, hint=hint) from error


def _task(record: RunRecord) -> Task:
    return task_of(record.task, record.labels, record.settings, record.plugin)


def _read_preprocess(folder: Path) -> Preprocess:
    text = read_regular(folder / PREPROCESS, LONGEST).decode("utf-8")
    adapter: TypeAdapter[Preprocess] = TypeAdapter(Preprocess)
    return adapter.validate_json(text)

"""A run: a folder with everything a trained model is. Only safetensors and JSON."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter

from tlzoo import plugins
from tlzoo.artifact.trained_on import TrainedOn
from tlzoo.data import Samples, SampleSplits, endings_of, fingerprint, read, read_splits
from tlzoo.data.dataset import TaskDataset, make_dataset
from tlzoo.errors import DataError, RunError, UsageError
from tlzoo.io.disk import write_text
from tlzoo.io.files import atomic_folder, write_json
from tlzoo.models.model import TaskModel, build_model, load_backbone, make_preprocessor
from tlzoo.models.seeds import keep_generators, seed_generators
from tlzoo.plugins.tasks import task_of
from tlzoo.progress import working
from tlzoo.registry.schema import Checkpoint
from tlzoo.runs.paths import check_output_path
from tlzoo.runs.record import (
    CrossValidationRecord,
    DataRecord,
    ProbeRecord,
    RunRecord,
    read_record,
    short_reason,
    write_record,
)
from tlzoo.runs.seals import check_files, hashes_of
from tlzoo.runs.tensors import (
    LOAD_ERRORS,
    REFERENCE,
    WEIGHTS,
    check_reference,
    load_weights,
    save_reference,
    save_weights,
)
from tlzoo.specs import Preprocess
from tlzoo.tasks import Task
from tlzoo.training.history import HISTORY, write_history

PREPROCESS = "preprocess.json"
TRAINED_ON = "trained_on.json"


@dataclass(frozen=True)
class RunFolder:
    """A trained model's folder: its `record` is what `run.json` says, `preprocess` what makes inputs of raw data."""

    path: Path
    record: RunRecord
    preprocess: Preprocess
    task: Task

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a run folder; raises RunError when it is none, is torn, or was written by another version."""
        folder = Path(path)
        record = read_record(folder)
        check_files(folder, record.files, (PREPROCESS,))
        try:
            return cls(folder, record, _read_preprocess(folder), _task(record))
        except UsageError as cause:
            raise RunError(f"{folder} cannot be used: {cause.message}", hint=_upgraded(record) + cause.hint) from cause
        except (ValueError, OSError) as cause:
            raise RunError(
                f"run.json or {PREPROCESS} in {folder} cannot be read: {short_reason(cause)}.",
                hint="Train again, or restore the folder.",
            ) from cause

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
        check_files(self.path, self.record.files, (WEIGHTS, REFERENCE))
        try:
            with keep_generators():
                seed_generators(self.data.seed)  # for what a plugin draws and the weights do not hold
                backbone = load_backbone(self.checkpoint, None, self.task.needs)
                backbone = replace(backbone, preprocess=self.preprocess)
                model = build_model(self.checkpoint, self.task, backbone, head=self.head)
            load_weights(self.path, model)
        except LOAD_ERRORS as cause:
            raise RunError(
                f"{self.path}/{WEIGHTS} cannot be loaded: {short_reason(cause)}.",
                hint=f"{_upgraded(self.record)}Train again.",
            ) from cause
        model.eval()
        check_reference(self.path, model, _upgraded(self.record))
        return model

    def dataset(self, samples: Samples) -> TaskDataset:
        """Samples as this run's model takes them."""
        return make_dataset(samples, self.task, make_preprocessor(self.checkpoint, self.preprocess))

    def splits(self) -> SampleSplits:
        """The samples it was trained and tested on, read again; raises DataError when they moved or changed."""
        for place in filter(None, (self.data.path, self.data.test)):
            if not os.path.exists(place):
                raise DataError(
                    f"The data of {self.path} is no longer at {place}.",
                    hint="Restore it, or export with other labelled data: `data`.",
                    parameter="data",
                )
        where, columns, seed = (self.data.path, self.data.test), self.data.columns, self.data.seed
        parts = read_splits(*where, self.task, columns, seed, endings_of(self.preprocess))
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
        if data is None:
            return self.splits().test
        collection = read(data, self.task, columns=self.data.columns, endings=endings_of(self.preprocess))
        return collection.test or collection.train


def save_run(
    path: Path,
    model: TaskModel,
    reference: TaskDataset,
    history: Sequence[Mapping[str, float]],
    *,
    keep: Sequence[Path] = (),
    trained_on: TrainedOn | None = None,
    **facts: Any,
) -> None:
    """Write a run folder, whole, with copies of the files `keep`; `facts` are RunRecord's fields from `interval` on.

    Raises RunError when `path` exists.
    """
    check_output_path(path)
    record = RunRecord(
        task=model.task.name,
        labels=tuple(model.task.labels),
        settings=model.task.settings(),
        plugin=model.task.plugin,
        checkpoint=model.checkpoint,
        head=model.head_name,
        versions=_versions(model),
        **facts,
    )
    with working(f"Writing {path}"), atomic_folder(path) as folder:
        write_json(folder / PREPROCESS, model.parts.preprocess.model_dump(mode="json"))
        save_weights(folder, model)
        write_history(folder / HISTORY, history)
        for file in keep:
            shutil.copy(file, folder / file.name)
        save_reference(folder, model, reference)
        if trained_on is not None:
            write_text(folder / TRAINED_ON, trained_on.to_json())
        write_record(folder, record.model_copy(update={"files": hashes_of(folder)}))


def _versions(model: TaskModel) -> dict[str, str]:
    """Versions of what made a run, the distributions of its plugins included."""
    owners = (model.checkpoint.plugin, model.task.plugin, model.head_name.rpartition("/")[0])
    ours = dict.fromkeys(plugins.find(owner).distribution for owner in owners if owner)
    return {name: metadata.version(name) for name in ("tlzoo", *ours, "torch", "onnxruntime", "onnx", "numpy")}


def _upgraded(record: RunRecord) -> str:
    """Which plugins are installed in another version than a run was made with, as a sentence; empty for none."""
    now = {each.distribution: each.version for each in plugins.enabled_plugins()}
    changed = [
        f"{name} {version}, and {name} {now[name]} is installed"
        for name, version in record.versions.items()
        if now.get(name, version) != version
    ]
    return f"It was made with {'; '.join(changed)}. " if changed else ""


def _task(record: RunRecord) -> Task:
    return task_of(record.task, record.labels, record.settings, record.plugin)


def _read_preprocess(folder: Path) -> Preprocess:
    text = (folder / PREPROCESS).read_text(encoding="utf-8")
    adapter: TypeAdapter[Preprocess] = TypeAdapter(Preprocess)
    return adapter.validate_json(text)

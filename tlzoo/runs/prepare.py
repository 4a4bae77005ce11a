"""Before training: build the backbone, the task, the data sets and the options of the head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tlzoo.data import Columns, SampleSplits, fingerprint, say_cut
from tlzoo.data.dataset import cut_of, make_dataset
from tlzoo.interfaces import Backbone
from tlzoo.models.model import TaskModel, build_model, load_backbone
from tlzoo.models.seeds import seed_generators
from tlzoo.options import GradientDescent, StrategyOptions
from tlzoo.plugins.preprocess import checkpoint_preprocessor
from tlzoo.progress import working
from tlzoo.registry.schema import Checkpoint
from tlzoo.runs.record import DataRecord
from tlzoo.tasks import Task, contract
from tlzoo.training.step_model import DatasetSplits
from tlzoo.weights.fetch import fetch


def prepare_backbone(checkpoint: Checkpoint, task: Task) -> tuple[Backbone, Checkpoint]:
    """Fetch the weights and build the backbone; the checkpoint returned says all that building it again takes."""
    backbone = load_backbone(checkpoint, fetch(checkpoint), task.needs)
    if backbone.config is not None:
        checkpoint = checkpoint.model_copy(update={"config": dict(backbone.config)})
    return backbone, checkpoint


def prepare(
    checkpoint: Checkpoint, task: Task, parts: SampleSplits, options: StrategyOptions, head: str = ""
) -> tuple[TaskModel, DatasetSplits, dict[str, Any]]:
    """The model with a fresh head, the parts of the data as it takes them, the options of its head."""
    given = head_options(task, parts, options)
    with working(f"Building the network of {checkpoint.id}"):
        seed_generators(options.seed)  # for what the backbone's plugin draws beside its weights
        backbone, checkpoint = prepare_backbone(checkpoint, task)
        seed_generators(options.seed)  # for what the head starts from, however much the backbone drew
        model = build_model(checkpoint, task, backbone, head=head, options=given)
        return model, make_dataset_splits(parts, model), given


def fit_task(task: Task, parts: SampleSplits, columns: Columns) -> Task:
    """The task with what it learns from the training samples, such as its labels.

    Raises HookError for a plugin's task that is not as a task must be.
    """
    found = task.fit(parts.train.targets or (), columns.get("label_column", "label"))
    if task.plugin and (wrong := contract.fit_problem(task, found) or contract.declaration_problem(found)):
        raise contract.task_error(task, f"cannot be used: {wrong}")
    return found


def make_dataset_splits(parts: SampleSplits, model: TaskModel) -> DatasetSplits:
    """The three parts as the model takes them; weights of samples are scaled to a mean of 1 over the training."""
    preprocessor = checkpoint_preprocessor(model.checkpoint, model.parts.preprocess)
    scale = float(np.mean(parts.train.weights)) if parts.train.weights else 1.0
    train, validation, test = (
        make_dataset(replace(part, weights=tuple(each / scale for each in part.weights)), model.task, preprocessor)
        for part in (parts.train, parts.validation, parts.test)
    )
    return DatasetSplits(train, validation, test, parts.held_out)


def data_record(
    data: str | Path,
    test: str | Path | None,
    columns: Columns,
    seed: int,
    parts: SampleSplits,
    *,
    validation: str | Path | None = None,
    group_by: str | None = None,
) -> DataRecord:
    """What a run remembers of its data."""
    return DataRecord(
        path=str(Path(data).resolve()),
        test=None if test is None else str(Path(test).resolve()),
        validation=None if validation is None else str(Path(validation).resolve()),
        validation_fingerprint=fingerprint(parts.validation),
        group_by=group_by,
        groups=parts.groups(),
        columns=columns,
        seed=seed,
        fingerprint=fingerprint(parts.train),
        heldout_fingerprint=fingerprint(parts.test),
        n_train=len(parts.train),
        n_validation=len(parts.validation),
        n_test=len(parts.test),
        read=_facts(parts),
    )


def with_cuts(
    record: DataRecord, parts: SampleSplits, sets: DatasetSplits, places: Mapping[str, str | Path | None]
) -> DataRecord:
    """The record, with how many samples are longer than what the model reads of each, which is said; `places` are those
    of the reports."""
    given = {"test": sets.test, "validation": sets.validation}
    own = [sets.train, *(part for name, part in given.items() if name not in parts.reports)]
    for name, report in parts.reports.items():
        say_cut(report, places[name] or "", cut_of(*(own if name == "data" else [given[name]])))
    return record.model_copy(update={"read": _facts(parts)})


def _facts(parts: SampleSplits) -> dict[str, Any]:
    return {name: dict(report.facts()) for name, report in parts.reports.items()}


def head_options(task: Task, parts: SampleSplits, options: StrategyOptions) -> dict[str, Any]:
    """What a head is built with: what it takes to know of the training targets, smoothing, weights of the labels.

    Raises UsageError for weights where the task has no labels to weight.
    """
    targets = parts.train.targets or ()
    given = task.head_options(targets)
    if task.plugin and not isinstance(given, dict):
        raise contract.task_error(task, f"cannot be used: `head_options` returns {type(given).__name__}, not a dict.")
    if isinstance(options, GradientDescent) and options.label_smoothing:
        given["label_smoothing"] = options.label_smoothing
    if options.class_weights == "balanced":
        given["class_weights"] = task.balance(targets)
    return given

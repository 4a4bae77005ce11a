"""Before training: the backbone from its weights, the task, the data as the model takes them, what the head knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from tlzoo.data import Columns, Parts, fingerprint
from tlzoo.errors import UsageError
from tlzoo.features.dataset import make_dataset
from tlzoo.interfaces import Backbone
from tlzoo.models.model import Model, build, load_backbone, make_preprocessor
from tlzoo.options import Options
from tlzoo.registry.schema import Checkpoint
from tlzoo.runs.record import DataRecord
from tlzoo.specs import PluginSpec
from tlzoo.tasks import FAMILY, Task, family, modality, trainable
from tlzoo.tasks.heads import target_options
from tlzoo.training.step_model import Sets
from tlzoo.weights.fetch import fetch


def with_preprocess(checkpoint: Checkpoint, preprocess: Mapping[str, Any] | None) -> Checkpoint:
    """The checkpoint with fields of its preprocessing replaced; of a plugin's own preprocessing its options.

    Raises UsageError for a field that is none or cannot be; a plugin says so of an option when it is used.
    """
    if not preprocess:
        return checkpoint
    spec = checkpoint.preprocess
    if isinstance(spec, PluginSpec):
        preprocess = {"options": {**spec.options, **preprocess}}
    if strange := sorted(set(preprocess) - set(type(spec).model_fields)):
        raise UsageError(
            f"{checkpoint.id} has no preprocessing option {strange[0]!r}.",
            hint=f"It has: {', '.join(sorted(set(type(spec).model_fields) - {'kind', 'tokenizer'}))}",
        )
    try:
        changed = type(spec).model_validate({**spec.model_dump(), **preprocess})
    except ValidationError as cause:
        first = cause.errors()[0]
        raise UsageError(
            f"Preprocessing option {'.'.join(map(str, first['loc']))} cannot be {first['input']!r}.",
            hint=f"{first['msg']}.",
        ) from cause
    return checkpoint.model_copy(update={"preprocess": changed})


def prepare_backbone(checkpoint: Checkpoint) -> tuple[Backbone, Checkpoint]:
    """Fetch the weights and build the backbone; the checkpoint returned says all that building it again takes."""
    backbone = load_backbone(checkpoint, fetch(checkpoint))
    if backbone.config is not None:
        checkpoint = checkpoint.model_copy(update={"config": dict(backbone.config)})
    return backbone, checkpoint


def prepare(checkpoint: Checkpoint, task: Task, parts: Parts, options: Options) -> tuple[Model, Sets, dict[str, Any]]:
    """The model with a fresh head, the parts of the data as it takes them, the options of its head."""
    assert parts.train.labels is not None
    head = head_options(task, task.encode(parts.train.labels), options)
    backbone, checkpoint = prepare_backbone(checkpoint)
    torch.manual_seed(options.seed)  # for what the head starts from
    model = build(checkpoint, task, backbone, options=head)
    return model, make_sets(parts, model), head


def labels_of(parts: Parts, task: str, columns: Columns) -> Sequence[str]:
    """The labels of the training samples, sorted; for regression the name of their column."""
    return family(task).labels_of(parts.train.labels or (), columns.get("label_column", "label"))


def make_sets(parts: Parts, model: Model) -> Sets:
    """The three parts with the model's preprocessing and encoded targets."""
    preprocessor = make_preprocessor(model.checkpoint, model.parts.preprocess)
    return Sets(*(make_dataset(part, model.task, preprocessor) for part in (parts.train, parts.validation, parts.test)))


def data_record(data: str | Path, test: str | Path | None, columns: Columns, seed: int, parts: Parts) -> DataRecord:
    """What a run remembers of its data."""
    return DataRecord(
        path=str(Path(data).resolve()),
        test=None if test is None else str(Path(test).resolve()),
        columns=columns,
        seed=seed,
        fingerprint=fingerprint(parts.train),
        heldout_fingerprint=fingerprint(parts.test),
        n_train=len(parts.train),
        n_validation=len(parts.validation),
        n_test=len(parts.test),
    )


def head_options(task: Task, targets: np.ndarray, options: Options) -> dict[str, Any]:
    """What a head is built with: smoothing, and what it takes to know of the training targets.

    Balanced class weights are N / (C * n) for a class of n samples (King & Zeng 2001), up to 100; where samples have
    several labels, the samples without a label over those with it. Raises UsageError for weights in a regression.
    """
    given: dict[str, Any] = dict(target_options(task, targets))
    if options.label_smoothing:
        if task.kind == "regression":
            raise UsageError(f"{task.name} has no labels to smooth.", hint="Leave --label-smoothing out.")
        given["label_smoothing"] = options.label_smoothing
    if options.class_weights == "balanced":
        if task.kind == "regression":
            raise UsageError(f"{task.name} has no classes to weight.", hint="Leave --class-weights out.")
        counts = np.bincount(targets, minlength=task.outputs) if task.kind == "single" else targets.sum(axis=0)
        over = len(targets) / task.outputs if task.kind == "single" else len(targets) - counts
        given["class_weights"] = np.clip(over / np.maximum(1, counts), 0.01, 100).tolist()
    return given


def task_name(checkpoint: Checkpoint, task: str | None) -> str:
    known = trainable(checkpoint.tasks)
    if known and (task is None or task in FAMILY):
        task = known[0] if task is None else f"{modality(known[0])}-{task}"
    if task not in known:
        raise UsageError(
            f"{checkpoint.id} does not serve the task {task!r}."
            if task
            else f"{checkpoint.id} serves no task that can be trained.",
            hint=f"It serves: {', '.join(known or checkpoint.tasks)}",
        )
    return task

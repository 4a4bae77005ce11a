"""The trained model of a run folder, and the folder that is written of one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from tlzoo import plugins
from tlzoo.artifact.trained_on import TrainedOn
from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import RunError
from tlzoo.io.disk import write_text
from tlzoo.io.files import atomic_folder, write_json
from tlzoo.models.model import TaskModel, build_model, load_backbone
from tlzoo.models.seeds import keep_generators, seed_generators
from tlzoo.progress import working
from tlzoo.runs.paths import check_output_path
from tlzoo.runs.record import PREPROCESS, TRAINED_ON, RunRecord, short_reason, upgraded, write_record
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


def trained_model(path: Path, record: RunRecord, task: Task, preprocess: Preprocess) -> TaskModel:
    """What `RunFolder.model` returns; raises what it raises."""
    check_files(path, record.files, (WEIGHTS, REFERENCE))
    try:
        with keep_generators():
            seed_generators(record.data.seed)  # for what a plugin draws and the weights do not hold
            backbone = load_backbone(record.checkpoint, None, task.needs)
            backbone = replace(backbone, preprocess=preprocess)
            model = build_model(record.checkpoint, task, backbone, head=record.head)
        load_weights(path, model)
    except LOAD_ERRORS as cause:
        raise RunError(
            f"{path}/{WEIGHTS} cannot be loaded: {short_reason(cause)}.",
            hint=f"{upgraded(record)}Train again.",
        ) from cause
    model.eval()
    check_reference(path, model, upgraded(record))
    return model


def save_run(
    path: Path,
    model: TaskModel,
    reference: TaskDataset,
    history: Sequence[Mapping[str, float]],
    *,
    keep: Sequence[Path] = (),
    tables: Mapping[str, str] | None = None,
    trained_on: TrainedOn | None = None,
    **facts: Any,
) -> None:
    """Write a run folder, whole, with copies of the files `keep` and `tables`, texts by their file's name; `facts` are
    RunRecord's fields from `interval` on.

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
        for name, text in (tables or {}).items():
            write_text(folder / name, text)
        save_reference(folder, model, reference)
        if trained_on is not None:
            write_text(folder / TRAINED_ON, trained_on.to_json())
        write_record(folder, record.model_copy(update={"files": hashes_of(folder)}))


def _versions(model: TaskModel) -> dict[str, str]:
    """Versions of what made a run, the distributions of its plugins included."""
    owners = (model.checkpoint.plugin, model.task.plugin, model.head_name.rpartition("/")[0])
    ours = dict.fromkeys(plugins.find(owner).distribution for owner in owners if owner)
    return {name: metadata.version(name) for name in ("tlzoo", *ours, "torch", "onnxruntime", "onnx", "numpy")}

"""A run: a folder with everything a trained model is. Only safetensors and JSON."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from torch import nn

from tlzoo import plugins
from tlzoo.data import Collection, Columns, Samples, endings_of, fingerprint, read, split
from tlzoo.features.dataset import Dataset, make_dataset
from tlzoo.models.onnx_export import eager
from tlzoo.models.model import Model, build, load_backbone, make_preprocessor
from tlzoo.training.history import HISTORY, write_history
from tlzoo.errors import DataError, RunError
from tlzoo.io.files import obstacle, whole_folder, write_json
from tlzoo.registry.schema import Checkpoint, Preprocess
from tlzoo.tasks import Task, family, make_task, modality

if TYPE_CHECKING:
    from tlzoo.export.export import Exported

RUN_VERSION = 2
TEST_SHARE = 0.2
VALIDATION_SHARE = 0.2
_FIELDS = ("options", "metrics", "seconds", "versions", "head", "interval", "frozen", "adapted")
REFERENCE_SAMPLES = 8
REFERENCE_TOLERANCE = 1e-4


@dataclass(frozen=True)
class DataRecord:
    """Where the data came from, enough to read and split it again; fingerprints are sha256 of labels and contents."""

    path: str
    test: str | None
    columns: Columns
    seed: int
    fingerprint: str
    heldout_fingerprint: str
    n_train: int
    n_validation: int
    n_test: int


@dataclass(frozen=True)
class Parts:
    """Training, validation and held-out samples of one data set."""

    train: Samples
    validation: Samples
    test: Samples


def read_parts(
    path: str | Path, test: str | Path | None, task: str, columns: Columns, seed: int, endings: tuple[str, ...] = ()
) -> Parts:
    """Read data labelled for `task`; without a test set a fifth is for testing, and a fifth of the rest for validation.

    Raises DataError for data that does not suit the task, such as labels that only the test set has.
    """
    sort, kind = modality(task), family(task).kind
    collection: Collection = read(path, sort, kind=kind, endings=endings, **columns)
    train, held = collection.train, collection.test
    if test is not None:
        other = read(test, sort, minimum_classes=1, kind=kind, endings=endings, **columns)
        held = other.test or other.train
    if held is None:
        train, held = split(train, TEST_SHARE, seed, kind)
    assert train.labels is not None
    assert held.labels is not None
    labels_of = family(task).labels_of
    if strange := sorted(set(labels_of(held.labels, "")) - set(labels_of(train.labels, ""))):
        raise DataError(
            f"The test data has labels that training never saw: {', '.join(map(repr, strange[:5]))}.",
            hint="Add training samples of them, or remove them from the test data.",
        )
    rest, validation = split(train, VALIDATION_SHARE, seed, kind)
    return Parts(rest, validation, held)


@dataclass(frozen=True)
class Run:
    """A trained model's folder, and what its `run.json` says."""

    path: Path
    checkpoint: Checkpoint
    preprocess: Preprocess
    task: Task
    data: DataRecord
    options: Mapping[str, Any]
    metrics: Mapping[str, float]
    seconds: Mapping[str, float]
    versions: Mapping[str, str]
    head: Literal["linear", "plugin"]
    interval: Mapping[str, Any] | None = None
    frozen: Mapping[str, Any] | None = None
    adapted: Mapping[str, Any] | None = None

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """Read a run folder; raises RunError when it is none, is torn, or was written by another version."""
        folder = Path(path)
        if not (folder / "run.json").is_file():
            raise RunError(
                f"{folder} is not a run: it has no run.json.", hint="Make one: tlzoo finetune ID DATA --out RUN"
            )
        try:
            document = json.loads((folder / "run.json").read_text(encoding="utf-8"))
            if document.get("version") != RUN_VERSION:
                raise RunError(
                    f"{folder} is a run of version {document.get('version')}; this tlzoo reads {RUN_VERSION}.",
                    hint="Use the tlzoo that wrote it, or train again.",
                )
            return cls(
                path=folder,
                checkpoint=Checkpoint.model_validate(document["checkpoint"]),
                preprocess=_read_preprocess(folder),
                task=make_task(document["task"], document["labels"]),
                data=DataRecord(**document["data"]),
                **{name: document[name] for name in _FIELDS},
            )
        except (ValueError, LookupError, TypeError, AttributeError, OSError) as cause:
            raise RunError(
                f"{folder}: its run.json or preprocess.json cannot be read: {_reason(cause)}.",
                hint="Train again, or restore the folder.",
            ) from cause

    def model(self) -> Model:
        """The trained model in eval mode, checked against the outputs it had when it was saved.

        Raises RunError when its weights are missing or torn, or when the plugin now builds something else.
        """
        try:
            state = load_file(self.path / "model.safetensors")
            backbone = load_backbone(self.checkpoint, None)
            backbone = replace(backbone, preprocess=self.preprocess)
            model = build(self.checkpoint, self.task, backbone, plain=self.head == "linear")
            model.load_state_dict(state, strict=True)
        except (OSError, RuntimeError, ValueError, SafetensorError) as cause:
            raise RunError(
                f"{self.path}/model.safetensors cannot be loaded: {_reason(cause)}.", hint="Train again."
            ) from cause
        model.eval()
        _check_reference(self.path, model)
        return model

    def dataset(self, samples: Samples) -> Dataset:
        """Samples as this run's model takes them."""
        return make_dataset(samples, self.task, make_preprocessor(self.checkpoint, self.preprocess))

    def parts(self) -> Parts:
        """The samples it was trained and tested on, read again; raises DataError when they moved or changed."""
        for place in filter(None, (self.data.path, self.data.test)):
            if not os.path.exists(place):
                raise DataError(
                    f"The data of {self.path} is no longer at {place}.",
                    hint="Restore it; for export, other labelled data can be named with --data.",
                )
        where, columns, seed = (self.data.path, self.data.test), self.data.columns, self.data.seed
        parts = read_parts(*where, self.task.name, columns, seed, endings_of(self.preprocess))
        if fingerprint(parts.test) != self.data.heldout_fingerprint:
            raise DataError(
                f"The held-out data of {self.path} is not what it was: {self.data.test or self.data.path} has changed.",
                hint="Restore it; for export, other labelled data can be named with --data.",
            )
        return parts

    def heldout(self, data: str | Path | None = None) -> Samples:
        """Labelled samples it was not trained on: those of `data`, or its own test part."""
        if data is None:
            return self.parts().test
        task, endings = self.task, endings_of(self.preprocess)
        collection = read(data, task.modality, minimum_classes=1, kind=task.kind, endings=endings, **self.data.columns)
        return collection.test or collection.train

    def export(self, path: str | Path, **options: Any) -> Exported:
        """Write one ONNX file and prove it equal; `options` are those of `tlzoo.export.export.export`."""
        from tlzoo.export.export import export

        return export(self, path, **options)


def save_run(
    path: Path,
    model: Model,
    reference: Dataset,
    history: Sequence[Mapping[str, float]],
    *,
    keep: Sequence[Path] = (),
    **facts: Any,
) -> Run:
    """Write a run folder, whole, with copies of the files `keep`; `facts` are Run's fields from `data` on.

    Raises RunError when `path` exists.
    """
    refuse_existing(path)
    with whole_folder(path) as folder:
        document = {
            "version": RUN_VERSION,
            "task": model.task.name,
            "labels": list(model.task.labels),
            "checkpoint": model.checkpoint.model_dump(mode="json", exclude_none=True),
            **dict.fromkeys(("interval", "frozen", "adapted")),
            "head": "linear" if isinstance(model.head, nn.Linear) else "plugin",
            **{name: asdict(value) if isinstance(value, DataRecord) else value for name, value in facts.items()},
            "versions": versions(model.checkpoint),
        }
        write_json(folder / "run.json", document)
        write_json(folder / "preprocess.json", model.parts.preprocess.model_dump(mode="json"))
        state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
        save_file(state, folder / "model.safetensors")
        write_history(folder / HISTORY, history)
        for file in keep:
            shutil.copy(file, folder / file.name)
        _save_reference(folder, model, reference)
    return Run.load(path)


def refuse_existing(path: Path) -> None:
    """Raise RunError when something is already there, as a run is never overwritten, or nothing can be written."""
    if os.path.lexists(path):
        raise RunError(f"{path} exists already.", hint="Choose another --out, or remove it.")
    if reason := obstacle(path):
        raise RunError(f"{path} cannot be written: {reason}.", hint="Choose another --out.")


def versions(checkpoint: Checkpoint) -> dict[str, str]:
    """Versions of what made a run, the plugin's distribution included."""
    names = ["tlzoo", plugins.find(checkpoint.plugin).distribution, "torch", "onnxruntime", "onnx", "numpy"]
    return {name: metadata.version(name) for name in names}


def _read_preprocess(folder: Path) -> Preprocess:
    text = (folder / "preprocess.json").read_text(encoding="utf-8")
    adapter: TypeAdapter[Preprocess] = TypeAdapter(Preprocess)
    return adapter.validate_json(text)


def _save_reference(folder: Path, model: Model, data: Dataset) -> None:
    arrays = data.arrays(range(min(REFERENCE_SAMPLES, len(data))))
    save_arrays({**arrays, "logits": eager(model, arrays)}, folder / "reference.safetensors")


def _check_reference(folder: Path, model: Model) -> None:
    """A plugin of another version may build another network around the same weights; the outputs tell."""
    try:
        stored = load_arrays(folder / "reference.safetensors")
        expected = stored["logits"]
        arrays = {name: stored[name] for name in model.parts.example_inputs}
    except (OSError, ValueError, KeyError, SafetensorError) as cause:
        raise RunError(
            f"{folder}/reference.safetensors cannot be loaded: {_reason(cause)}.", hint="Train again."
        ) from cause
    now = eager(model, arrays)
    difference = float(np.abs(now - expected).max() / max(1e-12, np.abs(expected).max()))
    if not difference <= REFERENCE_TOLERANCE:
        raise RunError(
            f"{folder}: the model rebuilt from it gives other outputs than when it was saved "
            f"(by {difference:.1e} of their scale).",
            hint="Install the versions that its run.json names, or train again.",
        )


def _reason(cause: Exception) -> str:
    """What an error says, on one line."""
    if isinstance(cause, ValidationError):
        first = cause.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(cause, KeyError):
        return f"{cause} is missing"
    lines = [line.strip() for line in str(cause).strip().splitlines()]
    return " ".join(lines[:2]).rstrip(".") or type(cause).__name__

"""`tlzoo.finetune`: from a checkpoint and a folder of labelled files to a run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from tlzoo import registry
from tlzoo.allocator import keep_big_blocks
from tlzoo.data import Columns, fingerprint
from tlzoo.engine.dataset import Dataset, make_dataset
from tlzoo.engine.freezing import freeze
from tlzoo.engine.heads import head_from
from tlzoo.engine.model import Model, build, load_backbone, make_preprocessor
from tlzoo.engine.prefix import features
from tlzoo.engine.probe import fit_probe
from tlzoo.engine.run import DataRecord, Parts, Run, read_parts, refuse_existing, save_run
from tlzoo.engine.training import Options, measure, train
from tlzoo.errors import UsageError
from tlzoo.parts import Backbone
from tlzoo.progress import say
from tlzoo.registry.schema import Checkpoint
from tlzoo.registry.sources import fetch
from tlzoo.tasks import FAMILY, MODALITY, family, make_task, trainable

STRATEGIES = ("probe", "finetune")


@dataclass(frozen=True)
class Sets:
    """The parts of the data as the model takes them."""

    train: Dataset
    validation: Dataset
    test: Dataset


def finetune(
    checkpoint: str | Checkpoint,
    data: str | Path,
    *,
    out: str | Path,
    test: str | Path | None = None,
    task: str | None = None,
    strategy: str = "probe",
    freeze: str | None = None,
    options: Options | None = None,
    columns: Columns | None = None,
    preprocess: Mapping[str, Any] | None = None,
) -> Run:
    """Train a head on `checkpoint`, and with `strategy="finetune"` what `freeze` leaves trainable; save a run in `out`.

    `strategy="probe"` computes the frozen backbone's features once through ONNX Runtime and fits a linear head on them
    (see `tlzoo.engine.probe`); it implies `freeze="all"`. `strategy="finetune"` is AdamW with warm-up and cosine, by
    default with nothing frozen; `options` says how long and how fast. `preprocess` overrides
    fields of the checkpoint's, such as `{"seconds": 2.0}` or `{"max_length": 128}`. `columns` names a table's columns
    (`text_column`, `path_column`, `label_column`).

    Raises a TlzooError for anything a user can cause: DataError, UnknownCheckpoint, PluginError, SourceError,
    UsageError, TrainingError, RunError when `out` exists.
    """
    began = time.monotonic()
    options = options or Options()
    chosen = registry.get(checkpoint) if isinstance(checkpoint, str) else checkpoint
    refuse_existing(Path(out))
    policy = _policy(strategy, freeze)
    name = _task_name(chosen, task)
    columns = columns or {}
    parts = read_parts(data, test, name, columns, options.seed)
    keep_big_blocks()
    backbone, chosen = prepare_backbone(chosen, preprocess)
    torch.manual_seed(options.seed)  # for what the head starts from
    model = build(chosen, make_task(name, labels_of(parts, name, columns)), backbone)
    sets = make_sets(parts, model)
    read_s = time.monotonic() - began
    say(
        f"{chosen.id}: {len(sets.train)} training, {len(sets.validation)} validation, {len(sets.test)} test samples, "
        f"{model.task.outputs} labels, seed {options.seed}"
    )
    model, metrics, seconds, history, details = STRATEGY[strategy](model, policy, sets, options)
    record = data_record(data, test, columns, options.seed, parts)
    total = round(time.monotonic() - began, 2)
    return save_run(
        Path(out),
        model,
        sets.test,
        history,
        data=record,
        options={"strategy": strategy, "freeze": policy, **vars(options), **details},
        metrics=metrics,
        seconds={"prepare": round(read_s, 2), **seconds, "total": total},
    )


def prepare_backbone(checkpoint: Checkpoint, preprocess: Mapping[str, Any] | None) -> tuple[Backbone, Checkpoint]:
    """Fetch the weights and build the backbone; the checkpoint returned says all that building it again takes."""
    if preprocess:
        spec = checkpoint.preprocess
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
        checkpoint = checkpoint.model_copy(update={"preprocess": changed})
    backbone = load_backbone(checkpoint, fetch(checkpoint))
    if backbone.config is not None:
        checkpoint = checkpoint.model_copy(update={"config": dict(backbone.config)})
    return backbone, checkpoint


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


def _policy(strategy: str, policy: str | None) -> str:
    if strategy not in STRATEGIES:
        raise UsageError(f"Unknown strategy {strategy!r}.", hint=f"Strategies: {', '.join(STRATEGIES)}")
    if strategy == "probe" and policy not in (None, "all"):
        raise UsageError(
            f"Strategy 'probe' trains the head only; freeze policy {policy!r} asks for more.",
            hint="Add --strategy finetune.",
        )
    return policy or ("all" if strategy == "probe" else "none")


def _task_name(checkpoint: Checkpoint, task: str | None) -> str:
    known = trainable(checkpoint.tasks)
    if known and (task is None or task in FAMILY):
        task = known[0] if task is None else f"{MODALITY[known[0]]}-{task}"
    if task not in known:
        raise UsageError(
            f"{checkpoint.id} does not serve the task {task!r}."
            if task
            else f"{checkpoint.id} serves no task that can be trained.",
            hint=f"It serves: {', '.join(known or checkpoint.tasks)}",
        )
    return task


Outcome = tuple[Model, dict[str, float], dict[str, float], list[dict[str, float]], dict[str, Any]]


def run_probe(model: Model, policy: str, sets: Sets, options: Options) -> Outcome:
    """A linear head on features computed once; the metrics come from the same features."""
    freeze(model, policy)
    began = time.monotonic()
    train_x, validation_x, test_x = features(model, sets.train, sets.validation, sets.test)
    computed = time.monotonic()
    assert sets.train.targets is not None
    assert sets.validation.targets is not None
    assert sets.test.targets is not None
    probe = fit_probe((train_x, sets.train.targets), (validation_x, sets.validation.targets), model.task)
    model = model.with_head(head_from(probe.weight, probe.bias, model.task)).eval()
    metrics = model.task.metrics(test_x @ probe.weight.numpy().T + probe.bias.numpy(), sets.test.targets)
    seconds = {"features": round(computed - began, 2), "training": round(time.monotonic() - computed, 2)}
    history = [{"l2": l2, model.task.monitor: loss} for l2, loss in probe.validation.items()]
    return model, metrics, seconds, history, {"l2": probe.l2}


def run_finetune(model: Model, policy: str, sets: Sets, options: Options) -> Outcome:
    """All that the policy leaves trainable, by gradient descent; the metrics come from eager torch."""
    frozen = freeze(model, policy)
    began = time.monotonic()
    history = train(model, frozen, sets.train, sets.validation, options)
    trained = time.monotonic()
    metrics = measure(model, sets.test)
    return model, metrics, {"features": 0.0, "training": round(trained - began, 2)}, history.rows, {}


STRATEGY = {"probe": run_probe, "finetune": run_finetune}

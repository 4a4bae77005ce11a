"""A linear head on frozen features."""

from __future__ import annotations

import importlib
import threading
from dataclasses import replace
from typing import Any

import numpy as np

from tlzoo.features.check import hash_frozen
from tlzoo.features.extract import Features, extract, extract_batch
from tlzoo.features.prefix import backbone_prefix
from tlzoo.models.devices import select_device
from tlzoo.models.freezing import freeze
from tlzoo.models.heads import probe_objective
from tlzoo.options import Probe, StartsWithProbe, StrategyOptions
from tlzoo.plugins.containment import beside_plugins
from tlzoo.training.evaluation import rounding_effect
from tlzoo.training.loop import finish
from tlzoo.training.strategies.base import ROUNDING_SAMPLES, TrainJob, TrainResult, frozen_record, with_probe
from tlzoo.training.strategies.cross_validation import cross_validate, inner_split, plan_folds
from tlzoo.training.strategies.probe_fit import FittedProbe, apply_probe, fit_probe, labelled_features

_INNER_SHARE = 0.2


def run_probe(job: TrainJob[StrategyOptions]) -> TrainResult:
    """A linear head on features computed once; the outputs come from the same features."""
    objective = probe_objective(job.model.task, job.head)
    plan = plan_folds(job.sets, job.options.folds if isinstance(job.options, Probe) else None, job.options.seed)
    frozen = freeze(job.model, job.policy)
    before = hash_frozen(job.model, frozen)
    threading.Thread(target=_import_in_background, daemon=True).start()
    train_x, validation_x, test_x = extract_splits(job)
    probe = fit_on_training_and_validation(job, train_x, validation_x)
    facts: dict[str, Any] = {"l2": probe.l2, "temperature": probe.temperature}
    if job.options.caching.enabled and job.options.caching.precision != "fp32":
        facts["rounding"] = _rounding_of_probe(job, probe, validation_x, objective.output)
    model = finish(with_probe(job, probe))
    fitted = frozenset(f"head.{name}" for name, _ in model.head.named_parameters())  # a plugin's head had other names
    record = frozen_record(before, model, replace(frozen, trainable=fitted))
    history = [{"l2": l2, "loss": loss} for l2, loss in probe.validation.items()]
    crossed = None
    if plan is not None:
        with job.clock.spent("validate"):
            crossed = cross_validate(plan, (train_x, validation_x, test_x), objective, _l2(job), job.options.seed)
    outputs = apply_probe(probe, test_x, objective.output)
    return TrainResult(model, outputs, history, record, facts, cross_validated=crossed)


def _import_in_background() -> None:
    """What comes after the pass takes seconds to import, and ONNX Runtime leaves the interpreter free meanwhile."""
    with beside_plugins():
        for name in ("scipy.optimize", "sklearn.metrics"):
            importlib.import_module(name)


def _rounding_of_probe(
    job: TrainJob[StrategyOptions], probe: FittedProbe, kept: Features, output: str
) -> dict[str, float | int]:
    data = job.sets.validation
    positions = list(range(min(ROUNDING_SAMPLES, len(data))))
    prefix = backbone_prefix(job.model, select_device(job.options.device))
    [full] = extract_batch(prefix, data, positions).values()
    few = kept.subset(range(len(positions)))
    if few.lengths is None:
        exact = Features(full)
    else:
        parts = [row[:length] for row, length in zip(full, few.lengths, strict=True)]
        exact = Features(np.concatenate(parts), few.lengths)
    return rounding_effect(job.model.task, apply_probe(probe, few, output), apply_probe(probe, exact, output))


def extract_splits(job: TrainJob[StrategyOptions]) -> list[Features]:
    """The frozen backbone's features of the training, validation and test samples, under one key of the cache."""
    sets = (job.sets.train, job.sets.validation, job.sets.test)
    return extract(
        job.model, *sets, options=job.options, clock=job.clock, join=job.prefetch.join if job.prefetch else None
    )


def fit_on_training_and_validation(
    job: TrainJob[StrategyOptions], train: Features, validation: Features
) -> FittedProbe:
    """The probe of `--strategy probe`: the validation samples choose its regularisation, then are fitted too."""
    objective = probe_objective(job.model.task, job.head)
    with job.clock.spent("train"):
        training = labelled_features(train, job.sets.train, objective)
        held = labelled_features(validation, job.sets.validation, objective)
        return fit_probe(training, held, objective, _l2(job))


def fit_on_training(job: TrainJob[StrategyOptions], found: Features) -> FittedProbe:
    """A head for these features of the training samples, a fifth of which chooses its regularisation.

    It has not seen the validation samples, which later select the best epoch.
    """
    objective = probe_objective(job.model.task, job.head)
    if job.sets.train.groups is not None:
        with job.clock.spent("train"):
            return fit_probe(*inner_split(job.sets.train, found, objective, job.options.seed), objective, _l2(job))
    labelled = labelled_features(found, job.sets.train, objective)
    order = np.random.default_rng([job.options.seed, 1]).permutation(len(labelled.targets))
    held = max(1, round(_INNER_SHARE * len(order)))
    chosen, inner = np.sort(order[held:]), np.sort(order[:held])
    if not len(chosen):
        chosen = inner
    with job.clock.spent("train"):
        return fit_probe(labelled.at(chosen), labelled.at(inner), objective, _l2(job))


def _l2(job: TrainJob[StrategyOptions]) -> float | None:
    """The strength that was asked for; strategies without a probe of their own leave it to the validation samples."""
    return job.options.l2 if isinstance(job.options, StartsWithProbe) else None

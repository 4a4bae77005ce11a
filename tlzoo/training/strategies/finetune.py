"""Gradient descent on what the freeze policy leaves trainable, adapters included."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from tlzoo.errors import TlzooError
from tlzoo.features.check import hash_frozen
from tlzoo.interfaces import Freeze
from tlzoo.models import lora
from tlzoo.models.freezing import freeze, unfreeze_plan
from tlzoo.models.heads import probe_objective
from tlzoo.models.model import TaskModel
from tlzoo.options import Finetune, GradientDescent
from tlzoo.progress import say
from tlzoo.tasks.rows import OutputCollector, Outputs
from tlzoo.training.evaluation import rounding_effect
from tlzoo.training.loop import finish, outputs, train
from tlzoo.training.step_model import StepModel, to_tensors
from tlzoo.training.strategies.base import ROUNDING_SAMPLES, TrainJob, TrainResult, frozen_record
from tlzoo.training.strategies.probe import extract_splits, fit_on_training_and_validation
from tlzoo.training.strategies.probe_fit import apply_probe


def run_finetune(job: TrainJob[GradientDescent]) -> TrainResult:
    """All that the policy leaves trainable, by gradient descent, what is frozen in front of it computed once.

    A probe of the same features is fitted to compare with, before anything trains.
    """
    if not job.policy.startswith("lora:"):
        freeze(job.model, job.policy)  # an invalid policy fails before features are computed
    beside = beside_probe(job)
    return replace(gradient_descent(job), probe=beside)


def beside_probe(job: TrainJob[GradientDescent]) -> Outputs | None:
    """The test outputs of what `--strategy probe` would give, to compare with; `None` where that is not asked for, or
    the task or the backbone has none.

    The model is left untrained. What is wrong with the probe alone is said, and does not end the run.
    """
    task = job.model.task
    if not job.options.probe or "probe" not in task.supports:
        return None
    try:
        freeze(job.model, "all")
        train_x, validation_x, test_x = extract_splits(job)
        probe = fit_on_training_and_validation(job, train_x, validation_x)
        return apply_probe(probe, test_x, probe_objective(task, job.head).output)
    except TlzooError as error:
        say(f"No probe to compare with: {error.message}")
        return None


def gradient_descent(job: TrainJob[GradientDescent], still: frozenset[str] = frozenset()) -> TrainResult:
    """Gradient descent; the modules `still` keep their statistics."""
    model, options = job.model, job.options
    plan = freeze_plan(job, still)
    before = hash_frozen(model, plan[-1])
    trained = train(
        model,
        plan,
        job.sets,
        options,
        clock=job.clock,
        folder=job.folder,
        resumed=job.resumed,
        facts=job.facts,
    )
    found = outputs(model, trained.step_model, "test")
    facts = {**trained.facts, **_rounding(model, trained.step_model)}
    finish(model)
    frozen = frozen_record(before, model, plan[-1])
    if lora.adapter_size(model) is not None:
        lora.merge(model)
        frozen["merged"] = True
    return TrainResult(model, found, trained.rows, frozen, facts)


def freeze_plan(job: TrainJob[GradientDescent], still: frozenset[str]) -> list[Freeze]:
    """What trains in each epoch."""
    whole, options = freeze(job.model, job.policy), job.options
    plan = [whole] * options.epochs
    if isinstance(options, Finetune) and options.unfreeze_every:
        plan = unfreeze_plan(job.model, job.policy, options.unfreeze_every, options.epochs)
    kept = {each: replace(each, eval_modules=each.eval_modules | still) for each in plan}
    return [kept[each] for each in plan]


def batch_norms(model: TaskModel) -> frozenset[str]:
    """The names of the BatchNorm modules."""
    return frozenset(name for name, module in model.named_modules() if isinstance(module, _BatchNorm))


def _rounding(model: TaskModel, step_model: StepModel) -> dict[str, Any]:
    """The effect of half-precision activations on the trained model, measured on validation samples."""
    if step_model.exact_arrays is None:
        return {}
    source = step_model.sources["validation"]
    positions = list(range(min(ROUNDING_SAMPLES, len(source))))
    both = []
    for arrays in (source.arrays(positions, 0), step_model.exact_arrays(positions)):
        rows = OutputCollector(model.task.outputs, len(positions))
        with torch.no_grad():
            made = model.named(step_model.evaluate(*to_tensors(arrays, step_model.device)))
        rows.put(positions, {name: value.cpu().numpy() for name, value in made.items()}, source.data.lengths(positions))
        both.append(rows.outputs())
    effect = rounding_effect(model.task, *both)
    say(
        f"The fp16 cache changes logits by {effect['max_logit_change']:.2g} at most; "
        f"{effect['agreement']:.1%} of {effect['samples']} validation labels are unchanged"
    )
    return {"rounding": effect}

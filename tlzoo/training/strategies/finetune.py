"""Gradient descent on what the freeze policy leaves trainable, adapters included."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from tlzoo.features.check import snapshot
from tlzoo.interfaces import Freeze
from tlzoo.models import lora
from tlzoo.models.freezing import freeze, unfreeze_plan
from tlzoo.models.model import Model
from tlzoo.options import Finetune, GradientDescent
from tlzoo.progress import say
from tlzoo.tasks.rows import Collector
from tlzoo.training.evaluation import rounding_effect
from tlzoo.training.loop import finish, outputs, train
from tlzoo.training.step_model import Network, tensors
from tlzoo.training.strategies.base import ROUNDING_SAMPLES, TrainJob, TrainResult, proof_of


def run_finetune(job: TrainJob[GradientDescent]) -> TrainResult:
    """All that the policy leaves trainable, by gradient descent, what is frozen in front of it computed once."""
    return descend(job)


def descend(job: TrainJob[GradientDescent], still: frozenset[str] = frozenset()) -> TrainResult:
    """Gradient descent; the modules `still` keep their statistics."""
    model, options = job.model, job.options
    plan = plan_of(job, still)
    before = snapshot(model, plan[-1])
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
    found = outputs(model, trained.network, "test")
    facts = {**trained.facts, **_rounding(model, trained.network)}
    finish(model)
    proof = proof_of(before, model, plan[-1])
    if lora.adapters(model) is not None:
        lora.merge(model)
        proof["merged"] = True
    return TrainResult(model, found, trained.rows, proof, facts)


def plan_of(job: TrainJob[GradientDescent], still: frozenset[str]) -> list[Freeze]:
    """What trains in each epoch."""
    whole, options = freeze(job.model, job.policy), job.options
    plan = [whole] * options.epochs
    if isinstance(options, Finetune) and options.unfreeze_every:
        plan = unfreeze_plan(job.model, job.policy, options.unfreeze_every, options.epochs)
    kept = {each: replace(each, eval_modules=each.eval_modules | still) for each in plan}
    return [kept[each] for each in plan]


def batch_norms(model: Model) -> frozenset[str]:
    """The names of the BatchNorm modules."""
    return frozenset(name for name, module in model.named_modules() if isinstance(module, _BatchNorm))


def _rounding(model: Model, network: Network) -> dict[str, Any]:
    """What keeping activations in half precision does to the trained model, measured on validation samples."""
    if network.exact is None:
        return {}
    feed = network.feeds["validation"]
    positions = list(range(min(ROUNDING_SAMPLES, len(feed))))
    both = []
    for arrays in (feed.arrays(positions, 0), network.exact(positions)):
        rows = Collector(model.task.outputs, len(positions))
        with torch.inference_mode():
            made = model.named(network.evaluate(*tensors(arrays, network.device)))
        rows.put(positions, {name: value.cpu().numpy() for name, value in made.items()}, feed.data.lengths(positions))
        both.append(rows.outputs())
    effect = rounding_effect(model.task, *both)
    say(
        f"Half precision in the cache changes a logit by {effect['max_logit_change']:.2g} at most, "
        f"{effect['agreement']:.1%} of {effect['samples']} validation labels stay"
    )
    return {"rounding": effect}

"""A probe, then gradient descent from it."""

from __future__ import annotations

from dataclasses import replace

import torch

from tlzoo.models.freezing import freeze
from tlzoo.models.heads import probe_objective
from tlzoo.options import GradientDescent, StrategyOptions
from tlzoo.training.strategies.base import TrainJob, TrainResult, with_probe
from tlzoo.training.strategies.finetune import batch_norms, gradient_descent
from tlzoo.training.strategies.probe import fit_probe_on_training_split
from tlzoo.training.strategies.probe_fit import FittedProbe


def run_lp_ft(job: TrainJob[GradientDescent]) -> TrainResult:
    """A probe, then gradient descent from it, which distorts the features less (Kumar et al. 2022).

    BatchNorm keeps the statistics with which the probe was fitted: those of a batch would be other features.
    """
    if not job.policy.startswith("lora:"):
        freeze(job.model, job.policy)  # an invalid policy fails before features are computed
    if job.resumed is None:
        job = replace(job, model=with_probe(job, fit_probe_on_training_split(job)))
    elif not job.model.has_linear_head:
        job = replace(job, model=with_probe(job, _zero_probe(job)))
    return gradient_descent(job, still=batch_norms(job.model))


def _zero_probe(job: TrainJob[StrategyOptions]) -> FittedProbe:
    """A head of zeros, to be filled from a snapshot."""
    outputs = probe_objective(job.model.task, job.head).outputs
    return FittedProbe(torch.zeros(outputs, job.model.parts.feature_dim), torch.zeros(outputs), 0.0, {})

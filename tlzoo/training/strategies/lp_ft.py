"""A probe, then gradient descent from it."""

from __future__ import annotations

from dataclasses import replace

import torch

from tlzoo.models.freezing import freeze
from tlzoo.models.heads import probe_objective
from tlzoo.options import GradientDescent, StrategyOptions
from tlzoo.training.strategies.base import TrainJob, TrainResult, with_probe
from tlzoo.training.strategies.finetune import batch_norms, gradient_descent
from tlzoo.training.strategies.probe import extract_splits, fit_on_training
from tlzoo.training.strategies.probe_fit import FittedProbe, apply_probe


def run_lp_ft(job: TrainJob[GradientDescent]) -> TrainResult:
    """A probe, then gradient descent from it, which distorts the features less (Kumar et al. 2022).

    BatchNorm keeps the statistics with which the probe was fitted: those of a batch would be other features. The probe
    is measured as epoch 0, so what is returned is never worse than it by the metric that selects the best epoch.
    """
    if not job.policy.startswith("lora:"):
        freeze(job.model, job.policy)  # an invalid policy fails before features are computed
    beside = None
    if job.resumed is None or job.options.probe:
        freeze(job.model, "all")
        training, _, test = extract_splits(job)
        probe = fit_on_training(job, training)
        if job.options.probe:
            beside = apply_probe(probe, test, probe_objective(job.model.task, job.head).output)
    if job.resumed is None:
        job = replace(job, model=with_probe(job, probe))
    elif not job.model.has_linear_head:
        job = replace(job, model=with_probe(job, _zero_probe(job)))
    return replace(gradient_descent(job, still=batch_norms(job.model)), probe=beside)


def _zero_probe(job: TrainJob[StrategyOptions]) -> FittedProbe:
    """A head of zeros, to be filled from a snapshot."""
    outputs = probe_objective(job.model.task, job.head).outputs
    return FittedProbe(torch.zeros(outputs, job.model.parts.feature_dim), torch.zeros(outputs), 0.0, {})

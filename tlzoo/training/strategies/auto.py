"""Whichever strategy a short comparison on the validation samples prefers."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tlzoo.models.heads import probe_objective
from tlzoo.models.model import TaskModel
from tlzoo.options import Auto
from tlzoo.progress import say
from tlzoo.tasks.intervals import CHANCE, beats, by_group
from tlzoo.tasks.rows import Outputs
from tlzoo.training.evaluation import check_finite
from tlzoo.training.loop import outputs, train
from tlzoo.training.strategies.base import TrainJob, TrainResult, with_probe
from tlzoo.training.strategies.finetune import batch_norms, freeze_plan
from tlzoo.training.strategies.lp_ft import run_lp_ft
from tlzoo.training.strategies.probe import extract_splits, fit_on_training, run_probe
from tlzoo.training.strategies.probe_fit import apply_probe

TRIAL_SAMPLES = 1024
MIN_SHARE = 0.01
"""Stages with a smaller share of the parameters are not worth a trial of their own."""
CANDIDATES: Mapping[str, Callable[[TrainJob[Auto]], TrainResult]] = {"probe": run_probe, "lp-ft": run_lp_ft}


def run_auto(job: TrainJob[Auto]) -> TrainResult:
    """Whatever a short comparison on the validation samples prefers, the simplest unless another is clearly better.

    Candidates: a probe; from that probe, the last stage; from it, everything. The latter two are tried for one pass
    over at most 1,024 samples. One takes the place of a simpler one when its scores of the same samples are better by
    a paired test (see `beats`).
    """
    decision = job.facts.get("auto") or _compare(job)
    strategy, policy = decision["strategy"], decision["freeze"]
    outcome = CANDIDATES[strategy](replace(job, policy=policy, facts={**job.facts, "auto": decision}))
    return replace(outcome, details={**outcome.details, "auto": decision, "freeze": policy})


def _compare(job: TrainJob[Auto]) -> dict[str, Any]:
    """Try the candidates and say which is taken, with the figures."""
    task, data = job.model.task, job.sets.validation
    found = _try_all(job)
    trials = []
    for (strategy, policy), rows in found.items():
        metrics = data.metrics(rows)
        trials.append({"strategy": strategy, "freeze": policy, **metrics})
        say(
            f"Tried {strategy} with freeze={policy}: validation {task.headline} {metrics[task.headline]:.4f}, "
            f"{task.monitor} {metrics[task.monitor]:.4f}"
        )
    sign = 1.0 if task.better(task.headline) == "max" else -1.0
    scores = {}
    for name, rows in found.items():
        merged, contexts = data.merge_outputs(rows)
        scores[name] = by_group(sign * task.samplewise(merged, data.sample_targets, contexts), data.groups)
    chosen = _simplest_unbeaten(scores)
    simpler = f"{data.samples} validation samples: a difference as large comes by chance in less than {CHANCE:.0%}"
    why = (
        f"nothing else is better on {data.samples} validation samples by more than chance"
        if chosen[0] == "probe"
        else f"it is better on {simpler}"
    )
    say(f"Selected {chosen[0]} with freeze={chosen[1]}: {why}.")
    return {"strategy": chosen[0], "freeze": chosen[1], "trials": trials}


def _try_all(job: TrainJob[Auto]) -> dict[tuple[str, str], Outputs]:
    """Validation outputs of every candidate, the simplest first."""
    options = job.options
    vectors, held, _ = extract_splits(job)
    probe, output = fit_on_training(job, vectors), probe_objective(job.model.task, job.head).output
    steps = math.ceil(min(TRIAL_SAMPLES, len(job.sets.train)) / (options.batch * options.accumulate))
    short = replace(options, epochs=1, max_steps=steps, patience=0, unfreeze_every=0)
    found = {("probe", "all"): apply_probe(probe, held, output)}
    for policy in (_last_large_stage(job.model), "none"):
        say(f"Trying lp-ft with freeze={policy}")
        trial = replace(job, model=copy.deepcopy(with_probe(job, probe)), policy=policy, options=short)
        found["lp-ft", policy] = _validation_outputs(trial)
    return found


def _simplest_unbeaten(scores: Mapping[tuple[str, str], np.ndarray]) -> tuple[str, str]:
    """The name of the scores [N] (higher is better) that beat all simpler ones."""
    chosen = next(iter(scores))
    for name, score in scores.items():
        if beats(score, scores[chosen]):
            chosen = name
    return chosen


def _last_large_stage(model: TaskModel) -> str:
    """The policy that trains the last stage; with those behind it where these are no more than a norm."""
    sizes = {name: parameter.numel() for name, parameter in model.backbone.named_parameters()}
    stages = model.parts.stages
    for count in range(1, len(stages)):
        training = sum(size for name, size in sizes.items() if any(stage.owns(name) for stage in stages[-count:]))
        if training >= MIN_SHARE * sum(sizes.values()):
            return f"last:{count}"
    return f"last:{len(stages)}"


def _validation_outputs(trial: TrainJob[Auto]) -> Outputs:
    plan = freeze_plan(trial, batch_norms(trial.model))
    trained = train(trial.model, plan, trial.sets, trial.options, clock=trial.clock)
    rows = outputs(trial.model, trained.step_model, "validation")
    check_finite(rows, "", "Try a smaller `lr`.")
    return rows

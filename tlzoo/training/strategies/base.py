"""The ways to train: a probe, gradient descent, one after the other, adapters, or whichever validation prefers."""

from __future__ import annotations

import copy
import importlib
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tlzoo.errors import UsageError
from tlzoo.features.check import prove_frozen, snapshot
from tlzoo.features.extract import exactly, features
from tlzoo.features.prefetch import HeadStart
from tlzoo.features.prefix import backbone_prefix
from tlzoo.interfaces import Freeze
from tlzoo.io.timings import Clock
from tlzoo.models import lora
from tlzoo.models.devices import pick
from tlzoo.models.freezing import freeze, unfreeze_plan
from tlzoo.models.model import Model
from tlzoo.options import Options
from tlzoo.progress import say
from tlzoo.tasks.heads import head_from
from tlzoo.training.evaluation import refuse_not_finite, rounding_effect
from tlzoo.training.loop import finish, logits, train
from tlzoo.training.loop_state import Tensors
from tlzoo.training.step_model import Network, Sets, tensors
from tlzoo.training.strategies.probe_fit import Probe, fit_probe

LORA_RANK = 8
TRIAL_SAMPLES = 1024
ROUNDING_SAMPLES = 64
LEAST_SHARE = 0.01
"""Stages with a smaller share of the parameters are not worth a trial of their own."""
_INNER_SHARE = 0.2


@dataclass(frozen=True)
class Job:
    """What to train, on what and how; `head` are the options that the head was built with.

    `folder` takes checkpoints with `facts`; `resumed` is one to go on from. `started` may compute features already.
    """

    model: Model
    policy: str
    sets: Sets
    options: Options
    head: Mapping[str, Any]
    clock: Clock
    folder: Path | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    resumed: tuple[Tensors, dict[str, Any]] | None = None
    started: HeadStart | None = None


@dataclass(frozen=True)
class Outcome:
    """The trained model, its logits for the test samples, its history, the proof of what stayed, what else to tell."""

    model: Model
    logits: np.ndarray
    history: list[dict[str, float]]
    frozen: dict[str, Any]
    details: dict[str, Any]


def run_probe(job: Job) -> Outcome:
    """A linear head on features computed once; the logits come from the same features."""
    frozen = freeze(job.model, job.policy)
    before = snapshot(job.model, frozen)
    threading.Thread(target=_import_ahead, daemon=True).start()
    sets = (job.sets.train, job.sets.validation, job.sets.test)
    train_x, validation_x, test_x = features(
        job.model, *sets, options=job.options, clock=job.clock, started=job.started
    )
    with job.clock.spent("train"):
        training, validation = (train_x, _targets(job, "train")), (validation_x, _targets(job, "validation"))
        probe = fit_probe(training, validation, job.model.task, class_weights=job.head.get("class_weights"))
    facts: dict[str, Any] = {"l2": probe.l2, "temperature": probe.temperature}
    if job.options.cache and job.options.cache_precision != "fp32":
        facts["rounding"] = _rounding_of_probe(job, probe, validation_x)
    model = finish(_with_probe(job, probe))
    fitted = frozenset(f"head.{name}" for name, _ in model.head.named_parameters())  # a plugin's head had other names
    proof = _proof(before, model, replace(frozen, trainable=fitted))
    history = [{"l2": l2, "loss": loss} for l2, loss in probe.validation.items()]
    return Outcome(model, _apply(probe, test_x), history, proof, facts)


def _import_ahead() -> None:
    """What comes after the pass takes seconds to import, and ONNX Runtime leaves the interpreter free meanwhile."""
    for name in ("scipy.optimize", "sklearn.metrics"):
        importlib.import_module(name)


def _rounding_of_probe(job: Job, probe: Probe, vectors: np.ndarray) -> dict[str, float | int]:
    positions = range(min(ROUNDING_SAMPLES, len(vectors)))
    prefix = backbone_prefix(job.model, pick(job.options.device))
    [full] = exactly(prefix, job.sets.validation, positions).values()
    return rounding_effect(job.model.task, _apply(probe, vectors[list(positions)]), _apply(probe, full))


def run_finetune(job: Job) -> Outcome:
    """All that the policy leaves trainable, by gradient descent, what is frozen in front of it computed once."""
    return _descend(job)


def _descend(job: Job, still: frozenset[str] = frozenset()) -> Outcome:
    """Gradient descent; the modules `still` keep their statistics."""
    model, options = job.model, job.options
    plan = _plan(job, still)
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
    found = logits(model, trained.network, "test")
    facts = {**trained.facts, **_rounding(model, trained.network)}
    finish(model)
    proof = _proof(before, model, plan[-1])
    if lora.adapters(model) is not None:
        lora.merge(model)
        proof["merged"] = True
    return Outcome(model, found, trained.rows, proof, facts)


def _rounding(model: Model, network: Network) -> dict[str, Any]:
    """What keeping activations in half precision does to the trained model, measured on validation samples."""
    if network.exact is None:
        return {}
    feed = network.feeds["validation"]
    positions = list(range(min(ROUNDING_SAMPLES, len(feed))))
    with torch.inference_mode():
        rounded, full = (
            network.evaluate(*tensors(arrays, network.device)).float().cpu().numpy()
            for arrays in (feed.arrays(positions, 0), network.exact(positions))
        )
    effect = rounding_effect(model.task, rounded, full)
    say(
        f"Half precision in the cache changes a logit by {effect['max_logit_change']:.2g} at most, "
        f"{effect['agreement']:.1%} of {effect['samples']} validation labels stay"
    )
    return {"rounding": effect}


def run_lp_ft(job: Job) -> Outcome:
    """A probe, then gradient descent from it, which distorts the features less (Kumar et al. 2022).

    BatchNorm keeps the statistics with which the probe was fitted: those of a batch would be other features.
    """
    if not job.policy.startswith("lora:"):
        freeze(job.model, job.policy)  # a policy that cannot be is refused before features are computed
    if job.resumed is None:
        job = replace(job, model=_with_probe(job, _probe_of_training(job)))
    elif not isinstance(job.model.head, nn.Linear):
        job = replace(job, model=_with_probe(job, _nothing(job.model)))
    return _descend(job, still=_batch_norms(job.model))


def run_auto(job: Job) -> Outcome:
    """Whatever a short comparison on the validation samples prefers, the simplest unless another is clearly better.

    Candidates: a probe; from that probe, the last stage; from it, everything. The latter two are tried for one pass
    over at most 1,024 samples. One takes the place of a simpler one when its mean score is better by more than one
    standard error of the paired difference (the one-standard-error rule of Breiman et al. 1984).
    """
    decision = job.facts.get("auto") or _compare(job)
    strategy, policy = decision["strategy"], decision["freeze"]
    outcome = STRATEGY[strategy](replace(job, policy=policy, facts={**job.facts, "auto": decision}))
    return replace(outcome, details={**outcome.details, "auto": decision})


STRATEGY: Mapping[str, Callable[[Job], Outcome]] = {
    "probe": run_probe,
    "finetune": run_finetune,
    "lp-ft": run_lp_ft,
    "lora": run_finetune,
    "auto": run_auto,
}
DEFAULT_POLICY = {"probe": "all", "finetune": "none", "lp-ft": "none", "lora": f"lora:{LORA_RANK}", "auto": "none"}


def policy_of(strategy: str, policy: str | None) -> str:
    """The freeze policy of a strategy where none is given; raises UsageError for two that contradict each other."""
    if strategy not in STRATEGY:
        raise UsageError(f"Unknown strategy {strategy!r}.", hint=f"Strategies: {', '.join(STRATEGY)}")
    if policy is None:
        return DEFAULT_POLICY[strategy]
    if strategy == "probe" and policy != "all":
        raise UsageError(
            f"Strategy 'probe' trains the head only; freeze policy {policy!r} asks for more.",
            hint="Add --strategy finetune.",
        )
    if strategy == "auto":
        raise UsageError("Strategy 'auto' chooses what to freeze.", hint="Leave --freeze out, or name a strategy.")
    if strategy == "lora" and not policy.startswith("lora:"):
        raise UsageError(f"Strategy 'lora' trains adapters, not {policy!r}.", hint="Try --freeze lora:16")
    return policy


def _proof(before: Mapping[str, str], model: Model, frozen: Freeze) -> dict[str, Any]:
    """What `run.json` says of what was frozen, and how many parameters trained."""
    trained = sum(parameter.numel() for name, parameter in model.named_parameters() if name in frozen.trainable)
    return {**asdict(prove_frozen(before, model)), "trained": trained}


def _plan(job: Job, still: frozenset[str]) -> list[Freeze]:
    """What trains in each epoch."""
    whole, options = freeze(job.model, job.policy), job.options
    plan = [whole] * options.epochs
    if options.unfreeze_every:
        plan = unfreeze_plan(job.model, job.policy, options.unfreeze_every, options.epochs)
    kept = {each: replace(each, eval_modules=each.eval_modules | still) for each in plan}
    return [kept[each] for each in plan]


def _batch_norms(model: Model) -> frozenset[str]:
    return frozenset(name for name, module in model.named_modules() if isinstance(module, _BatchNorm))


def _targets(job: Job, part: str) -> np.ndarray:
    found = getattr(job.sets, part).targets
    assert isinstance(found, np.ndarray)
    return found


def _with_probe(job: Job, probe: Probe) -> Model:
    return job.model.with_head(head_from(probe.weight, probe.bias, job.model.task, job.head))


def _apply(probe: Probe, vectors: np.ndarray) -> np.ndarray:
    found: np.ndarray = vectors @ probe.weight.numpy().T + probe.bias.numpy()
    return found


def _nothing(model: Model) -> Probe:
    """A head of zeros, for weights that a checkpoint is about to fill."""
    outputs = model.task.outputs
    return Probe(torch.zeros(outputs, model.parts.feature_dim), torch.zeros(outputs), 0.0, {})


def _probe_of_training(job: Job, *others: str) -> Probe:
    """A head fitted without a look at the validation samples, which are to judge what comes after it."""
    freeze(job.model, "all")
    [vectors] = features(job.model, job.sets.train, options=job.options, clock=job.clock)
    return _fit(job, vectors)


def _fit(job: Job, vectors: np.ndarray) -> Probe:
    targets = _targets(job, "train")
    order = np.random.default_rng([job.options.seed, 1]).permutation(len(targets))
    held = max(1, round(_INNER_SHARE * len(order)))
    chosen, inner = np.sort(order[held:]), np.sort(order[:held])
    if not len(chosen):
        chosen = inner
    with job.clock.spent("train"):
        return fit_probe(
            (vectors[chosen], targets[chosen]),
            (vectors[inner], targets[inner]),
            job.model.task,
            class_weights=job.head.get("class_weights"),
        )


def _compare(job: Job) -> dict[str, Any]:
    """Try the candidates and say which is taken, with the figures."""
    task, targets = job.model.task, _targets(job, "validation")
    found = _try_all(job)
    trials = []
    for (strategy, policy), rows in found.items():
        metrics = task.metrics(rows, targets)
        trials.append({"strategy": strategy, "freeze": policy, **metrics})
        say(
            f"Tried {strategy}, freezing {policy}: validation {task.headline} {metrics[task.headline]:.4f}, "
            f"{task.monitor} {metrics[task.monitor]:.4f}"
        )
    sign = 1.0 if task.better(task.headline) == "max" else -1.0
    chosen = _simplest_of_the_best({name: sign * task.samplewise(rows, targets) for name, rows in found.items()})
    why = "no other is better by more than one standard error" if chosen[0] == "probe" else "it is clearly better"
    say(f"Taken: {chosen[0]}, freezing {chosen[1]}: {why}.")
    return {"strategy": chosen[0], "freeze": chosen[1], "trials": trials}


def _try_all(job: Job) -> dict[tuple[str, str], np.ndarray]:
    """Validation logits of every candidate, the simplest first."""
    options = job.options
    vectors, held = features(job.model, job.sets.train, job.sets.validation, options=options, clock=job.clock)
    probe = _fit(job, vectors)
    steps = math.ceil(min(TRIAL_SAMPLES, len(job.sets.train)) / (options.batch * options.accumulate))
    short = replace(options, epochs=1, max_steps=steps, patience=0, unfreeze_every=0)
    found = {("probe", "all"): _apply(probe, held)}
    for policy in (_last_that_matters(job.model), "none"):
        say(f"Trying lp-ft, freezing {policy}")
        trial = replace(job, model=copy.deepcopy(_with_probe(job, probe)), policy=policy, options=short)
        found["lp-ft", policy] = _validation_logits(trial)
    return found


def _simplest_of_the_best(scores: Mapping[tuple[str, str], np.ndarray]) -> tuple[str, str]:
    """The name of the scores [N] (higher is better) that beat all simpler ones by more than a standard error."""
    chosen = next(iter(scores))
    for name, score in scores.items():
        gain = score - scores[chosen]
        if len(gain) > 1 and gain.mean() > gain.std(ddof=1) / math.sqrt(len(gain)):
            chosen = name
    return chosen


def _last_that_matters(model: Model) -> str:
    """The policy that trains the last stage; with those behind it where these are no more than a norm."""
    sizes = {name: parameter.numel() for name, parameter in model.backbone.named_parameters()}
    stages = model.parts.stages
    for count in range(1, len(stages)):
        training = sum(size for name, size in sizes.items() if any(stage.owns(name) for stage in stages[-count:]))
        if training >= LEAST_SHARE * sum(sizes.values()):
            return f"last:{count}"
    return f"last:{len(stages)}"


def _validation_logits(trial: Job) -> np.ndarray:
    plan = _plan(trial, _batch_norms(trial.model))
    trained = train(trial.model, plan, trial.sets, trial.options, clock=trial.clock)
    rows = logits(trial.model, trained.network, "validation")
    refuse_not_finite(rows, "", "Try a smaller --lr.")
    return rows

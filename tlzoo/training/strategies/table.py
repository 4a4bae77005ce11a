"""The strategies by name, and what each freezes where nothing is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from tlzoo.errors import UsageError
from tlzoo.plugins.named import Named, find_named, known_names, tell_taken
from tlzoo.tasks.rows import count
from tlzoo.training.strategies.auto import run_auto
from tlzoo.training.strategies.base import TrainJob, TrainResult
from tlzoo.training.strategies.finetune import run_finetune
from tlzoo.training.strategies.lp_ft import run_lp_ft
from tlzoo.training.strategies.probe import run_probe

LORA_RANK = 8


STRATEGY: Mapping[str, Callable[[TrainJob], TrainResult]] = {
    "probe": run_probe,
    "finetune": run_finetune,
    "lp-ft": run_lp_ft,
    "lora": run_finetune,
    "auto": run_auto,
}
DEFAULT_POLICY = {"probe": "all", "finetune": "none", "lp-ft": "none", "lora": f"lora:{LORA_RANK}", "auto": "none"}


def train_of(strategy: str) -> Callable[[TrainJob], TrainResult]:
    """What trains by this strategy, the core's or that of a plugin; raises UsageError for one that nobody knows."""
    if strategy in STRATEGY:
        tell_taken("strategies", strategy)
        return STRATEGY[strategy]
    return partial(_train, _of_a_plugin(strategy))


def _of_a_plugin(name: str) -> Named:
    found = find_named("strategies", name)
    if found is None:
        raise UsageError(f"Unknown strategy {name!r}.", hint=f"Strategies: {known_names('strategies', STRATEGY)}")
    return found


def _train(strategy: Named, job: TrainJob) -> TrainResult:
    """Train by a plugin's strategy; raises HookError where it gives no TrainResult, or outputs of other samples."""
    result = strategy.run("train", job)
    if not isinstance(result, TrainResult):
        raise strategy.wrong(f"returned {type(result).__name__}, no TrainResult")
    if count(result.outputs) != len(job.sets.test):
        raise strategy.wrong(f"has outputs of {count(result.outputs)} samples; the test data has {len(job.sets.test)}")
    return result


def policy_of(strategy: str, policy: str | None) -> str:
    """The freeze policy of a strategy where none is given; raises UsageError for two that contradict each other."""
    if strategy not in STRATEGY:
        default: str = _of_a_plugin(strategy).value.policy
        return default if policy is None else policy
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

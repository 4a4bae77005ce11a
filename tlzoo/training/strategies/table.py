"""The strategies by name: what trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tlzoo.plugins.extensions import PluginExtension, warn_name_conflict
from tlzoo.plugins.strategies import plugin_strategy
from tlzoo.training.strategies.auto import run_auto
from tlzoo.training.strategies.base import TrainJob, TrainResult
from tlzoo.training.strategies.finetune import run_finetune
from tlzoo.training.strategies.lp_ft import run_lp_ft
from tlzoo.training.strategies.probe import run_probe
from tlzoo.training.strategies.result_check import result_problem

STRATEGIES: Mapping[str, Callable[[TrainJob[Any]], TrainResult]] = {
    "probe": run_probe,
    "finetune": run_finetune,
    "lp-ft": run_lp_ft,
    "lora": run_finetune,
    "auto": run_auto,
}


def strategy_function(strategy: str) -> Callable[[TrainJob[Any]], TrainResult]:
    """What trains by this strategy, the core's or that of a plugin; raises UsageError for one that nobody knows."""
    if strategy in STRATEGIES:
        warn_name_conflict("strategies", strategy)
        return STRATEGIES[strategy]
    return partial(_train_with_plugin, plugin_strategy(strategy))


def _train_with_plugin(strategy: PluginExtension, job: TrainJob[Any]) -> TrainResult:
    """Train by a plugin's strategy; raises HookError where it gives not a TrainResult, or outputs of other samples."""
    result = strategy.run("train", job)
    if not isinstance(result, TrainResult):
        raise strategy.wrong(f"returned {type(result).__name__}, not a TrainResult")
    if wrong := result_problem(result, job.sets.test):
        raise strategy.wrong(wrong)
    return result

"""The strategies by name: what trains, its options, and what each freezes where nothing is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from tlzoo.errors import UsageError
from tlzoo.models.freezing import is_policy, parse_lora_size
from tlzoo.options import LoRA, StrategyOptions, combine, non_default
from tlzoo.plugins.extensions import PluginExtension, find_extension, warn_name_conflict
from tlzoo.plugins.strategies import OPTIONS, unknown_strategy
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
DEFAULT_POLICY = {"probe": "all", "finetune": "none", "lp-ft": "none", "lora": LoRA().policy, "auto": "none"}


def resolve_strategy(
    strategy: str | StrategyOptions, freeze: str | None, *given: Mapping[str, Any], others: Iterable[str] = ()
) -> tuple[str, str, StrategyOptions]:
    """The strategy's name, its freeze policy and its options, of what users write in one of several ways.

    `strategy` is a name or options; each of `given` holds options by their flat names; `others` are names that could be
    meant by one that is unknown. Raises UsageError for a strategy that nobody knows, an option that it does not take or
    that cannot be, and for two that contradict each other.
    """
    name = strategy if isinstance(strategy, str) else _strategy_name(strategy)
    cls = OPTIONS[name] if name in OPTIONS else _plugin_strategy(name).value.options
    own = {} if isinstance(strategy, str) else non_default(strategy)
    policy = freeze_policy(name, freeze)
    said = _lora_options(policy) if name == "lora" and freeze is not None else {}
    for option, value in said.items():
        for source in (own, *given):
            if source.get(option, value) != value:
                raise UsageError(
                    f"`freeze={freeze!r}` contradicts `{option}={source[option]!r}`.",
                    hint="Give one of them.",
                    parameter="freeze",
                )
    options = combine(cls, name, own, *given, said, others=others)
    return name, options.policy if isinstance(options, LoRA) else policy, options


def _strategy_name(options: object) -> str:
    """The strategy that these are the options of."""
    if not isinstance(options, StrategyOptions):
        raise UsageError(
            f"`strategy` cannot be {options!r}.",
            hint="Give a name such as 'lora', or options such as tlzoo.LoRA(rank=16).",
            parameter="strategy",
        )
    if "strategy" not in vars(type(options)):
        raise UsageError(
            f"{type(options).__name__} does not say which strategy it is for.",
            hint="Give the strategy by its name and its options as keywords.",
            parameter="strategy",
        )
    return options.strategy


def _lora_options(policy: str) -> dict[str, float]:
    """The rank, and the alpha if there is one, in a freeze policy of adapters."""
    rank, alpha = parse_lora_size(policy.removeprefix("lora:"))
    return {"rank": rank} if alpha is None else {"rank": rank, "alpha": alpha}


def strategy_function(strategy: str) -> Callable[[TrainJob[Any]], TrainResult]:
    """What trains by this strategy, the core's or that of a plugin; raises UsageError for one that nobody knows."""
    if strategy in STRATEGIES:
        warn_name_conflict("strategies", strategy)
        return STRATEGIES[strategy]
    return partial(_train_with_plugin, _plugin_strategy(strategy))


def _plugin_strategy(name: str) -> PluginExtension:
    found = find_extension("strategies", name)
    if found is None:
        raise unknown_strategy(name)
    options, policy = found.value.options, found.value.policy
    if not (isinstance(options, type) and issubclass(options, StrategyOptions)):
        raise found.wrong(f"has the options {options!r}, not a subclass of StrategyOptions")
    if not (isinstance(policy, str) and is_policy(policy)):
        raise found.wrong(f"has the unknown freeze policy {policy!r}")
    return found


def _train_with_plugin(strategy: PluginExtension, job: TrainJob[Any]) -> TrainResult:
    """Train by a plugin's strategy; raises HookError where it gives not a TrainResult, or outputs of other samples."""
    result = strategy.run("train", job)
    if not isinstance(result, TrainResult):
        raise strategy.wrong(f"returned {type(result).__name__}, not a TrainResult")
    if wrong := result_problem(result, job.sets.test):
        raise strategy.wrong(wrong)
    return result


def freeze_policy(strategy: str, policy: str | None) -> str:
    """The freeze policy of a strategy where none is given; raises UsageError for two that contradict each other."""
    if strategy not in STRATEGIES:
        default: str = _plugin_strategy(strategy).value.policy
        return default if policy is None else policy
    if policy is None:
        return DEFAULT_POLICY[strategy]
    if strategy == "probe" and policy != "all":
        raise UsageError(
            f"`freeze={policy!r}` contradicts `strategy='probe'`, which trains the head only.",
            hint="Use `strategy='finetune'`.",
            parameter="freeze",
        )
    if strategy == "auto":
        raise UsageError(
            "`freeze` has no effect with `strategy='auto'`, which chooses what to freeze.",
            hint="Leave it out, or choose another strategy.",
            parameter="freeze",
        )
    if strategy == "lora" and not policy.startswith("lora:"):
        raise UsageError(
            f"`freeze={policy!r}` contradicts `strategy='lora'`, which trains adapters.",
            hint="Give `rank=8` instead, or choose another strategy.",
            parameter="freeze",
        )
    return policy

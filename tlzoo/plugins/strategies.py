"""The strategies by name: their options, and what each freezes where nothing is said. Torch-free, as refusals are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tlzoo.errors import UsageError
from tlzoo.options import CORE_STRATEGIES, LoRA, StrategyOptions, combine, given_options
from tlzoo.options.freezing import is_policy, parse_lora_size
from tlzoo.plugins.extensions import PluginExtension, find_extension, unknown_extension

OPTIONS = {cls.strategy: cls for cls in CORE_STRATEGIES}
"""The options of the core's strategies."""
DEFAULT_POLICY = {"probe": "all", "finetune": "none", "lp-ft": "none", "lora": LoRA().policy, "auto": "none"}


def unknown_strategy(name: str) -> UsageError:
    """The error for a strategy that nobody declares."""
    return unknown_extension("strategies", name, OPTIONS)


def resolve_strategy(
    strategy: str | StrategyOptions, freeze: str | None, *given: Mapping[str, Any], others: Iterable[str] = ()
) -> tuple[str, str, StrategyOptions]:
    """The strategy's name, its freeze policy and its options, of what users write in one of several ways.

    `strategy` is a name or options; each of `given` holds options by their flat names; `others` are names that could be
    meant by one that is unknown. Raises UsageError for a strategy that nobody knows, an option that it does not take or
    that cannot be, and for two that contradict each other.
    """
    name = strategy if isinstance(strategy, str) else _strategy_name(strategy)
    cls = OPTIONS[name] if name in OPTIONS else plugin_strategy(name).value.options
    own = {} if isinstance(strategy, str) else given_options(strategy)
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


def plugin_strategy(name: str) -> PluginExtension:
    """A plugin's strategy; raises UsageError for one that nobody declares, HookError where it is not as it must be."""
    found = find_extension("strategies", name)
    if found is None:
        raise unknown_strategy(name)
    options, policy = found.value.options, found.value.policy
    if not (isinstance(options, type) and issubclass(options, StrategyOptions)):
        raise found.wrong(f"has the options {options!r}, not a subclass of StrategyOptions")
    if not (isinstance(policy, str) and is_policy(policy)):
        raise found.wrong(f"has the unknown freeze policy {policy!r}")
    return found


def freeze_policy(strategy: str, policy: str | None) -> str:
    """The freeze policy of a strategy where none is given; raises UsageError for two that contradict each other."""
    if strategy not in OPTIONS:
        default: str = plugin_strategy(strategy).value.policy
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

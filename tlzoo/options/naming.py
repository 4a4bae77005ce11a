"""What keywords, flags and `run.json` call the options, and what a strategy makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tlzoo.errors import UsageError
from tlzoo.options.checked import CheckedOptions, flat, from_flat, non_default, options_of
from tlzoo.options.strategies import Finetune, StrategyOptions

MAY_DIFFER_ON_RESUME = {"cache_gb", "snapshot_every", "device", "probe"}
"""Options that may differ when a run is resumed: they change no weight."""


def run_options(options: StrategyOptions) -> dict[str, Any]:
    """The options for `run.json`: the same names for every strategy, null for those that this one does not take."""
    return {**dict.fromkeys(options_of(Finetune)), **flat(options)}


def changed_options(before: Mapping[str, Any], now: StrategyOptions) -> list[str]:
    """Names of changed options that affect the weights."""
    return [name for name, value in flat(now).items() if name not in MAY_DIFFER_ON_RESUME and before.get(name) != value]


def combine(
    cls: type[StrategyOptions], strategy: str, *sources: Mapping[str, Any], others: Iterable[str] = ()
) -> StrategyOptions:
    """The options of a strategy from what was given, by flat names; an Augment or a Cache stands for its fields.

    `others` are names that could be meant by one that is unknown. Raises UsageError for a name that the strategy does
    not take, a value that cannot be, and two values that differ.
    """
    given: dict[str, Any] = {}
    for source in sources:
        for name, value in _flatten(source).items():
            if name not in options_of(cls):
                raise cls.unknown(name, strategy, others)
            if name in given and given[name] != value:
                raise UsageError(
                    f"`{name}` is given as {given[name]!r} and as {value!r}.", hint="Give it once.", parameter=name
                )
            given[name] = value
    options: StrategyOptions = from_flat(cls, given)
    return options


def _flatten(source: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in source.items():
        found |= non_default(value) if isinstance(value, CheckedOptions) else {name: value}
    return found

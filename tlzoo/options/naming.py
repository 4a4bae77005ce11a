"""What keywords, flags and `run.json` call the options, and what a strategy makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tlzoo.errors import UsageError
from tlzoo.options.checked import Checked, flat, given_in, made, options_of
from tlzoo.options.strategies import Finetune, StrategyOptions

MAY_DIFFER = {"cache_gb", "checkpoint_every", "device"}
"""Options that may differ when a run is resumed: they change no weight."""


def recorded(options: StrategyOptions) -> dict[str, Any]:
    """What `run.json` says: the same names for every strategy, null for those that this one does not take."""
    return {**dict.fromkeys(options_of(Finetune)), **flat(options)}


def differences(before: Mapping[str, Any], now: StrategyOptions) -> list[str]:
    """Names of the options that change a weight and are not as they were."""
    return [name for name, value in flat(now).items() if name not in MAY_DIFFER and before.get(name) != value]


def combine(
    cls: type[StrategyOptions], strategy: str, *sources: Mapping[str, Any], others: Iterable[str] = ()
) -> StrategyOptions:
    """The options of a strategy from what was given, by flat names; an Augment or a Cache stands for its fields.

    `others` are names that could be meant by one that is unknown. Raises UsageError for a name that the strategy does
    not take, a value that cannot be, and two values that differ.
    """
    given: dict[str, Any] = {}
    for source in sources:
        for name, value in _spread(source).items():
            if name not in options_of(cls):
                raise cls.unknown(name, strategy, others)
            if name in given and given[name] != value:
                raise UsageError(
                    f"`{name}` is given as {given[name]!r} and as {value!r}.", hint="Give it once.", parameter=name
                )
            given[name] = value
    options: StrategyOptions = made(cls, given)
    return options


def _spread(source: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in source.items():
        found |= given_in(value) if isinstance(value, Checked) else {name: value}
    return found

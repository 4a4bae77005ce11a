"""What keywords, flags and `run.json` call the options, and what a strategy makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tlzoo.errors import UsageError
from tlzoo.options.checked import Checked, Option, flat, flat_names_of, given_in, made, names_of, options_of
from tlzoo.options.strategies import CORE, Finetune, LoRA, Probe, StrategyOptions

MAY_DIFFER = {"cache_gb", "checkpoint_every", "device"}
"""Options that may differ when a run is resumed: they change no weight."""


def core_options() -> dict[str, Option]:
    """Every option of the core's strategies by its flat name."""
    classes: tuple[type[StrategyOptions], ...] = (Finetune, Probe, LoRA)  # the others have no fields of their own
    known = {name: option for cls in classes for name, option in options_of(cls).items()}
    return dict(sorted(known.items(), key=lambda item: -len(takers(item[0]))))


def takers(name: str) -> tuple[str, ...]:
    """The core's strategies that take the option of this flat name."""
    return tuple(cls.strategy for cls in CORE if name in flat_names_of(cls))


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
                raise unknown(name, cls, strategy, others)
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


def unknown(name: str, cls: type[Any], strategy: str, others: Iterable[str] = ()) -> UsageError:
    """Why there is no option of this name: it is a field's field, of another strategy, or nobody's."""
    if name in options_of(cls):
        return UsageError(
            f"{cls.__name__} has no field `{name}`.",
            hint="It is a keyword of tlzoo.finetune, and a field of tlzoo.Augment or tlzoo.Cache.",
            parameter=name,
        )
    if strategy and name in core_options():
        return UsageError(
            f"`{name}` has no effect with `strategy={strategy!r}`.",
            hint=f"Leave it out, or choose a strategy that takes it: {', '.join(takers(name))}.",
            parameter=name,
        )
    import difflib  # `--help` does without

    known = dict.fromkeys([*names_of(cls), *options_of(cls), *(core_options() if strategy else ()), *others])
    near = [f"`{each}`" for each in difflib.get_close_matches(name, known, 3)]
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(options_of(cls))}."
    return UsageError(f"There is no option `{name}`.", hint=hint, parameter=name)

"""Freeze policies as users write them. What each freezes of a model, `tlzoo.models.freezing` knows."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tlzoo.errors import UsageError
from tlzoo.options.checked import options_of
from tlzoo.options.strategies import MAX_RANK, LoRA

FREEZE_POLICIES = "all, none, until:<stage>, last:<n>, norm, lora:<rank>"
_ALPHA = options_of(LoRA)["alpha"]


def names_plugin(policy: str) -> bool:
    """Whether a policy is one of a plugin that it names, `plugin/name`."""
    plugin, slash, _ = policy.partition("/")
    return bool(slash) and ":" not in plugin  # a stage may have a slash in its name


def is_policy(policy: str) -> bool:
    """Whether this has the form of a policy of the core or of a plugin's, `plugin/name`."""
    return is_core_policy(policy) or (names_plugin(policy) and all(policy.partition("/")))


def is_core_policy(policy: str) -> bool:
    """Whether this has the form of a policy of the core."""
    kind, colon, argument = policy.partition(":")
    if kind == "last":
        return argument.isdecimal()
    return bool(colon and argument) if kind in ("until", "lora") else policy in ("all", "none", "norm")


def unknown_policy(policy: str) -> UsageError:
    """The error for a policy that nobody knows."""
    return UsageError(
        f"Unknown freeze policy {policy!r}.",
        hint=f"Policies: {FREEZE_POLICIES}, or a plugin's: PLUGIN/NAME.",
        parameter="freeze",
    )


def parse_lora_size(argument: str) -> tuple[int, float | None]:
    """Rank and alpha that `<rank>` or `<rank>:<alpha>` names; raises UsageError where it does not."""
    rank, colon, alpha = argument.partition(":")
    if not (rank.isdecimal() and 1 <= int(rank) <= MAX_RANK) or (colon and not _is_alpha(alpha)):
        raise UsageError(
            f"Freeze policy {'lora:' + argument!r} does not have the form lora:<rank> or lora:<rank>:<alpha>.",
            hint=f"Try `freeze='lora:8'`; the rank is 1 to {MAX_RANK}, the alpha {_ALPHA.allowed}.",
            parameter="freeze",
        )
    return int(rank), float(alpha) if alpha else None


def _is_alpha(number: str) -> bool:
    return bool(re.fullmatch(r"[0-9]+(\.[0-9]+)?", number)) and _ALPHA.takes(float(number))


def training_stages(policy: str, stages: Sequence[str]) -> list[str]:
    """Which of a backbone's stages, from input to output, train under `all`, `none`, `until:<stage>` or `last:<n>`.

    Raises UsageError for another policy, and for a stage that is not there.
    """
    kind, _, argument = policy.partition(":")
    if policy == "all":
        return []
    if policy == "none":
        return list(stages)
    if kind == "until" and argument:
        if argument not in stages:
            raise UsageError(
                f"This backbone has no stage {argument!r}.", hint=f"Stages: {', '.join(stages)}.", parameter="freeze"
            )
        return list(stages[stages.index(argument) + 1 :])
    if kind == "last" and argument.isdecimal():
        check_not_zero(policy)
        if int(argument) > len(stages):
            raise UsageError(
                f"Freeze policy {policy!r} needs {argument} stages; this backbone has {len(stages)}.",
                hint=f"Stages: {', '.join(stages)}.",
                parameter="freeze",
            )
        return list(stages[len(stages) - int(argument) :])
    raise unknown_policy(policy)


def check_not_zero(policy: str) -> None:
    """Raise UsageError for `last:0`, which would be another name of `all`."""
    kind, _, argument = policy.partition(":")
    if kind == "last" and argument.isdecimal() and int(argument) == 0:
        raise UsageError(
            f"`freeze={policy!r}` trains no stage.",
            hint="Give `freeze='last:1'` or more; `freeze='all'` freezes everything but the head.",
            parameter="freeze",
        )


def check_stage_policy(policy: str) -> None:
    """Raise UsageError for a policy that gradual unfreezing cannot reach."""
    if policy.partition(":")[0] not in ("none", "until", "last"):
        raise UsageError(
            f"Freeze policy {policy!r} does not work with gradual unfreezing.",
            hint="Use `unfreeze_every` with `freeze='none'`, until:<stage> or last:<n>.",
            parameter="unfreeze_every",
        )

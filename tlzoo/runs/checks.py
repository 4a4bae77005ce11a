"""What can be known before weights are fetched: options that cannot be, and options that change nothing."""

from __future__ import annotations

from dataclasses import fields

from tlzoo.augment import signature
from tlzoo.errors import UsageError
from tlzoo.models.devices import lowered, pick
from tlzoo.models.freezing import adapter_size, refuse_unstaged
from tlzoo.options import Options
from tlzoo.tasks import family, modality

OF_A_PROBE = {"seed", "class_weights", "device", "cache", "cache_precision", "cache_gb"}
"""The options that a probe heeds; the others are about gradient descent."""

_OF_THE_CACHE = ("cache_precision", "cache_gb")


def check(task: str, strategy: str, policy: str, options: Options) -> None:
    """Raise UsageError for options that cannot be for this task, strategy and freeze policy, or on this machine."""
    kind, device = modality(task), pick(options.device)
    if strategy == "probe":
        return
    lowered(options.precision, device)
    signature(kind, options.augment)
    if options.monitor is not None:
        _refuse_unknown_metric(task, options.monitor)
    if options.mixup and kind not in ("image", "audio"):
        raise UsageError(f"Mixup is for pictures and recordings, not for {kind}.", hint="Leave --mixup out.")
    if options.cutmix and kind != "image":
        way_out = "Leave --cutmix out, or take --mixup." if kind == "audio" else "Leave --cutmix out."
        raise UsageError(f"CutMix is for pictures, not for {kind}.", hint=way_out)
    if options.unfreeze_every:
        refuse_unstaged(policy)
    if policy.startswith("lora:"):
        adapter_size(policy.removeprefix("lora:"))


def _refuse_unknown_metric(task: str, metric: str) -> None:
    directions = family(task).directions
    if metric not in directions:
        raise UsageError(f"{task} has no metric {metric!r}.", hint=f"Its metrics: {', '.join(directions)}")


def without_effect(strategy: str, options: Options) -> list[str]:
    """One line for each reason why options that differ from their defaults change nothing."""
    changed = [field.name for field in fields(options) if getattr(options, field.name) != field.default]
    lines = []
    if strategy == "probe" and (idle := [name for name in changed if name not in OF_A_PROBE]):
        lines.append(f"A probe has no use for {_flags(idle)}. To train by gradient descent: --strategy finetune")
    if not options.cache and (idle := [name for name in _OF_THE_CACHE if name in changed]):
        lines.append(f"Without a cache, {_flags(idle)} changes nothing.")
    if strategy != "probe" and 0 < options.epochs <= options.unfreeze_every:
        lines.append(f"--unfreeze-every {options.unfreeze_every} of {options.epochs} epochs trains the head only.")
    if strategy != "probe" and options.patience >= options.epochs:
        lines.append(f"--patience {options.patience} of {options.epochs} epochs never ends training early.")
    return lines


def _flags(names: list[str]) -> str:
    return ", ".join("--" + name.replace("_", "-") for name in names)

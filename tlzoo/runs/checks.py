"""What can be known before weights are fetched: options that cannot be, and options that change nothing."""

from __future__ import annotations

from dataclasses import fields

from tlzoo.augment import signature
from tlzoo.errors import UsageError
from tlzoo.models.devices import lowered, pick
from tlzoo.models.freezing import adapter_size, refuse_unstaged
from tlzoo.options import Options
from tlzoo.tasks import Task

OF_A_PROBE = {"seed", "class_weights", "device", "cache", "cache_precision", "cache_gb"}
"""The options that a probe heeds; the others are about gradient descent."""

NEEDS_PROBE = ("probe", "lp-ft", "auto")

_OF_THE_CACHE = ("cache_precision", "cache_gb")


def check(task: Task, strategy: str, policy: str, options: Options, head: str | None = None) -> None:
    """Raise UsageError for options that cannot be for this task, strategy and freeze policy, or on this machine."""
    kind, device = task.modality, pick(options.device)
    _refuse_unsupported(task, options)
    if head and head not in ("linear", "plugin") and "/" not in head:
        raise UsageError(
            f"There is no head {head!r}.", hint="Give linear, or PLUGIN/NAME for one of a plugin; or leave --head out."
        )
    if strategy in NEEDS_PROBE and "probe" not in task.supports:
        raise UsageError(
            f"{task.name} has no probe, which strategy {strategy!r} begins with.", hint="Add --strategy finetune."
        )
    if strategy in NEEDS_PROBE and head:
        raise UsageError(f"Strategy {strategy!r} fits a linear head, not {head!r}.", hint="Add --strategy finetune.")
    if strategy == "probe":
        return
    lowered(options.precision, device)
    signature(kind, options.augment)
    if options.monitor is not None:
        task.better(options.monitor)
    if options.mixup and kind not in ("image", "audio"):
        raise UsageError(f"Mixup is for pictures and recordings, not for {kind}.", hint="Leave --mixup out.")
    if options.cutmix and kind != "image":
        way_out = "Leave --cutmix out, or take --mixup." if kind == "audio" else "Leave --cutmix out."
        raise UsageError(f"CutMix is for pictures, not for {kind}.", hint=way_out)
    if options.unfreeze_every:
        refuse_unstaged(policy)
    if policy.startswith("lora:"):
        adapter_size(policy.removeprefix("lora:"))


def _refuse_unsupported(task: Task, options: Options) -> None:
    asked = {
        "label_smoothing": (bool(options.label_smoothing), "has no labels to smooth", "--label-smoothing"),
        "class_weights": (options.class_weights != "none", "has no classes to weight", "--class-weights"),
        "mixup": (bool(options.mixup or options.cutmix), "cannot mix its targets", "--mixup and --cutmix"),
        "augment": (options.augment != "none", "cannot move its targets with its inputs", "--augment"),
    }
    for name, (wanted, why, option) in asked.items():
        if wanted and name not in task.supports:
            raise UsageError(f"{task.name} {why}.", hint=f"Leave {option} out.")


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

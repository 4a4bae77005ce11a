"""Checks before weights are fetched: invalid options, and options without effect."""

from __future__ import annotations

from tlzoo.augment import signature
from tlzoo.errors import UsageError
from tlzoo.models.devices import autocast_dtype, select_device
from tlzoo.models.freezing import check_stage_policy, names_plugin, parse_lora_size
from tlzoo.options import Finetune, GradientDescent, StrategyOptions
from tlzoo.plugins.extensions import split_plugin_name
from tlzoo.tasks import Task

NEEDS_PROBE = ("probe", "lp-ft", "auto")


def check_options(task: Task, strategy: str, policy: str, options: StrategyOptions, head: str | None = None) -> None:
    """Raise UsageError for options that are invalid for this task, strategy, freeze policy or machine.

    An option without effect is an error too. Ranges, and whether the strategy takes it, were checked before.
    """
    device = select_device(options.device)
    if head and head not in ("linear", "plugin") and "/" not in head:
        raise UsageError(
            f"Unknown head {head!r}.",
            hint="Give linear, or PLUGIN/NAME for a plugin's head; or leave `head` out.",
            parameter="head",
        )
    if head and "/" in head:
        split_plugin_name("head", head)
    if names_plugin(policy):
        split_plugin_name("freeze policy", policy)
    if strategy in NEEDS_PROBE and "probe" not in task.supports:
        raise UsageError(
            f"{task.name} does not support a probe, which `strategy={strategy!r}` starts with.",
            hint="Use `strategy='finetune'`.",
            parameter="strategy",
        )
    if strategy in NEEDS_PROBE and head:
        raise UsageError(
            f"`head={head!r}` contradicts `strategy={strategy!r}`, which fits a linear head.",
            hint="Use `strategy='finetune'`.",
            parameter="head",
        )
    _check_supported(task, options)
    if isinstance(options, GradientDescent):
        autocast_dtype(options.precision, device)
        _check_modality(task.modality, options)
        if options.monitor is not None:
            task.better(options.monitor)
        if policy.startswith("lora:"):
            parse_lora_size(policy.removeprefix("lora:"))
        _check_effective(policy, options)


def _check_supported(task: Task, options: StrategyOptions) -> None:
    descent = options if isinstance(options, GradientDescent) else GradientDescent()
    asked = {
        "label_smoothing": (bool(descent.label_smoothing), "label_smoothing", "has no labels to smooth"),
        "class_weights": (options.class_weights != "none", "class_weights", "has no classes to weight"),
        "mixup": (bool(descent.mixup), "mixup", "does not support mixing of targets"),
        "cutmix": (bool(descent.cutmix), "mixup", "does not support mixing of targets"),
        "augment": (descent.augment.policy != "none", "augment", "does not support augmentation"),
    }
    for name, (wanted, ability, why) in asked.items():
        if wanted and ability not in task.supports:
            raise UsageError(f"{task.name} {why}.", hint=f"Leave `{name}` out.", parameter=name)


def _check_modality(kind: str, options: GradientDescent) -> None:
    """Raise UsageError for ways to vary inputs that are not for inputs of this kind."""
    signature(kind, options.augment.policy)
    if options.mixup and kind not in ("image", "audio"):
        raise UsageError(
            f"`mixup` is for pictures and recordings, not for {kind}.", hint="Leave `mixup` out.", parameter="mixup"
        )
    if options.cutmix and kind != "image":
        way_out = "Leave `cutmix` out, or take `mixup`." if kind == "audio" else "Leave `cutmix` out."
        raise UsageError(f"`cutmix` is for pictures, not for {kind}.", hint=way_out, parameter="cutmix")


def _check_effective(policy: str, options: GradientDescent) -> None:
    """Raise UsageError for an option that has no effect beside others."""
    idle = []
    if options.patience >= options.epochs:
        idle.append(("patience", f"`epochs={options.epochs}`"))
    if options.l2_sp and policy == "all":
        idle.append(("l2_sp", f"`freeze={policy!r}`"))
    if isinstance(options, Finetune) and options.unfreeze_every:
        check_stage_policy(policy)
    if isinstance(options, Finetune) and options.layer_decay != 1 and (policy == "all" or policy.startswith("lora:")):
        idle.append(("layer_decay", f"`freeze={policy!r}`"))
    for name, beside in idle:
        raise UsageError(
            f"`{name}={getattr(options, name)!r}` has no effect with {beside}.",
            hint=f"Leave `{name}` out, or change the other.",
            parameter=name,
        )

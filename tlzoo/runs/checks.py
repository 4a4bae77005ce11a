"""What a run is asked for, before data are read and weights fetched: choices that cannot be, options without effect.

Torch-free, so that a command refuses them at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

from pydantic import ValidationError

from tlzoo import plugins
from tlzoo.augment import signature
from tlzoo.errors import UsageError
from tlzoo.options import Cache, Finetune, GradientDescent, StrategyOptions, flat, options_of
from tlzoo.options.checked import OTHER, expected_value
from tlzoo.options.freezing import (
    check_not_zero,
    check_stage_policy,
    is_core_policy,
    is_policy,
    names_plugin,
    parse_lora_size,
    training_stages,
)
from tlzoo.plugins.extensions import declared_extensions, split_plugin_name
from tlzoo.plugins.strategies import OPTIONS, resolve_strategy
from tlzoo.plugins.tasks import unfitted_task
from tlzoo.registry.schema import Checkpoint
from tlzoo.specs import PluginSpec
from tlzoo.tasks import Task, contract, trainable_tasks

_FORMS = {"value_range": "LOW,HIGH, the values of black and of white, with LOW below HIGH"}
"""Of fields of preprocessing that a checkpoint need not have, the value's form."""
NEEDS_PROBE = ("probe", "lp-ft", "auto")


class Choices(NamedTuple):
    """What is trained and how: a task without labels yet, a strategy with its freeze policy and its options."""

    task: Task
    strategy: str
    policy: str
    options: StrategyOptions


def choose(
    checkpoint: Checkpoint,
    task: str | None,
    strategy: str | StrategyOptions | None,
    freeze: str | None,
    head: str | None,
    *given: Mapping[str, Any],
    others: Iterable[str] = (),
) -> Choices:
    """What users ask for, as far as it can be told from the checkpoint's entry; see `resolve_strategy`.

    Without a strategy it is `probe`, or `finetune` where the task has no probe.

    Raises UsageError for what cannot be or has no effect, HookError or PluginError where a plugin's part of it is not
    as it must be.
    """
    blank, given_strategy = task_for(checkpoint, task), strategy is not None
    if strategy is None:
        strategy = "probe" if "probe" in blank.supports else "finetune"
    _check_probe(blank, strategy if isinstance(strategy, str) else getattr(strategy, "strategy", ""))
    if freeze is not None and not is_policy(freeze):
        _check_policy(checkpoint, freeze)  # what is misspelt contradicts nothing
    with nullcontext() if given_strategy else _by_default(strategy):
        name, policy, options = resolve_strategy(strategy, freeze, *given, others=others)
    if blank.plugin and (wrong := contract.class_problem(type(blank)) or contract.inputs_problem(blank)):
        raise contract.task_error(blank, f"cannot be used: {wrong}")
    _check_policy(checkpoint, policy)
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]+)?", options.device):
        raise UsageError(
            f"`device` cannot be {options.device!r}.", hint="Give auto, cpu, cuda or cuda:1.", parameter="device"
        )
    _check_options(blank, name, policy, options, head)
    if isinstance(options, GradientDescent):
        _check_effective(checkpoint, blank, name, policy, options)
    return Choices(blank, name, policy, options)


@contextmanager
def _by_default(strategy: str | StrategyOptions) -> Iterator[None]:
    """An error that names the strategy says that nobody chose it."""
    try:
        yield
    except UsageError as error:
        error.message = error.message.replace(f"`strategy={strategy!r}`.", f"`strategy={strategy!r}`, the default.")
        raise


def task_for(checkpoint: Checkpoint, wanted: str | None) -> Task:
    """The task to train, without labels yet; raises UsageError for one that the checkpoint does not support."""
    if (task := unfitted_task(checkpoint.tasks, wanted)) is not None:
        return task
    added = [f"{one.value}/{one.name}" for one in declared_extensions("tasks")]
    raise UsageError(
        f"{checkpoint.id} does not support the task {wanted!r}."
        if wanted is not None
        else f"{checkpoint.id} supports no task that can be trained.",
        hint=f"Supported: {', '.join(trainable_tasks(checkpoint.tasks) or checkpoint.tasks)}"
        + (f"; plugins add: {', '.join(added)}." if added else "."),
        parameter="task",
    )


def _check_probe(task: Task, strategy: str) -> None:
    if strategy in NEEDS_PROBE and "probe" not in task.supports:
        raise UsageError(
            f"{task.name} does not support a probe, which `strategy={strategy!r}` starts with.",
            hint="Use `strategy='finetune'`.",
            parameter="strategy",
        )


def with_preprocess(checkpoint: Checkpoint, preprocess: Mapping[str, Any] | None) -> Checkpoint:
    """The checkpoint with fields of its preprocessing replaced; of a plugin's own preprocessing its options.

    Raises UsageError for an unknown field or an invalid value; a plugin's options are checked when they are used.
    """
    if not preprocess:
        return checkpoint
    spec = checkpoint.preprocess
    if isinstance(spec, PluginSpec):
        preprocess = {"options": {**spec.options, **preprocess}}
    if strange := sorted(set(preprocess) - set(type(spec).model_fields)):
        option = {strange[0]: preprocess[strange[0]]}
        raise UsageError(
            f"`preprocess={option}` has no effect with {checkpoint.id}.",
            parameter="preprocess",
            hint="Leave it out, or give one that it has, as `preprocess={'NAME': 'VALUE'}`: "
            f"{', '.join(sorted(set(type(spec).model_fields) - {'kind', 'tokenizer'}))}.",
        )
    try:
        changed = type(spec).model_validate({**spec.model_dump(), **preprocess})
    except ValidationError as cause:
        first = cause.errors()[0]
        name, expected = str(first["loc"][0]), expected_value(first)
        if expected == OTHER:
            there = getattr(spec, name)
            expected = (
                f"a value such as {there!r}, which it has" if there is not None else _FORMS.get(name, first["msg"])
            )
        option = {name: preprocess.get(name, first["input"])}
        raise UsageError(
            f"`preprocess={option}` cannot be used.",
            hint=f"Give {expected}.",
            parameter="preprocess",
        ) from cause
    return checkpoint.model_copy(update={"preprocess": changed})


def _check_policy(checkpoint: Checkpoint, policy: str) -> None:
    """Raise UsageError for a freeze policy that neither the core knows nor, as far as it has its own, the plugin."""
    if names_plugin(policy):
        split_plugin_name("freeze policy", policy)
        return
    check_not_zero(policy)
    of_stages = policy.partition(":")[0] in ("until", "last") and checkpoint.stages
    if (of_stages or not is_core_policy(policy)) and "freeze" not in plugins.import_plugin(checkpoint.plugin).hooks:
        training_stages(policy, [stage.name for stage in checkpoint.stages])


def _check_options(task: Task, strategy: str, policy: str, options: StrategyOptions, head: str | None = None) -> None:
    """Raise UsageError for options that are invalid for this task, strategy or freeze policy.

    An option without effect is an error too. Ranges, and whether the strategy takes it, were checked before.
    """
    if head is not None and head not in ("linear", "plugin") and "/" not in head:
        raise UsageError(
            f"Unknown head {head!r}.",
            hint="Give linear, or PLUGIN/NAME for a plugin's head; or leave `head` out.",
            parameter="head",
        )
    if head and "/" in head:
        split_plugin_name("head", head)
    if strategy in NEEDS_PROBE and head:
        raise UsageError(
            f"`head={head!r}` contradicts `strategy={strategy!r}`, which fits a linear head.",
            hint="Use `strategy='finetune'`.",
            parameter="head",
        )
    _check_supported(task, options)
    if isinstance(options, GradientDescent):
        _check_modality(task.modality, options)
        if options.monitor is not None:
            task.better(options.monitor)
        if policy.startswith("lora:"):
            parse_lora_size(policy.removeprefix("lora:"))


def _check_supported(task: Task, options: StrategyOptions) -> None:
    descent = options if isinstance(options, GradientDescent) else GradientDescent()
    asked = {
        "label_smoothing": (bool(descent.label_smoothing), "label_smoothing", "has no labels to smooth"),
        "class_weights": (options.class_weights != "none", "class_weights", "has no classes to weight"),
        "mixup": (bool(descent.mixup), "mixup", "does not support mixing of targets"),
        "cutmix": (bool(descent.cutmix), "mixup", "does not support mixing of targets"),
        "augment": (descent.augmentation.policy != "none", "augment", "does not support augmentation"),
    }
    for name, (wanted, ability, why) in asked.items():
        if wanted and ability not in task.supports:
            raise UsageError(f"{task.name} {why}.", hint=f"Leave `{name}` out.", parameter=name)


def _check_modality(kind: str, options: GradientDescent) -> None:
    """Raise UsageError for ways to vary inputs that are not for inputs of this kind."""
    signature(kind, options.augmentation.policy)
    if options.mixup and kind not in ("image", "audio"):
        raise UsageError(
            f"`mixup` is for pictures and recordings, not for {kind}.", hint="Leave `mixup` out.", parameter="mixup"
        )
    if options.cutmix and kind != "image":
        way_out = "Leave `cutmix` out, or take `mixup`." if kind == "audio" else "Leave `cutmix` out."
        raise UsageError(f"`cutmix` is for pictures, not for {kind}.", hint=way_out, parameter="cutmix")


def _check_effective(checkpoint: Checkpoint, task: Task, strategy: str, policy: str, options: GradientDescent) -> None:
    """Raise UsageError for an option that has no effect beside others."""
    idle = []
    by_policy = f"`freeze={policy!r}`"
    trained = _trained_stages(checkpoint, policy)
    if options.patience >= options.epochs:
        idle.append(("patience", f"`epochs={options.epochs}`"))
    if options.l2_sp and trained == 0:
        idle.append(("l2_sp", by_policy))
    if isinstance(options, Finetune) and options.unfreeze_every:
        check_stage_policy(policy)
        if trained == 0:
            idle.append(("unfreeze_every", by_policy))
    one_rate = policy.startswith("lora:") or (trained is not None and trained < 2)
    if isinstance(options, Finetune) and options.layer_decay != 1 and one_rate:
        idle.append(("layer_decay", by_policy))
    for name, beside in [*idle, *_idle_caching(checkpoint, task, strategy, policy, options)]:
        raise UsageError(
            f"`{name}={flat(options)[name]!r}` has no effect with {beside}.",
            hint=f"Leave `{name}` out, or give another `{beside.strip('`').partition('=')[0]}`.",
            parameter=name,
        )


def _trained_stages(checkpoint: Checkpoint, policy: str) -> int | None:
    """How many stages of the backbone a policy trains; `None` where the entry and the policy do not tell."""
    stages = [stage.name for stage in checkpoint.stages]
    kind, _, argument = policy.partition(":")
    if kind == "last" or policy == "all":
        return int(argument or 0)
    return len(training_stages(policy, stages)) if kind == "until" and argument in stages else None


def _idle_caching(
    checkpoint: Checkpoint, task: Task, strategy: str, policy: str, options: GradientDescent
) -> Iterator[tuple[str, str]]:
    """Options of the cache where nothing is cached, and what keeps it from that."""
    if not options.augmentation.views and options.caching == Cache():
        return  # no plugin need be imported
    every_epoch = "" if not options.cutmix else f"`cutmix={options.cutmix}`"
    if not options.caching.enabled:
        every_epoch = "`cache=False`"
    unfrozen = policy == "none" and strategy in ("finetune", "lp-ft") and not getattr(options, "unfreeze_every", 0)
    if unfrozen and "freeze" not in plugins.import_plugin(checkpoint.plugin).hooks:
        every_epoch = every_epoch or f"`freeze={policy!r}`"
    if options.augmentation.views and every_epoch:
        yield "views", every_epoch
    if options.augmentation.policy != "none" and not options.augmentation.views:
        every_epoch = (
            every_epoch or f"`augment={options.augmentation.policy!r}`, which varies the inputs in every epoch"
        )
    features = strategy in NEEDS_PROBE or (options.probe and "probe" in task.supports)
    if strategy in OPTIONS and every_epoch and not features:
        for name in ("cache_precision", "cache_gb"):
            if flat(options)[name] != options_of(type(options))[name].default:
                yield name, every_epoch

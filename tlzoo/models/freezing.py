"""Freeze policies of the core, and train mode for partly frozen models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from torch import nn

from tlzoo import plugins
from tlzoo.errors import HookError, UsageError
from tlzoo.interfaces import Freeze, Stage
from tlzoo.io.entry_points import describe_plugin
from tlzoo.models import lora
from tlzoo.models.digests import named_tensors, tensor_digests
from tlzoo.models.model import TaskModel
from tlzoo.models.seeds import keep_generators
from tlzoo.options.freezing import FREEZE_POLICIES, check_stage_policy, names_plugin, parse_lora_size
from tlzoo.options.freezing import training_stages as stage_names
from tlzoo.plugins.extensions import split_plugin_name

NORMALISATION = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.LocalResponseNorm,
)
NORMALISATION_BY_NAME = re.compile(r"Norm(Act)?(\dd\w*)?$")
"""How timm and transformers call their own, which are not subclasses of torch's: RmsNorm2d, MPNetLayerNorm."""


def freeze(model: TaskModel, policy: str) -> Freeze:
    """Ask the model's plugin, then the core, what trains under this policy, and mark the parameters accordingly.

    `plugin/policy` asks that plugin alone, whatever checkpoint the model is of. Raises UsageError for a policy that is
    unknown, does not fit this backbone or leaves nothing to train.
    """
    plugin = split_plugin_name("freeze policy", policy)[0] if names_plugin(policy) else model.checkpoint.plugin
    if "freeze" in plugins.import_plugin(plugin).hooks:
        answer, wrong = _ask_twice(model, policy)
    else:
        answer, wrong = _plugin_or_core(model, policy), ""
    if wrong := _freeze_problem(model, answer) or wrong:
        raise HookError(
            f"Freeze policy {policy!r} of {describe_plugin(plugin)} cannot be used: {wrong}",
            hint="Report it to the plugin's author, or choose another freeze policy.",
        )
    answer = _of_frozensets(answer)
    _check_not_empty(model, policy, answer)
    set_trainable(model, answer)
    return answer


def _ask_twice(model: TaskModel, policy: str) -> tuple[Freeze, str]:
    """What a plugin's hook answers, and what is wrong: it may add adapters, must change no tensor, and answer the same
    when it is asked again."""
    before = {name: each for name, each in named_tensors(model).items() if not each.is_meta}
    digests = tensor_digests(before)
    answer = _plugin_or_core(model, policy)
    with keep_generators():
        again = _plugin_or_core(model, policy)
    kept = {id(each) for each in named_tensors(model).values()}
    if lost := [name for name, each in before.items() if id(each) not in kept]:
        return answer, f"it removes {lost[0]!r} from the model; only adapters may be added."
    after = tensor_digests(before)
    if changed := [name for name, digest in digests.items() if after[name] != digest]:
        return answer, f"it changes {changed[0]!r}; only adapters may be added."
    if answer != again:
        return answer, f"it answers differently when it is asked again{_difference(answer, again)}."
    return answer, ""


def _difference(answer: Freeze, again: Freeze) -> str:
    for field in ("trainable", "eval_modules", "eval_containers"):
        one, other = getattr(answer, field), getattr(again, field)
        if one != other and isinstance(one, frozenset | set) and isinstance(other, frozenset | set):
            return f": `{field}` has {min(map(str, one ^ other))!r} only once"
    return ""


def _freeze_problem(model: TaskModel, answer: Freeze) -> str:
    """The first thing wrong with what a hook returned: names that are not a set, or not in the model."""
    modules = {name for name, _ in model.named_modules()}
    known = {
        "trainable": {name for name, _ in model.named_parameters()},
        "eval_modules": modules,
        "eval_containers": modules,
    }
    for field, names in known.items():
        given = getattr(answer, field)
        if not isinstance(given, frozenset | set):
            return f"`{field}` is a {type(given).__name__}, not a frozenset of names."
        if strange := sorted(map(str, given - names)):
            return f"`{field}` has {strange[0]!r}, which the model does not have."
    return ""


def _of_frozensets(answer: Freeze) -> Freeze:
    """The same where a hook answered with sets, which cannot be hashed."""
    return Freeze(*map(frozenset, (answer.trainable, answer.eval_modules, answer.eval_containers)))


def _plugin_or_core(model: TaskModel, policy: str) -> Freeze:
    if not names_plugin(policy):
        return plugins.call("freeze", model.checkpoint.plugin, Freeze, default=core_freeze, model=model, policy=policy)
    plugin, name = split_plugin_name("freeze policy", policy)

    def unknown(**given: Any) -> Freeze:
        raise UsageError(
            f"P{describe_plugin(plugin)[1:]} has no freeze policy {name!r}.",
            hint=f"Its documentation names those it has; the core's: {FREEZE_POLICIES}.",
            parameter="freeze",
        )

    return plugins.call("freeze", plugin, Freeze, default=unknown, model=model, policy=name)


def set_trainable(model: TaskModel, frozen: Freeze) -> None:
    """Set `requires_grad` to True for what trains and to False elsewhere."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in frozen.trainable)


def train_mode(model: TaskModel, frozen: Freeze) -> None:
    """Put the model in train mode but for the modules that stay frozen: their BatchNorm statistics must not move."""
    model.train()
    for name in frozen.eval_modules:
        model.get_submodule(name).eval()
    for name in frozen.eval_containers:
        model.get_submodule(name).training = False


def core_freeze(model: TaskModel, policy: str) -> Freeze:
    """Policies `all`, `none`, `until:<stage>` (up to and including it), `last:<n>` (n stages train), `norm`, `lora`.

    `lora:<rank>` gives the backbone adapters, of alpha 2 * rank or as in `lora:<rank>:<alpha>`; they train. The head
    always trains. Raises UsageError for another policy, for an unknown stage (naming those there are), for `norm`
    without norms, for a rank that fits no layer, and for anything but `lora` where the backbone has adapters.
    """
    kind, _, argument = policy.partition(":")
    if kind == "lora":
        return _train_adapters(model, argument)
    if (present := lora.adapter_size(model)) is not None:
        raise UsageError(
            f"Freeze policy {policy!r} does not work on a backbone with LoRA adapters (rank {present[0]}).",
            hint="Merge them first: tlzoo.models.lora.merge(model)",
            parameter="freeze",
        )
    if policy == "norm":
        return _train_norms(model)
    return _train_stages(model, training_stages(model, policy))


def training_stages(model: TaskModel, policy: str) -> list[Stage]:
    """The stages that train under `all`, `none`, `until:<stage>` or `last:<n>`, from input to output."""
    stages = {stage.name: stage for stage in model.parts.stages}
    return [stages[name] for name in stage_names(policy, list(stages))]


def unfreeze_plan(model: TaskModel, policy: str, every: int, epochs: int) -> list[Freeze]:
    """Gradual unfreezing (Howard & Ruder 2018, arXiv 1801.06146): what trains in each epoch.

    It starts with the head and adds one stage, from the output side, every `every` epochs, as far as `policy` allows.
    Raises UsageError for a policy other than `none`, `until:<stage>` and `last:<n>`, and for counts below 1.
    """
    check_stage_policy(policy)
    if every < 1 or epochs < 1:
        raise UsageError(
            f"`unfreeze_every` and `epochs` must be at least 1, not {every} and {epochs}.",
            hint="Try `unfreeze_every=1`.",
            parameter="unfreeze_every",
        )
    stages = training_stages(model, policy)
    counts = [min(epoch // every, len(stages)) for epoch in range(epochs)]
    plans = {count: _train_stages(model, stages[len(stages) - count :]) for count in sorted(set(counts))}
    _check_not_empty(model, policy, plans[0])
    return [plans[count] for count in counts]


def _check_not_empty(model: TaskModel, policy: str, answer: Freeze) -> None:
    if not answer.trainable:
        with_parameters = any(True for _ in model.head.parameters())
        way_out = (
            "`freeze='all'` (trains the head)" if with_parameters else "`freeze='none'` (this head has no parameters)"
        )
        whose = f" of {describe_plugin(policy.partition('/')[0])}" if names_plugin(policy) else ""
        raise UsageError(
            f"Freeze policy {policy!r}{whose} leaves nothing to train.", hint=f"Try {way_out}.", parameter="freeze"
        )


def _head_names(model: TaskModel) -> Iterator[str]:
    return (f"head.{name}" for name, _ in model.head.named_parameters())


def _train_stages(model: TaskModel, training: list[Stage]) -> Freeze:
    backbone = [name for name, _ in model.backbone.named_parameters() if any(s.owns(name) for s in training)]
    trainable = frozenset([f"backbone.{name}" for name in backbone]) | frozenset(_head_names(model))
    return _freeze_rest(model, trainable)


def _train_norms(model: TaskModel) -> Freeze:
    norms = {name for name, module in model.backbone.named_modules() if is_normalisation(module)}
    backbone = [name for name, _ in model.backbone.named_parameters() if name.rpartition(".")[0] in norms]
    if not backbone:
        raise UsageError(
            f"The backbone of {model.checkpoint.id} has no normalisation layers, so only the head would train.",
            hint="Try `freeze='all'` (trains the head).",
            parameter="freeze",
        )
    trainable = frozenset([f"backbone.{name}" for name in backbone]) | frozenset(_head_names(model))
    return _freeze_rest(model, trainable)


def is_normalisation(module: nn.Module) -> bool:
    """Whether the module normalises: torch's own layers, and those that timm and transformers name so."""
    return isinstance(module, NORMALISATION) or bool(NORMALISATION_BY_NAME.search(type(module).__name__))


def _train_adapters(model: TaskModel, argument: str) -> Freeze:
    lora.inject(model, *parse_lora_size(argument))
    trainable = lora.adapter_names(model) | frozenset(_head_names(model))
    return _freeze_rest(model, trainable)


def _freeze_rest(model: TaskModel, trainable: frozenset[str]) -> Freeze:
    containers = _containers(model, trainable)
    return Freeze(trainable, _eval_modules(model, trainable, containers), containers)


def _containers(model: TaskModel, trainable: frozenset[str]) -> frozenset[str]:
    """Modules of the backbone around both trainable parameters and a stage that is frozen as a whole.

    Their own noise, such as the dropout before an encoder's first layer, would reach frozen layers.
    """
    names = [name for name, _ in model.backbone.named_parameters()]
    trains = {name for name in names if f"backbone.{name}" in trainable}
    stages = [{name for name in names if stage.owns(name)} for stage in model.parts.stages]
    frozen = set().union(*(inside for inside in stages if inside.isdisjoint(trains)))
    found = set()
    for path, _ in model.backbone.named_modules():
        inside = {name for name in names if name.startswith(f"{path}.") or not path}
        if not inside.isdisjoint(trains) and not inside.isdisjoint(frozen):
            found.add(f"backbone.{path}".removesuffix("."))
    return frozenset(found)


def _eval_modules(model: TaskModel, trainable: frozenset[str], containers: frozenset[str]) -> frozenset[str]:
    """Modules of the backbone that stay in eval mode: those with parameters none of which trains, and all inside.

    A module without parameters follows the one around it (dropout), or where it has buffers its stage: a BatchNorm
    without parameters moves only in a stage that trains as a whole.
    """
    names = [name for name, _ in model.backbone.named_parameters()]
    if {f"backbone.{name}" for name in names} <= trainable:
        return frozenset()
    owned = [(stage, [f"backbone.{name}" for name in names if stage.owns(name)]) for stage in model.parts.stages]
    live = [stage for stage, inside in owned if inside and trainable.issuperset(inside)]
    training = {".".join(parts[:depth]) for parts in map(_parts, trainable) for depth in range(1, len(parts))}
    still: set[str] = set()
    for name, module in model.backbone.named_modules(prefix="backbone"):
        buffers = [f"{name}.{buffer}".removeprefix("backbone.") for buffer, _ in module.named_buffers()]
        if any(True for _ in module.parameters()):
            trains = name in training
        elif buffers:
            trains = any(stage.owns(buffer) for stage in live for buffer in buffers)
        else:
            trains = name.rpartition(".")[0] not in still | containers
        if not trains:
            still.add(name)
    return frozenset(still)


def _parts(name: str) -> list[str]:
    return name.split(".")

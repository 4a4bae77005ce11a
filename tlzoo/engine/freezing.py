"""What trains and what stays: the core's freeze policies, and keeping the promise while training."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from tlzoo import plugins
from tlzoo.engine.model import Model
from tlzoo.errors import UsageError
from tlzoo.parts import Freeze, Stage

NORMALISATION = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.LocalResponseNorm,
)


def freeze(model: Model, policy: str) -> Freeze:
    """Ask the model's plugin, then the core, what trains under this policy, and mark the parameters accordingly."""
    answer = plugins.call("freeze", model.checkpoint.plugin, Freeze, default=core_freeze, model=model, policy=policy)
    names = {name for name, _ in model.named_parameters()}
    if strange := sorted(answer.trainable - names):
        raise UsageError(f"Freeze policy {policy!r} names parameters that the model lacks: {strange[0]}.")
    if not answer.trainable:
        raise UsageError(
            f"Freeze policy {policy!r} leaves nothing to train.", hint="Try --freeze all (trains the head)."
        )
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in answer.trainable)
    return answer


def train_mode(model: Model, frozen: Freeze) -> None:
    """Put the model in train mode but for the modules that stay frozen: their BatchNorm statistics must not move."""
    model.train()
    for name in frozen.eval_modules:
        model.get_submodule(name).eval()


def core_freeze(model: Model, policy: str) -> Freeze:
    """Policies `all`, `none`, `until:<stage>` (up to and including it), `last:<n>` (n stages train), `norm`.

    The head always trains. Raises UsageError for another policy or an unknown stage, naming those there are.
    """
    stages = list(model.parts.stages)
    kind, _, argument = policy.partition(":")
    if policy == "all":
        return _stages_train(model, [])
    if policy == "none":
        return _stages_train(model, stages)
    if kind == "until" and argument:
        return _stages_train(model, stages[_position(stages, argument) + 1 :])
    if kind == "last" and argument.isdecimal():
        return _stages_train(model, stages[max(0, len(stages) - int(argument)) :])
    if policy == "norm":
        return _norms_train(model)
    raise UsageError(f"Unknown freeze policy {policy!r}.", hint="Policies: all, none, until:<stage>, last:<n>, norm.")


def _position(stages: list[Stage], name: str) -> int:
    names = [stage.name for stage in stages]
    if name not in names:
        raise UsageError(f"No stage {name!r} in this backbone.", hint=f"Stages: {', '.join(names)}")
    return names.index(name)


def _head_names(model: Model) -> Iterator[str]:
    return (f"head.{name}" for name, _ in model.head.named_parameters())


def _stages_train(model: Model, training: list[Stage]) -> Freeze:
    backbone = [name for name, _ in model.backbone.named_parameters() if any(s.owns(name) for s in training)]
    trainable = frozenset([f"backbone.{name}" for name in backbone]) | frozenset(_head_names(model))
    return Freeze(trainable, _modules_without(model, trainable))


def _norms_train(model: Model) -> Freeze:
    norms = [name for name, module in model.backbone.named_modules() if isinstance(module, NORMALISATION)]
    backbone = [
        name for name, _ in model.backbone.named_parameters() if any(name.rpartition(".")[0] == norm for norm in norms)
    ]
    trainable = frozenset([f"backbone.{name}" for name in backbone]) | frozenset(_head_names(model))
    return Freeze(trainable, _modules_without(model, trainable))


def _modules_without(model: Model, trainable: frozenset[str]) -> frozenset[str]:
    """Modules of the backbone that stay in eval mode: those with parameters none of which trains, and all inside.

    A module without parameters follows the one around it (dropout), or its stage where it has buffers (BatchNorm).
    """
    everything = {f"backbone.{name}" for name, _ in model.backbone.named_parameters()}
    if everything <= trainable:
        return frozenset()
    live = [stage for stage in model.parts.stages if any(stage.owns(t.removeprefix("backbone.")) for t in trainable)]
    still: set[str] = set()
    for name, module in model.backbone.named_modules(prefix="backbone"):
        buffers = [f"{name}.{buffer}".removeprefix("backbone.") for buffer, _ in module.named_buffers()]
        if any(True for _ in module.parameters()):
            trains = any(t.startswith(name + ".") for t in trainable)
        elif buffers:
            trains = any(stage.owns(buffer) for stage in live for buffer in buffers)
        else:
            trains = name.rpartition(".")[0] not in still
        if not trains:
            still.add(name)
    return frozenset(still)

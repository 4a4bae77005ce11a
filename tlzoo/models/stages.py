"""The stages of a backbone with their sizes, as in the registry and `tlzoo models show`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from tlzoo.interfaces import Stage, Weights
from tlzoo.models.model import load_backbone
from tlzoo.registry.schema import Checkpoint, StageRecord

_RANDOM_INIT = {torch.Tensor.normal_, torch.Tensor.uniform_, torch.Tensor.erfinv_}


class _SkipRandomInit(TorchFunctionMode):
    """Skips random initialisation: only the sizes of parameters are needed."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return args[0] if func in _RANDOM_INIT else func(*args, **(kwargs or {}))


def count_stages(module: nn.Module, stages: Sequence[Stage]) -> tuple[StageRecord, ...]:
    """Each stage with its number of the module's parameters; one that is shared counts once, where it is first.

    They sum to the number of parameters of the module.
    """
    counts = {stage.name: 0 for stage in stages}
    for name, parameter in module.named_parameters():
        counts[next(stage.name for stage in stages if stage.owns(name))] += parameter.numel()
    return tuple(StageRecord(name=name, parameters=count) for name, count in counts.items())


def checkpoint_stages(checkpoint: Checkpoint, weights: Weights | None = None) -> tuple[StageRecord, ...]:
    """The stages of a checkpoint's backbone as its plugin builds it, with its weights or from the entry alone.

    Raises PluginError where the plugin is not installed or broken, RegistryError where the entry cannot be built.
    """
    with nullcontext() if weights is not None else _SkipRandomInit():
        backbone = load_backbone(checkpoint, weights)
    return count_stages(backbone.module, backbone.stages)

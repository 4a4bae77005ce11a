"""Low-rank adapters (LoRA, Hu et al. 2021, arXiv 2106.09685) by peft: put into a backbone, named, merged back.

A layer of weight W computes W x + (alpha / rank) B A x, where A has `rank` rows and B starts at zero.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from tlzoo.errors import UsageError

if TYPE_CHECKING:
    from tlzoo.models.model import TaskModel

ADAPTER = "default"
"""peft's name for the one adapter that a model has."""


def inject(model: TaskModel, rank: int, alpha: float | None = None) -> None:
    """Give the backbone's layers adapters of this rank, drawn from torch's seeded generator; once given, do nothing.

    Adapted are the linear layers and ungrouped two-dimensional convolutions that a forward pass calls and whose smaller
    dimension is at least `rank`; an adapter on a narrower layer would be larger than the layer. `alpha` is 2 * rank
    where it is not given. Raises UsageError where the model has other adapters and where no layer can take one.
    """
    alpha = 2.0 * rank if alpha is None else alpha
    if (present := adapter_size(model)) is not None:
        if present != (rank, alpha):
            raise UsageError(
                f"This model has LoRA adapters of rank {present[0]} and alpha {present[1]:g}, which cannot become "
                f"rank {rank} and alpha {alpha:g}.",
                hint=f"Use lora:{present[0]}:{present[1]:g}, or start again from the checkpoint.",
                parameter="freeze",
            )
        return
    places = _target_layers(model, rank)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft corrects its setting for GPT-2's layers, and says so each time
        from peft import LoraConfig, inject_adapter_in_model

        # one pattern: as a list, peft would take each name for an ending too
        pattern = "|".join(re.escape(name) for name in places)
        config = LoraConfig(r=rank, lora_alpha=cast(int, alpha), lora_dropout=0.0, bias="none", target_modules=pattern)
        inject_adapter_in_model(config, model.backbone, ADAPTER)
    del model.backbone.peft_config


def adapter_size(model: TaskModel) -> tuple[int, float] | None:
    """Rank and alpha of the model's adapters; `None` where it has none."""
    for _, layer in _adapted(model):
        return int(layer.r[ADAPTER]), float(layer.lora_alpha[ADAPTER])
    return None


def adapter_names(model: TaskModel) -> frozenset[str]:
    """The names of the adapters' parameters, as in `model.named_parameters()`."""
    return frozenset(
        f"backbone.{path}.{part}.{ADAPTER}.weight" for path, _ in _adapted(model) for part in ("lora_A", "lora_B")
    )


def merge(model: TaskModel) -> None:
    """Add the adapters to the weights in place and put the plain layers back, under the names they had before."""
    for path, layer in list(_adapted(model)):
        layer.merge()
        parent, _, name = path.rpartition(".")
        setattr(model.backbone.get_submodule(parent), name, layer.get_base_layer())


def _adapted(model: TaskModel) -> Iterator[tuple[str, Any]]:
    """The adapted layers by their names in the backbone; found without peft, whose import takes seconds."""
    for path, module in model.backbone.named_modules():
        if isinstance(getattr(module, "lora_A", None), nn.ModuleDict):
            yield path, module


def _target_layers(model: TaskModel, rank: int) -> list[str]:
    """The names in the backbone of the layers that can take adapters of this rank; raises UsageError for none."""
    called = _called_layers(model, _layers(model.backbone))
    if not called:
        raise UsageError(
            f"The backbone of {model.checkpoint.id} has no layer that supports LoRA adapters.",
            hint="Use `strategy='finetune'` with `freeze='last:1'`, or `freeze='all'` (trains the head).",
            parameter="freeze",
        )
    wide = [path for path, layer in called.items() if _width(layer) >= rank]
    if not wide:
        widest = max(_width(layer) for layer in called.values())
        raise UsageError(
            f"Rank {rank} is larger than every layer of {model.checkpoint.id}.",
            hint=f"Try `freeze='lora:{min(8, widest)}'`; the largest is lora:{widest}.",
            parameter="freeze",
        )
    return wide


def _layers(backbone: nn.Module) -> dict[str, nn.Module]:
    """The layers of exactly the kinds for which peft's arithmetic holds, whose weight is theirs alone.

    A subclass may compute something else (timm's Conv2dSame pads by itself, its StdConv2d standardises the weight).
    """
    weights = Counter(id(p) for module in backbone.modules() for p in module.parameters(recurse=False))
    paths = Counter(id(module) for _, module in backbone.named_modules(remove_duplicate=False))
    inside_attention = {
        id(part) for m in backbone.modules() if isinstance(m, nn.MultiheadAttention) for part in m.modules()
    }
    return {
        path: module
        for path, module in backbone.named_modules()
        if path
        and _is_supported(module)
        and weights[id(module.weight)] == paths[id(module)] == 1
        and id(module) not in inside_attention
    }


def _is_supported(module: nn.Module) -> bool:
    if is_parametrized(module) or "weight" not in module._parameters:
        return False
    if type(module) is nn.Conv2d:
        # peft's adapter has neither dilation nor another padding than zeros
        return module.groups == 1 and module.padding_mode == "zeros" and set(module.dilation) == {1}
    return type(module) is nn.Linear or _is_conv1d(module)


def _is_conv1d(module: nn.Module) -> bool:
    kind = type(module)
    return kind.__name__ == "Conv1D" and kind.__module__ == "transformers.pytorch_utils"


def _width(layer: nn.Module) -> int:
    """The largest rank that the layer's weight can have."""
    weight = cast(torch.Tensor, layer.weight)
    return min(weight.shape[0], weight[0].numel())


def _called_layers(model: TaskModel, layers: dict[str, nn.Module]) -> dict[str, nn.Module]:
    """Those of the layers that a forward pass calls: WavLM's attention reads weights past their layers."""
    seen: set[int] = set()
    hooks = [layer.register_forward_hook(lambda module, *_: seen.add(id(module))) for layer in layers.values()]
    modes = {module: module.training for module in model.backbone.modules()}
    device = next(model.backbone.parameters(), torch.empty(0)).device
    try:
        with torch.no_grad():
            model.backbone.eval()(*(example.to(device) for example in model.parts.example_inputs.values()))
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes.items():
            module.training = training
    return {path: layer for path, layer in layers.items() if id(layer) in seen}

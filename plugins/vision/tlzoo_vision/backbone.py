"""Build a checkpoint's backbone, or its whole classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import timm
import torch
from timm.models import is_model
from torch import nn

from tlzoo.errors import PluginError
from tlzoo.plugin import Backbone, Checkpoint, ImageSpec, Stage, count_stages, meta_device
from tlzoo_vision.network import TimmNetwork
from tlzoo_vision.stages import stages
from tlzoo_vision.weights import ORDERED, in_order, load_state, read_state

if TYPE_CHECKING:
    from tlzoo.plugin import FeatureKind, Weights

_WEIGHT_ARGUMENTS = {"pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir"}
"""Arguments of `timm.create_model` that would read files of this machine."""


def build(checkpoint: Checkpoint, weights: Weights | None, output: FeatureKind) -> Backbone:
    """The backbone in eval mode: `vector` [N, D] or `map` [N, C, H, W]; random where `weights` is `None`.

    Raises PluginError for an architecture that timm does not have, an output that is neither, weights that do not fit
    (naming the first tensor) and a `feature_dim` that is not the model's.
    """
    check_output(output)
    spec = image_spec(checkpoint)
    net = _network(checkpoint, weights, headless=True)
    module = TimmNetwork(net, spec.mean, spec.std, output).eval()
    return backbone_of(checkpoint, module, stages(module, net, "net"), output)


def check_output(output: FeatureKind) -> None:
    """Raise PluginError for an output that no vision backbone has."""
    if not isinstance(output, str) or output not in ("vector", "map"):
        raise PluginError(f"Vision backbones have no output {output!r}.", hint="Outputs: map, vector")


def backbone_of(checkpoint: Checkpoint, module: nn.Module, parts: tuple[Stage, ...], output: FeatureKind) -> Backbone:
    """The backbone around `module`; raises PluginError where its width is not the entry's `feature_dim`."""
    spec = image_spec(checkpoint)
    images = torch.randint(0, 256, (2, *spec.size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        feature_dim = module(images).shape[1]
    if output == "vector" and feature_dim != checkpoint.feature_dim:
        raise PluginError(
            f"Entry {checkpoint.id!r} says feature_dim {checkpoint.feature_dim}, but its model has {feature_dim}.",
            hint="Correct the registry entry.",
        )
    return Backbone(
        module=module,
        feature_dim=feature_dim,
        stages=parts,
        example_inputs={"image": images},
        dynamic_axes={"image": {0: "batch"}},
        output=output,
        preprocess=spec,
    )


def describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """What a registry entry says of the network beside its name: `parameters`, `feature_dim` and `stages`.

    Under `torch.device("meta")` this takes no memory for the weights.
    """
    spec = image_spec(checkpoint)
    net = _network(checkpoint, None, headless=True)
    module = TimmNetwork(net, spec.mean, spec.std, "vector").eval()
    with torch.no_grad():
        feature_dim = module(torch.empty(2, *spec.size, 3, dtype=torch.uint8)).shape[1]
    return {"feature_dim": feature_dim, **count(module, stages(module, net, "net"))}


def count(module: nn.Module, parts: Sequence[Stage]) -> dict[str, Any]:
    """`parameters` of the module, and of each stage as the registry holds them."""
    records = count_stages(module, parts)
    return {"parameters": sum(record.parameters for record in records), "stages": records}


def load_classifier(checkpoint: Checkpoint, weights: Weights | None) -> nn.Module:
    """The model with the classifier it was pretrained with, in eval mode: uint8 [N, H, W, 3] to logits [N, classes]."""
    spec = image_spec(checkpoint)
    return TimmNetwork(_network(checkpoint, weights, headless=False), spec.mean, spec.std, "logits").eval()


def image_spec(checkpoint: Checkpoint) -> ImageSpec:
    """The entry's preprocessing; raises PluginError where it is not of pictures."""
    if not isinstance(checkpoint.preprocess, ImageSpec):
        raise PluginError(
            f"Entry {checkpoint.id!r} has preprocessing of kind {checkpoint.preprocess.kind!r}; vision needs 'image'.",
            hint="Correct the registry entry.",
        )
    return checkpoint.preprocess


def _network(checkpoint: Checkpoint, weights: Weights | None, *, headless: bool) -> nn.Module:
    if not is_model(checkpoint.architecture):
        raise PluginError(
            f"timm {timm.__version__} has no architecture {checkpoint.architecture!r} for {checkpoint.id!r}.",
            hint="Upgrade it: pip install --upgrade timm",
        )
    net = _create(checkpoint, headless=headless)
    if weights is not None:
        state = read_state(checkpoint, weights)
        if ORDERED in checkpoint.tags:
            state = in_order(checkpoint, state, (_create(checkpoint, headless=False) if headless else net).state_dict())
        load_state(checkpoint, net, state, _whole_names(checkpoint) if headless else frozenset())
    return net


def _whole_names(checkpoint: Checkpoint) -> frozenset[str]:
    """The tensors of the network with its head; what they have beyond those without it is the head's."""
    with meta_device():
        return frozenset(_create(checkpoint, headless=False).state_dict())


def _create(checkpoint: Checkpoint, *, headless: bool) -> nn.Module:
    if _WEIGHT_ARGUMENTS & checkpoint.config.keys():
        raise PluginError(
            f"The configuration of {checkpoint.id!r} has arguments that load weights: "
            f"{', '.join(sorted(_WEIGHT_ARGUMENTS & checkpoint.config.keys()))}.",
            hint="Choose another checkpoint; an entry names its weights in `source`.",
        )
    options = {**checkpoint.config, **({"num_classes": 0} if headless else {})}
    return timm.create_model(checkpoint.architecture, pretrained=False, **options)

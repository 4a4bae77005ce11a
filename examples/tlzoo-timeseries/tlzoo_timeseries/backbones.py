"""From a checkpoint and its local files to a backbone: build the network, load the weights strictly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from tlzoo.errors import RegistryError, SourceError, UsageError
from tlzoo.plugin import Backbone, Checkpoint, PluginSpec, Stage, Weights
from torch import nn

from tlzoo_timeseries.fracast import FRACAST_STAGES, WIDTH, WINDOW, Fracast, renamed
from tlzoo_timeseries.kernels import DILATIONS, PARTS
from tlzoo_timeseries.rocket import Rocket, chosen_channels, rocket_stages
from tlzoo_timeseries.series import Shape

Parts = tuple[nn.Module, int, tuple[Stage, ...]]


def build(checkpoint: Checkpoint, spec: PluginSpec, weights: Weights | None) -> Backbone:
    """The backbone of a checkpoint of this plugin, with random weights where `weights` is `None`."""
    shape = Shape.of(spec.options)
    parts = _fracast if checkpoint.architecture == "fracast" else _rocket
    module, feature_dim, stages = parts(checkpoint, shape, weights)
    if feature_dim != checkpoint.feature_dim:
        raise RegistryError(
            f"Entry {checkpoint.id!r}: feature_dim is {checkpoint.feature_dim}, but its network has {feature_dim}.",
            hint="Correct `feature_dim` in the registry file.",
        )
    drawn = torch.randn(2, shape.channels, shape.length, generator=torch.Generator().manual_seed(0))
    return Backbone(
        module=module.eval(),
        feature_dim=feature_dim,
        stages=stages,
        example_inputs={"series": drawn.cumsum(dim=2)},
        dynamic_axes={"series": {0: "batch"}},
        output="vector",
        preprocess=spec,
    )


def _fracast(checkpoint: Checkpoint, shape: Shape, weights: Weights | None) -> Parts:
    if shape.length > WINDOW:
        raise UsageError(
            f"{checkpoint.id!r} takes at most {WINDOW} steps, not {shape.length}.", hint="--preprocess length=256"
        )
    module = Fracast(shape.length)
    if weights is not None:
        _load(module, renamed(_tensors(checkpoint, weights)), checkpoint)
    return module, 2 * WIDTH, FRACAST_STAGES


def _rocket(checkpoint: Checkpoint, shape: Shape, weights: Weights | None) -> Parts:
    count = checkpoint.config.get("kernels")
    if not isinstance(count, int) or count < 1 or count % len(DILATIONS):
        raise RegistryError(
            f"Entry {checkpoint.id!r}: config.kernels is {count!r}, not a multiple of {len(DILATIONS)}.",
            hint="Correct it in the registry file.",
        )
    module = Rocket(count, shape.channels)
    if weights is not None:
        stored = _tensors(checkpoint, weights)
        each = count // len(DILATIONS)
        names = {f"{d}.{part}": f"scales.{i}.{part}" for i, d in enumerate(DILATIONS) for part in PARTS}
        state = {ours: stored[theirs][:each] for theirs, ours in names.items() if theirs in stored}
        for name in state:
            if name.endswith(".channels") and state[name].ndim == 2:
                state[name] = chosen_channels(state[name], shape.channels)
        _load(module, state, checkpoint)
    return module, 2 * count, rocket_stages()


def _tensors(checkpoint: Checkpoint, weights: Weights) -> dict[str, torch.Tensor]:
    """Every tensor of the checkpoint's one safetensors file."""
    files = [path for name, path in sorted(weights.files.items()) if name.endswith(".safetensors")]
    if len(files) != 1:
        raise SourceError(f"{checkpoint.id!r} needs one .safetensors file, its source has {len(files)}.", hint=_HINT)
    try:
        return load_file(files[0])
    except (OSError, SafetensorError) as cause:
        raise SourceError(f"The weights of {checkpoint.id!r} cannot be read: {cause}.", hint=_HINT) from cause


def _load(module: nn.Module, state: Mapping[str, Any], checkpoint: Checkpoint) -> None:
    try:
        module.load_state_dict(state, strict=True)
    except RuntimeError as cause:
        first = " ".join(str(cause).split("\n")[:2]).strip()
        raise SourceError(f"The weights of {checkpoint.id!r} do not fit it: {first}", hint=_HINT) from cause


_HINT = "Check `config` and `source` in the registry file, or install the plugin again."

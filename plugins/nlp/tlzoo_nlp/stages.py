"""The stages of a transformers network, read off its modules: embeddings, each layer, the final norm."""

from __future__ import annotations

from torch import nn

from tlzoo.plugin import Stage

FINAL = frozenset(
    {"ln_f", "norm", "norm_f", "final_norm", "final_layer_norm", "final_layernorm", "layer_norm", "project_out"}
)
"""Modules outside the layers that come after them."""

BESIDE_FIRST_LAYER = frozenset({"conv"})
"""DeBERTa-v2's convolution, whose output joins the first layer's."""


def stages_of(network: nn.Module, prefix: str) -> tuple[Stage, ...]:
    """Stages from input to output, their prefixes starting with `prefix`; each parameter is in exactly one.

    What is shared by all layers, such as a table of relative positions, belongs to the embeddings: its gradient
    needs every layer. ALBERT's layers share their parameters, so that it has one layer per group.
    """
    path, layers = next((name, m) for name, m in network.named_modules() if isinstance(m, nn.ModuleList))
    groups: dict[str, list[str]] = {"embeddings": [], **{f"layer.{i}": [f"{path}.{i}"] for i in range(len(layers))}}
    after: list[str] = []
    for name in _outside(network, path):
        own_name = name.rpartition(".")[2]
        if own_name in FINAL:
            after.append(name)
        else:
            groups["layer.0" if own_name in BESIDE_FIRST_LAYER else "embeddings"].append(name)
    if after:
        groups["final"] = after
    return tuple(Stage(name, tuple(f"{prefix}.{p}" for p in prefixes)) for name, prefixes in groups.items())


def _outside(network: nn.Module, layers: str, prefix: str = "") -> list[str]:
    """Names of the modules and direct parameters around the module list `layers` that hold parameters."""
    names = [prefix + name for name, _ in network.named_parameters(recurse=False)]
    for child_name, child in network.named_children():
        name = prefix + child_name
        if layers.startswith(name + "."):
            names += _outside(child, layers, name + ".")
        elif name != layers and any(True for _ in child.parameters()):
            names.append(name)
    return names

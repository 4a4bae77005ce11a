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
    lists, depth = _layer_lists(network)
    layers = {f"layer.{i}": [f"{path}.{i}" for path in lists] for i in range(depth)}
    groups: dict[str, list[str]] = {"embeddings": [], **layers}
    after: list[str] = []
    for name in _outside(network, lists):
        own_name = name.rpartition(".")[2]
        if own_name in FINAL:
            after.append(name)
        else:
            groups["layer.0" if own_name in BESIDE_FIRST_LAYER else "embeddings"].append(name)
    if after:
        groups["final"] = after
    return tuple(Stage(name, tuple(f"{prefix}.{p}" for p in prefixes)) for name, prefixes in groups.items())


def _layer_lists(network: nn.Module) -> tuple[list[str], int]:
    """The first list of modules with parts, those of its length beside it (XLM has four), and that length.

    A list of tables belongs to the embeddings (MarkupLM's, of the places in a page).
    """
    every = {name: part for name, part in network.named_modules() if isinstance(part, nn.ModuleList)}
    outer = [name for name in every if not any(name.startswith(f"{other}.") for other in every)]
    path = next(name for name in outer if any(True for part in every[name] for _ in part.children()))
    parent, depth = path.rpartition(".")[0], len(every[path])
    return [name for name in outer if name.rpartition(".")[0] == parent and len(every[name]) == depth], depth


def _outside(network: nn.Module, lists: list[str], prefix: str = "") -> list[str]:
    """Names of the modules and direct parameters around these lists of modules that hold parameters."""
    names = [prefix + name for name, _ in network.named_parameters(recurse=False)]
    for child_name, child in network.named_children():
        name = prefix + child_name
        if any(path.startswith(name + ".") for path in lists):
            names += _outside(child, lists, name + ".")
        elif name not in lists and any(True for _ in child.parameters()):
            names.append(name)
    return names

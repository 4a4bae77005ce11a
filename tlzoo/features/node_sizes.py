"""What the nodes of a traced graph cost: bytes to keep, multiplications to compute."""

from __future__ import annotations

import math
import operator
from typing import Any

import torch
from torch import fx, nn

aten = torch.ops.aten


def weights_of(node: fx.Node) -> list[str]:
    """The names of the tensors of the model that this node computes with, be it with views of them."""
    bases = [_base(given) for given in node.all_input_nodes]
    return [str(base.target) for base in bases if base.op == "get_attr"]


def _base(node: fx.Node) -> fx.Node:
    while _is_view(node):
        node = node.all_input_nodes[0]
    return node


def _is_view(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    if node.op != "call_function" or schema is None or schema.is_mutable or not node.all_input_nodes:
        return False
    return any(made.alias_info is not None for made in schema.returns)


def bytes_per_sample(node: fx.Node) -> int:
    """Bytes of one sample, taking every free size as that of the example."""
    value = node.meta["val"]
    return int(max(1, math.prod(_example_size(size) for size in value.shape[1:]) * value.dtype.itemsize))


def _example_size(size: Any) -> int:
    """A free size as that of the example; one that depends on what the inputs hold (an expert's tokens) as 1."""
    return size if isinstance(size, int) else int(size.node.hint or 1)


def multiplications(node: fx.Node, traced: fx.GraphModule) -> int:
    """Multiplications of weights with activations in this node, about, for the example's sizes."""
    value = node.meta.get("val")
    value = value[0] if isinstance(value, tuple | list) else value
    if node.op != "call_function" or not isinstance(value, torch.Tensor):
        return 0
    if node.target == aten.embedding.default or _is_view(node):
        return 0
    weights = [operator.attrgetter(name)(traced) for name in weights_of(node)]
    size = math.prod(_example_size(size) for size in value.shape)
    return sum(size * each[0].numel() for each in weights if isinstance(each, nn.Parameter) and each.ndim >= 2)

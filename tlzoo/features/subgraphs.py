"""Graphs that a traced graph calls, made part of it: what a network does under `torch.no_grad()` is traced as one."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx
from torch.multiprocessing.reductions import StorageWeakRef

aten = torch.ops.aten
_REASONS = {"wrap_with_autocast": "a part of it sets its own precision"}
MAY_RETURN_ITS_INPUT = {
    aten.contiguous.default,
    aten.dropout.default,
    aten.feature_dropout.default,
    aten.alpha_dropout.default,
    aten.type_as.default,
    aten.to.dtype,
    aten.to.device,
    aten.to.dtype_layout,
}
"""Operators whose result is their input itself where they have nothing to do."""
_WITH_GRAD = torch.ops.higher_order.wrap_with_set_grad_enabled


class NotFunctional(Exception):
    """Something whose effect on other values cannot be told from the graph."""


def inline_subgraphs(traced: fx.GraphModule) -> None:
    """Put the nodes of every graph that is called in the place of its call; without gradients where it has none.

    Raises NotFunctional for a loop, a branch or a part with a precision of its own.
    """
    for node in [node for node in traced.graph.nodes if node.target == _WITH_GRAD]:
        _inline(traced, node)
    for node in traced.graph.nodes:
        if _calls_a_graph(traced, node):
            raise NotFunctional(_REASONS.get(str(node.target), f"{node.target} calls a graph of its own"))


def _calls_a_graph(traced: fx.GraphModule, node: fx.Node) -> bool:
    if not isinstance(node.target, torch._ops.HigherOrderOperator):
        return False
    named = [given for given in node.all_input_nodes if given.op == "get_attr"]
    return any(isinstance(_part(traced, given), fx.GraphModule) for given in named)


def _part(traced: fx.GraphModule, node: fx.Node) -> Any:
    return operator.attrgetter(str(node.target))(traced)


def _inline(traced: fx.GraphModule, call: fx.Node) -> None:
    enabled, called, *given = call.args
    assert isinstance(called, fx.Node)
    inner = _part(traced, called).graph
    made: dict[fx.Node, Any] = dict(zip(inner.find_nodes(op="placeholder"), given, strict=True))
    results: list[Any] = []
    with traced.graph.inserting_before(call):
        for node in inner.nodes:
            if node.op == "output":
                results = [
                    made[each] if enabled or _is_given(each) else _detached(traced.graph, made[each])
                    for each in node.args[0]
                ]
            elif node not in made:
                made[node] = traced.graph.node_copy(node, lambda before: made[before])
                if node.op in ("get_attr", "call_module"):
                    made[node].target = f"{called.target}.{node.target}"
    for user in list(call.users):
        assert user.target is operator.getitem
        place: Any = user.args[1]
        user.replace_all_uses_with(results[place])
        traced.graph.erase_node(user)
    traced.graph.erase_node(call)
    if not called.users:
        traced.graph.erase_node(called)


def _is_given(node: fx.Node) -> bool:
    """Whether this is an input, if only returned by an operator that had nothing to do: its gradient remains."""
    while node.target in MAY_RETURN_ITS_INPUT and _same_tensor(node, node.args[0]):
        node = node.args[0]  # type: ignore[assignment]
    return node.op == "placeholder"


def _same_tensor(one: fx.Node, other: Any) -> bool:
    a, b = one.meta["val"], other.meta["val"]
    return bool(a.dtype == b.dtype and a.stride() == b.stride() and _memory(a) == _memory(b))


def _memory(value: torch.Tensor) -> StorageWeakRef:
    return StorageWeakRef(value.untyped_storage())  # type: ignore[no-untyped-call]


def _detached(graph: fx.Graph, result: Any) -> Any:
    value = result.meta.get("val") if isinstance(result, fx.Node) else None
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return result
    made = graph.call_function(aten.detach.default, (result,))
    made.meta = {"val": value}
    return made

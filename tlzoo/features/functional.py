"""In-place operators of a traced graph made functional, so that every value is what its node made.

A write reaches all views of the same memory: what is read of them afterwards is made again from the written value.
Which values share memory is known from the trace, whose fake tensors share their storage where the real ones do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import fx
from torch.multiprocessing.reductions import StorageWeakRef

from tlzoo.features.subgraphs import MAY_RETURN_ITS_INPUT, NotFunctional, inline_subgraphs

aten = torch.ops.aten

_SAME_SHAPE = {aten.alias.default, aten.detach.default, *MAY_RETURN_ITS_INPUT}
_RESHAPES = {
    aten.view.default,
    aten._unsafe_view.default,
    aten.view_as.default,
    aten.reshape.default,
    aten.reshape_as.default,
    aten.flatten.using_ints,
    aten.unflatten.int,
    aten.squeeze.default,
    aten.squeeze.dim,
    aten.squeeze.dims,
    aten.unsqueeze.default,
}
_SCATTERS: Mapping[Any, Any] = {
    aten.slice.Tensor: aten.slice_scatter.default,
    aten.select.int: aten.select_scatter.default,
    aten.diagonal.default: aten.diagonal_scatter.default,
}
_SELF_INVERSE = {aten.transpose.int, aten.t.default, aten.numpy_T.default, aten.mT.default}


def is_in_place(node: fx.Node) -> bool:
    """Whether the operator writes into its first argument."""
    schema = getattr(node.target, "_schema", None)
    return node.op == "call_function" and schema is not None and schema.name.endswith("_") and schema.is_mutable


def functionalise(traced: fx.GraphModule) -> fx.Graph:
    """Operators such as `relu_` become `relu`, and checks and calls disappear. Writes into buffers stay.

    Raises NotFunctional where a write reaches a value that cannot be made again from what was written, and for calls
    of graphs that cannot be part of this one.
    """
    inline_subgraphs(traced)
    graph = traced.graph
    for node in list(graph.nodes):
        if node.op == "call_module" or node.target == aten._assert_tensor_metadata.default:
            graph.erase_node(node)
    writes = _Writes(graph)
    for node in list(graph.nodes):
        if is_in_place(node):
            writes.functional(node)
        elif _writes_otherwise(node):
            raise NotFunctional(f"{node.target} writes into its inputs")
    return graph


def _writes_otherwise(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return node.op == "call_function" and schema is not None and schema.is_mutable


class _Writes:
    """The values of a graph by the memory they share, and the order in which they are made.

    `origin` says of a value made by a write, or made again after one, which value of the trace lies at the same place;
    `newest` is the last of those at a place.
    """

    def __init__(self, graph: fx.Graph) -> None:
        self.graph = graph
        self.order = {node: at for at, node in enumerate(graph.nodes)}
        self.origin = {node: node for node in graph.nodes}
        self.newest = dict(self.origin)
        self.sharing: dict[Any, list[fx.Node]] = {}
        for node in graph.nodes:
            for memory in _memory(node):
                self.sharing.setdefault(memory, []).append(node)

    def functional(self, write: fx.Node) -> None:
        """Replace one operator by its functional twin, and what shares its memory by what it holds afterwards."""
        given = write.args[0]
        assert isinstance(given, fx.Node)
        near = [node for memory in _memory(given) for node in self.sharing[memory] if self._before(node, write)]
        if any(node.op == "get_attr" for node in near):
            return  # a buffer: its new value is what the write is for
        self._set_twin(write)
        self.origin[write] = self.origin[given]
        after = _After(self, write, {self.origin[node] for node in near})
        for node in near:
            if any(self._before(write, user) for user in node.users):
                made = after.value(self.origin[node])
                node.replace_all_uses_with(made, lambda user: self._before(write, user))
        self.newest.update(after.known)

    def _set_twin(self, write: fx.Node) -> None:
        if write.target != aten.copy_.default:
            write.target = _twin(write.target)
            return
        into, source = write.args[:2]  # `copy` itself has no derivative
        assert isinstance(into, fx.Node)
        assert isinstance(source, fx.Node)
        if source.meta["val"].dtype != into.meta["val"].dtype:
            with self.graph.inserting_before(write):
                cast = self.graph.call_function(aten.to.dtype, (source, into.meta["val"].dtype))
            cast.meta = {"val": source.meta["val"].to(into.meta["val"].dtype)}
            self.order[cast] = self.order[write]
            source = cast
        write.target, write.args, write.kwargs = aten.expand_as.default, (source, into), {}

    def _before(self, node: fx.Node, other: fx.Node) -> bool:
        return self.order[node] < self.order[other]

    def insert(self, write: fx.Node, like: fx.Node, make: Callable[[], fx.Node]) -> fx.Node:
        """A node behind a write, at the place where `like` was."""
        last = write
        while self.order.get(last.next) == self.order[write]:
            last = last.next
        with self.graph.inserting_after(last):
            made = make()
        made.meta = {"val": like.meta["val"]}
        self.order[made], self.origin[made] = self.order[write], like
        for memory in _memory(like):
            self.sharing[memory].append(made)
        return made


class _After:
    """What the values that share a write's memory hold after it; all are named by their origins."""

    def __init__(self, writes: _Writes, write: fx.Node, near: set[fx.Node]) -> None:
        self.writes, self.write, self.near = writes, write, near
        node = writes.origin[write]
        self.known = {node: write}
        self.below: dict[fx.Node, fx.Node] = {}  # of what the written value is a view of: the view on the way to it
        while (parent := self._parent(node)) is not None:
            self.below[parent] = node
            node = parent

    def value(self, node: fx.Node) -> fx.Node:
        """The node that holds it."""
        if node not in self.known:
            self.known[node] = self._written(node) if node in self.below else self._seen_again(node)
        return self.known[node]

    def _parent(self, node: fx.Node) -> fx.Node | None:
        """What this value is a view of; `None` where its memory is its own."""
        if not node.args or not isinstance(node.args[0], fx.Node):
            return None
        parent = self.writes.origin[node.args[0]]
        return parent if parent in self.near else None

    def _written(self, base: fx.Node) -> fx.Node:
        view = self.below[base]
        new, before = self.value(view), self.writes.newest[base]
        if view.target in _SAME_SHAPE:
            return new
        graph = self.writes.graph
        if view.target in _SCATTERS:
            target, args = _SCATTERS[view.target], (before, new, *view.args[1:])
        elif view.target in _RESHAPES:
            target, args = aten.reshape_as.default, (new, before)
        elif view.target in _SELF_INVERSE:
            target, args = view.target, (new, *view.args[1:])
        elif view.target == aten.permute.default:
            axes = [axis % len(view.args[1]) for axis in view.args[1]]  # type: ignore[arg-type, operator, union-attr]
            target, args = view.target, (new, [axes.index(at) for at in range(len(axes))])
        else:
            raise NotFunctional(f"a write into a view made by {view.target}")
        return self.writes.insert(self.write, base, lambda: graph.call_function(target, args, dict(view.kwargs)))

    def _seen_again(self, node: fx.Node) -> fx.Node:
        """A view that is no part of the way to the written value, of what that way's values hold now."""
        parent = self._parent(node)
        if parent is None:
            raise NotFunctional(f"{node.format_node()} shares memory in a way the graph does not show")
        now, first = self.value(parent), node.args[0]
        return self.writes.insert(
            self.write, node, lambda: self.writes.graph.node_copy(node, lambda one: now if one is first else one)
        )


def _twin(target: Any) -> Any:
    """The operator that returns what this one writes; a draw that has none stays, its memory being its own."""
    packet = getattr(aten, target._schema.name.removeprefix("aten::").removesuffix("_"), None)
    if packet is None:
        raise NotFunctional(f"{target} has no functional form")
    return getattr(packet, target._overloadname, target)


def _memory(node: fx.Node) -> set[Any]:
    value = node.meta.get("val")
    each = value if isinstance(value, tuple | list) else (value,)
    return {StorageWeakRef(one.untyped_storage()) for one in each if isinstance(one, torch.Tensor)}  # type: ignore[no-untyped-call]

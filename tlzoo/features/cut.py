"""Where the frozen part of a model ends: the traced graph, cut into a prefix computed once and a suffix that trains.

The model is traced by `torch.export`. A node is *live* when it depends on a trainable parameter, draws random numbers
or moves statistics. Among the rest, the cut is the set of values with the fewest bytes per sample from which all live
nodes can be computed without running a frozen layer again: a minimum cut (Ford & Fulkerson 1956), the one nearest to
the output where several are least. Between the cut and the live nodes only cheap operations without weights remain
(masks, reshapes); they are computed again in every step.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from tlzoo.features.store import Layout
from tlzoo.models.model import TaskModel

aten = torch.ops.aten
MIN_SHARE = 0.2
"""A prefix with less than this share of the model's multiplications is not worth a cache."""

_TRAINING_ARGUMENTS: Mapping[Any, tuple[int, float, int | None]] = {
    # operator: position of the argument that training sets, its value in evaluation, position of its noise's share
    aten.dropout.default: (2, False, 1),
    aten.feature_dropout.default: (2, False, 1),
    aten.batch_norm.default: (5, False, None),
    aten.scaled_dot_product_attention.default: (4, 0.0, None),
    aten.lstm.input: (6, False, 5),
    aten.gru.input: (6, False, 5),
}
_STOCHASTIC_DEPTH = aten.bernoulli_.float
"""Draws 0 or 1 with a probability by which the result is divided next: in evaluation, the probability itself."""

_PRODUCTS = {
    aten.matmul.default,
    aten.bmm.default,
    aten.mm.default,
    aten.einsum.default,
    aten.scaled_dot_product_attention.default,
}


@dataclass(frozen=True)
class Cut:
    """`prefix(*inputs)` gives the cut's values, which `train(*values)` and `evaluate(*values)` make the outputs of.

    `layouts` says what one sample's values are, in order; `share` is the prefix's part of the model's multiplications.
    All three hold the model's own parameters.
    """

    prefix: fx.GraphModule
    train: fx.GraphModule
    evaluate: fx.GraphModule
    layouts: tuple[Layout, ...]
    share: float


def find_cut(model: TaskModel) -> Cut | None:
    """The cut of a model whose frozen parameters need no gradient and whose modules are in the mode they train in.

    `None` where there is none worth having: too little is frozen before the first trainable layer, the graph cannot
    be traced, or the values at the cut cannot be stored sample by sample.
    """
    try:
        traced = trace(model)
    except Exception:  # noqa: BLE001 - torch.export fails in many ways, and training without a prefix always works
        return None
    graph = _functionalise(traced)
    nodes = list(graph.nodes)
    live = _live(nodes, traced)
    if any(
        _is_random(node) and node.target not in _TRAINING_ARGUMENTS and node.target != _STOCHASTIC_DEPTH
        for node in live
    ):
        return None  # its twin for evaluation cannot be told from this graph
    values = _data_dependent(nodes)
    axes = _axes(model, nodes)
    chosen = _minimum_cut(nodes, live, values, axes, traced)
    prefix_nodes = _dependencies(chosen)
    work = {node: _multiplications(node, traced) for node in nodes}
    share = sum(work[node] for node in prefix_nodes) / max(1, sum(work.values()))
    if not chosen or share < MIN_SHARE:
        return None
    prefix = _subgraph(traced, nodes, prefix_nodes, (), tuple(chosen))
    return _build_cut(traced, nodes, chosen, prefix, axes, share)


def move_graph(module: fx.GraphModule, device: torch.device) -> None:
    """To another device, the places where the graph itself makes tensors included."""
    for node in module.graph.nodes:
        if "device" in node.kwargs:
            node.update_kwarg("device", device)
        node.args = fx.node.map_aggregate(node.args, lambda given: device if isinstance(given, torch.device) else given)
    module.recompile()
    module.to(device)


def trace(model: TaskModel) -> fx.GraphModule:
    """The model's graph of ATen operators in its present modes, batch and other named axes free; its own parameters."""
    parts = model.parts
    free = torch.export.Dim.DYNAMIC
    shapes = tuple(dict.fromkeys(parts.dynamic_axes.get(name, {}), free) for name in parts.example_inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(
            model, tuple(parts.example_inputs.values()), dynamic_shapes=(shapes,), strict=False
        )
        traced = program.module()
    assert isinstance(traced, fx.GraphModule)
    return traced


def _functionalise(traced: fx.GraphModule) -> fx.Graph:
    """Operators such as `relu_` become `relu`, and checks disappear, so that every value is what its node made."""
    graph = traced.graph
    order = {node: at for at, node in enumerate(graph.nodes)}
    for node in list(graph.nodes):
        if node.op == "call_module" or node.target == aten._assert_tensor_metadata.default:
            graph.erase_node(node)
        elif _is_in_place(node) and node.args[0].op != "get_attr":
            given = node.args[0]
            packet = getattr(aten, node.target._schema.name.removeprefix("aten::").removesuffix("_"))
            node.target = getattr(packet, node.target._overloadname, node.target)  # bernoulli_ has no twin
            given.replace_all_uses_with(node, lambda user, after=order[node]: order[user] > after)
    return graph


def _is_in_place(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return node.op == "call_function" and schema is not None and schema.name.endswith("_") and schema.is_mutable


def _is_random(node: fx.Node) -> bool:
    """Whether the node draws random numbers or moves statistics."""
    if node.op != "call_function":
        return False
    if node.target in _TRAINING_ARGUMENTS:
        at, still, noise = _TRAINING_ARGUMENTS[node.target]
        given = node.args[at] if len(node.args) > at else node.kwargs.get("dropout_p", still)
        return bool(given != still) and (noise is None or bool(node.args[noise] != 0))
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


def _live(nodes: list[fx.Node], traced: fx.GraphModule) -> set[fx.Node]:
    trainable = {name for name, parameter in traced.named_parameters() if parameter.requires_grad}
    live: set[fx.Node] = set()
    for node in nodes:
        if (
            (node.op == "get_attr" and node.target in trainable)
            or _is_random(node)
            or _is_in_place(node)
            or any(given in live for given in node.all_input_nodes)
            or node.op == "output"
        ):
            live.add(node)
    return live


def _data_dependent(nodes: list[fx.Node]) -> set[fx.Node]:
    """Nodes that depend on what the inputs hold, not only on how large they are."""
    found: set[fx.Node] = set()
    for node in nodes:
        if node.op == "placeholder" or (
            node.target != aten.sym_size.int and any(given in found for given in node.all_input_nodes)
        ):
            found.add(node)
    return found


def _axes(model: TaskModel, nodes: list[fx.Node]) -> dict[str, str]:
    """What the traced sizes stand for: {symbol: name of the axis}, the batch's being `batch`."""
    inputs = [node for node in nodes if node.op == "placeholder"]
    named: dict[str, str] = {}
    for node, (name, _) in zip(inputs, model.parts.example_inputs.items(), strict=True):
        for at, axis in model.parts.dynamic_axes.get(name, {}).items():
            named[str(node.meta["val"].shape[at])] = "batch" if at == 0 else axis
    return named


def _layout(node: fx.Node, axes: Mapping[str, str]) -> Layout | None:
    """How one sample of this value is stored; `None` where the batch is not its first axis or it varies otherwise."""
    value = node.meta.get("val")
    if not isinstance(value, torch.Tensor) or not value.ndim or axes.get(str(value.shape[0])) != "batch":
        return None
    shape = tuple(size if isinstance(size, int) else None for size in value.shape[1:])
    named = [str(size) for size in value.shape[1:] if not isinstance(size, int)]
    if len(named) > 1 or any(axes.get(name, "batch") == "batch" for name in named):
        return None
    return Layout(node.name, str(value.dtype).removeprefix("torch."), shape)


def _minimum_cut(
    nodes: list[fx.Node],
    live: set[fx.Node],
    values: set[fx.Node],
    axes: Mapping[str, str],
    traced: fx.GraphModule,
) -> list[fx.Node]:
    """The cut: nodes in order. Empty where no set of values can be stored."""
    import networkx  # half a second, for which a probe has no use

    parameters = {name for name, _ in traced.named_parameters()}
    flow = networkx.DiGraph()
    for node in nodes:
        if node not in values or node in live:
            continue
        layout = _layout(node, axes)
        capacity = {} if layout is None else {"capacity": _bytes(node)}
        flow.add_edge((node, "out"), (node, "in"), **capacity)  # towards the input: the last of equal cuts is found
        if node.op == "placeholder" or _is_heavy(node, parameters):
            flow.add_edge((node, "in"), "data")
        for user in node.users:
            flow.add_edge("live" if user in live else (user, "in"), (node, "out"))
    if "live" not in flow or "data" not in flow:
        return []
    try:
        _, (near, _) = networkx.minimum_cut(flow, "live", "data")
    except networkx.NetworkXUnbounded:
        return []
    return [node for node in nodes if (node, "out") in near and (node, "in") not in near]


def _is_heavy(node: fx.Node, parameters: set[str]) -> bool:
    uses = {given.target for given in node.all_input_nodes if given.op == "get_attr"}
    return node.target in _PRODUCTS or not uses.isdisjoint(parameters)


def _bytes(node: fx.Node) -> int:
    """Bytes of one sample, taking every free size as that of the example."""
    value = node.meta["val"]
    return int(max(1, math.prod(_example_size(size) for size in value.shape[1:]) * value.dtype.itemsize))


def _example_size(size: Any) -> int:
    return size if isinstance(size, int) else int(size.node.hint)


def _multiplications(node: fx.Node, traced: fx.GraphModule) -> int:
    """Multiplications of weights with activations in this node, about, for the example's sizes."""
    value = node.meta.get("val")
    value = value[0] if isinstance(value, tuple | list) else value
    if node.op != "call_function" or not isinstance(value, torch.Tensor) or node.target == aten.embedding.default:
        return 0
    weights = [_attribute(traced, str(given.target)) for given in node.all_input_nodes if given.op == "get_attr"]
    size = math.prod(_example_size(size) for size in value.shape)
    return sum(size * weight[0].numel() for weight in weights if weight.ndim >= 2)


def _attribute(module: nn.Module, path: str) -> torch.Tensor:
    owner, _, name = path.rpartition(".")
    found: torch.Tensor = getattr(module.get_submodule(owner), name)
    return found


def _dependencies(wanted: Iterable[fx.Node], given: Iterable[fx.Node] = ()) -> set[fx.Node]:
    """Everything that computing these takes, where `given` are there already."""
    known = set(given)
    found: set[fx.Node] = set()
    waiting = [node for node in wanted if node not in known]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += [before for before in node.all_input_nodes if before not in known]
    return found


def _build_cut(
    traced: fx.GraphModule,
    nodes: list[fx.Node],
    chosen: list[fx.Node],
    prefix: fx.GraphModule,
    axes: Mapping[str, str],
    share: float,
) -> Cut | None:
    output = nodes[-1]
    moving = [node for node in nodes if _is_in_place(node)]
    sizes = _sizes_at_cut(nodes, chosen)
    wanted = [output, *moving]
    needed = _dependencies(wanted, [*chosen, *sizes])
    if any(node.op == "placeholder" for node in needed):
        return None  # a size that no value of the cut has
    layouts = tuple(layout for node in chosen if (layout := _layout(node, axes)))
    train = _subgraph(traced, nodes, needed, chosen, None, sizes)
    evaluate = _subgraph(
        traced, nodes, _dependencies([output], [*chosen, *sizes]), chosen, None, sizes, rewrite=_set_eval_mode
    )
    return Cut(prefix, train, evaluate, layouts, share)


def _sizes_at_cut(nodes: list[fx.Node], chosen: list[fx.Node]) -> dict[fx.Node, tuple[fx.Node, int]]:
    """For every node that reads a size: which value of the cut has that size, and at which axis."""
    where = {str(size): (node, at) for node in chosen for at, size in enumerate(node.meta["val"].shape)}
    return {
        node: where[str(node.meta["val"])]
        for node in nodes
        if node.target == aten.sym_size.int and str(node.meta["val"]) in where
    }


def _subgraph(
    traced: fx.GraphModule,
    nodes: list[fx.Node],
    needed: set[fx.Node],
    given: Iterable[fx.Node],
    outputs: tuple[fx.Node, ...] | None,
    sizes: Mapping[fx.Node, tuple[fx.Node, int]] | None = None,
    rewrite: Callable[[fx.Node], None] = lambda node: None,
) -> fx.GraphModule:
    """A module of the needed nodes whose inputs are `given` (all the traced inputs where empty)."""
    graph, made = fx.Graph(), dict[fx.Node, fx.Node]()
    for node in given or [node for node in nodes if node.op == "placeholder"]:
        made[node] = graph.placeholder(node.name)
    for node, (value, axis) in (sizes or {}).items():
        made[node] = graph.call_function(aten.sym_size.int, (made[value], axis))
    for node in nodes:
        if node in needed and node not in made and node.op != "output":
            made[node] = graph.node_copy(node, lambda before: made[before])
            rewrite(made[node])
    if outputs is not None:
        graph.output(tuple(made[node] for node in outputs))
    else:
        result = nodes[-1].args[0]
        last = result if isinstance(result, tuple | list) else (result,)
        several = tuple(made[node] for node in last)  # type: ignore[index]
        graph.output(several[0] if len(several) == 1 else several)
    return fx.GraphModule(traced, graph)


def _set_eval_mode(node: fx.Node) -> None:
    """Set the argument that says whether the operator trains, or put the mean in the place of a draw."""
    if node.target == _STOCHASTIC_DEPTH:
        node.target = aten.full_like.default
        node.args = (node.args[0], node.args[1] if len(node.args) > 1 else 0.5)  # what the trace leaves out
    if node.op == "call_function" and node.target in _TRAINING_ARGUMENTS:
        at, still, _ = _TRAINING_ARGUMENTS[node.target]
        if len(node.args) > at:
            node.update_arg(at, still)
        elif "dropout_p" in node.kwargs:
            node.update_kwarg("dropout_p", still)

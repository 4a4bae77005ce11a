"""Where the frozen part of a model ends: the traced graph, cut into a prefix computed once and a suffix that trains.

The model is traced by `torch.export`. A node is *live* when it depends on a trainable parameter, draws random numbers
or moves statistics. Among the rest, the cut is the set of values with the fewest bytes per sample from which all live
nodes can be computed without running a frozen layer again: a minimum cut (Ford & Fulkerson 1956), the one nearest to
the output where several are least. Between the cut and the live nodes only cheap operations without weights remain
(masks, reshapes); they are computed again in every step.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn

from tlzoo.features.functional import functionalise, is_in_place
from tlzoo.features.node_sizes import bytes_per_sample, multiplications, weights_of
from tlzoo.features.store import Layout
from tlzoo.features.subgraphs import NotFunctional
from tlzoo.models.model import TaskModel
from tlzoo.progress import say

if TYPE_CHECKING:
    import networkx

aten = torch.ops.aten
MIN_SHARE = 0.2
"""A prefix with less than this share of the model's multiplications is not worth a cache."""


@dataclass(frozen=True)
class _TrainingArgument:
    """Where an operator is told that it trains: the argument's place, its value in evaluation, its name if it has one.

    `noise` is the place of the share it drops, `statistics` that of the running mean: without these it does the same in
    both modes.
    """

    place: int
    still: float = False
    noise: int | None = None
    statistics: int | None = None
    name: str = "training"

    def of(self, node: fx.Node) -> Any:
        """The argument this node was given."""
        return node.args[self.place] if len(node.args) > self.place else node.kwargs.get(self.name, self.still)

    def differs(self, node: fx.Node) -> bool:
        """Whether the node does something else in training than in evaluation."""
        if self.noise is not None and node.args[self.noise] == 0:
            return False
        if self.statistics is not None and node.args[self.statistics] is None:
            return False
        return bool(self.of(node) != self.still)

    def set_still(self, node: fx.Node) -> None:
        """Make the node do what it does in evaluation."""
        if not self.differs(node):
            return
        if len(node.args) > self.place:
            node.update_arg(self.place, self.still)
        else:
            node.update_kwarg(self.name, self.still)


_TRAINING_ARGUMENTS: Mapping[Any, _TrainingArgument] = {
    aten.dropout.default: _TrainingArgument(2, noise=1),
    aten.feature_dropout.default: _TrainingArgument(2, noise=1),
    aten.alpha_dropout.default: _TrainingArgument(2, noise=1),
    aten.feature_alpha_dropout.default: _TrainingArgument(2, noise=1),
    aten.rrelu.default: _TrainingArgument(3),
    aten.batch_norm.default: _TrainingArgument(5, statistics=3),
    aten.instance_norm.default: _TrainingArgument(5, statistics=3),
    aten.scaled_dot_product_attention.default: _TrainingArgument(4, 0.0, name="dropout_p"),
    **{
        recurrent.input: _TrainingArgument(6, noise=5)
        for recurrent in (aten.lstm, aten.gru, aten.rnn_tanh, aten.rnn_relu)
    },
}
_STOCHASTIC_DEPTH = aten.bernoulli_.float
"""Draws 0 or 1 with a probability by which the result is divided next: in evaluation, the probability itself."""

_WRITE_NO_BUFFER = {_STOCHASTIC_DEPTH, aten.detach_.default}  # a constant in the code is detached each time
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
        graph = functionalise(traced)
    except Exception as cause:  # noqa: BLE001 - torch.export fails in many ways, and training without a prefix always works
        _say_uncut(str(cause) if isinstance(cause, NotFunctional) else "the network cannot be traced")
        return None
    nodes = list(graph.nodes)
    live = _live(nodes, traced)
    if strange := [node for node in nodes if node in live and _is_random(node) and not _has_evaluation_twin(node)]:
        _say_uncut(f"{strange[0].target} draws random numbers")
        return None
    values = _data_dependent(nodes)
    axes = _axes(model, nodes)
    chosen = _minimum_cut(nodes, live, values, axes, traced)
    prefix_nodes = _dependencies(chosen)
    work = {node: multiplications(node, traced) for node in nodes}
    share = sum(work[node] for node in prefix_nodes) / max(1, sum(work.values()))
    if not chosen or share < MIN_SHARE:
        return None
    prefix = _subgraph(traced, nodes, prefix_nodes, (), tuple(chosen))
    return _build_cut(traced, nodes, chosen, prefix, axes, share)


def _say_uncut(why: str) -> None:
    say(f"The frozen layers run in every epoch: they cannot be separated from the trained ones ({why}).")


def move_graph(module: fx.GraphModule, *to: Any) -> None:
    """To another device or dtype, the places where the graph itself makes tensors included."""
    device = next((one for one in to if isinstance(one, torch.device)), None)
    for node in module.graph.nodes if device else ():
        if "device" in node.kwargs:
            node.update_kwarg("device", device)
        node.args = fx.node.map_aggregate(node.args, lambda given: device if isinstance(given, torch.device) else given)
    module.recompile()
    module.to(*to)


def move_model(model: TaskModel, halves: Sequence[fx.GraphModule], *to: Any) -> None:
    """The model and halves of its cut to another device or dtype; what is the model's own in them stays so.

    A move makes new buffers, and each half would make its own: the statistics that one learns would reach no other.
    """
    names = {id(tensor): name for name, tensor in _tensors(model)}
    owned = [
        (half, path, names[id(tensor)]) for half in halves for path, tensor in _tensors(half) if id(tensor) in names
    ]
    model.to(*to)
    for half in halves:
        move_graph(half, *to)
    moved = dict(_tensors(model))
    for half, path, name in owned:
        owner, _, short = path.rpartition(".")
        setattr(half.get_submodule(owner), short, moved[name])


def _tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from module.named_parameters(remove_duplicate=False)
    yield from module.named_buffers(remove_duplicate=False)


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


def _is_random(node: fx.Node) -> bool:
    """Whether the node draws random numbers or moves statistics."""
    if node.op != "call_function":
        return False
    if node.target in _TRAINING_ARGUMENTS:
        return _TRAINING_ARGUMENTS[node.target].differs(node)
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


def _has_evaluation_twin(node: fx.Node) -> bool:
    return node.target in _TRAINING_ARGUMENTS or node.target == _STOCHASTIC_DEPTH


def _live(nodes: list[fx.Node], traced: fx.GraphModule) -> set[fx.Node]:
    trainable = {name for name, parameter in traced.named_parameters() if parameter.requires_grad}
    live: set[fx.Node] = set()
    for node in nodes:
        if (
            (node.op == "get_attr" and node.target in trainable)
            or _is_random(node)
            or is_in_place(node)
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
    """The cut: nodes in order. Empty where no set of values can be stored.

    In front of it is all that has weights; where that cannot be, as of a bias for each pair of tokens that every layer
    is given, work whose result cannot be stored may stay behind it.
    """
    import networkx  # half a second, for which a probe has no use

    parameters = {name for name, _ in traced.named_parameters()}
    heavy = {node for node in values - live if node.op == "placeholder" or _is_heavy(node, parameters)}
    storable = {node for node in heavy if node.op == "placeholder" or _layout(node, axes) is not None}
    for first in (heavy, storable):
        flow = _flow(nodes, live, values, axes, first)
        if "live" not in flow or "data" not in flow:
            return []
        with suppress(networkx.NetworkXUnbounded):
            _, (near, _) = networkx.minimum_cut(flow, "live", "data")
            return [node for node in nodes if (node, "out") in near and (node, "in") not in near]
    _say_uncut("nothing in front of it can be stored sample by sample")
    return []


def _flow(
    nodes: list[fx.Node], live: set[fx.Node], values: set[fx.Node], axes: Mapping[str, str], first: set[fx.Node]
) -> networkx.DiGraph:
    """The network whose minimum cut is sought: from what is live to the nodes that must be in front of it, `first`."""
    import networkx

    flow = networkx.DiGraph()
    for node in nodes:
        if node not in values or node in live:
            continue
        layout = _layout(node, axes)
        capacity = {} if layout is None else {"capacity": bytes_per_sample(node)}
        flow.add_edge((node, "out"), (node, "in"), **capacity)  # towards the input: the last of equal cuts is found
        if node in first:
            flow.add_edge((node, "in"), "data")
        for user in node.users:
            flow.add_edge("live" if user in live else (user, "in"), (node, "out"))
    return flow


def _is_heavy(node: fx.Node, parameters: set[str]) -> bool:
    return node.target in _PRODUCTS or not parameters.isdisjoint(weights_of(node))


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
    moving = [node for node in nodes if is_in_place(node) or _is_random(node)]  # a draw counts where none looks at it
    sizes = _sizes_at_cut(nodes, chosen)
    wanted = [output, *moving]
    needed = _dependencies(wanted, [*chosen, *sizes])
    if any(node.op == "placeholder" for node in needed):
        _say_uncut("a size in it is that of no stored value")
        return None
    still = _dependencies([output], [*chosen, *sizes])
    if any(is_in_place(node) and node.target not in _WRITE_NO_BUFFER for node in still):
        _say_uncut("it reads a buffer into which it writes in training")
        return None
    layouts = tuple(layout for node in chosen if (layout := _layout(node, axes)))
    train = _subgraph(traced, nodes, needed, chosen, None, sizes)
    evaluate = _subgraph(traced, nodes, still, chosen, None, sizes, rewrite=_set_eval_mode)
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
    elif node.op == "call_function" and node.target in _TRAINING_ARGUMENTS:
        _TRAINING_ARGUMENTS[node.target].set_still(node)

"""What the nodes of a traced graph cost, of networks that are counted by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import fx, nn

from tlzoo.features.node_sizes import bytes_per_sample, multiplications, weights_of

FREE = torch.export.Dim.DYNAMIC


class Net(nn.Module):
    """One of each kind of node."""

    def __init__(self) -> None:
        super().__init__()
        self.square = nn.Parameter(torch.ones(3, 3))
        self.row = nn.Parameter(torch.ones(3))
        self.table = nn.Embedding(7, 3)
        self.conv = nn.Conv1d(3, 2, 2)
        self.register_buffer("kept", torch.ones(3, 3))

    def forward(self, ids: torch.Tensor) -> Any:
        words = self.table(ids)  # [N, L, 3]
        a = words @ self.square.t()
        b = a * self.row
        c = b @ self.kept
        d = self.conv(c.transpose(1, 2))  # [N, 2, L - 1]
        return d, d.half(), d.argmax(1), d.sum((1, 2)), c.std(), torch.split(c, 1, 2)


def traced(net: nn.Module, *given: torch.Tensor, free: bool = True) -> fx.GraphModule:
    shapes = tuple({0: FREE, 1: FREE} if free and one.ndim > 1 else None for one in given)
    module = torch.export.export(net, given, dynamic_shapes=shapes, strict=False).module()
    assert isinstance(module, fx.GraphModule)
    return module


@pytest.fixture(scope="module")
def graph() -> fx.GraphModule:
    return traced(Net().eval(), torch.zeros(4, 5, dtype=torch.int64))


def node(graph: fx.GraphModule, name: str) -> fx.Node:
    """The first node of an operator of this name."""
    return next(each for each in graph.graph.nodes if str(each.target).startswith(f"aten.{name}."))


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("embedding", ["table.weight"]),
        ("matmul", ["square"]),  # through a view
        ("mul", ["row"]),
        ("conv1d", ["conv.weight", "conv.bias"]),
        ("argmax", []),
    ],
)
def test_a_node_computes_with_its_weights_and_views_of_them(graph: fx.GraphModule, name: str, weights: list[str]):
    assert weights_of(node(graph, name)) == weights


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("embedding", 5 * 3 * 4),  # the free length is that of the example
        ("conv1d", 2 * 4 * 4),
        ("to", 2 * 4 * 2),
        ("argmax", 4 * 8),
        ("sum", 4),
    ],
)
def test_bytes_are_those_of_a_sample(graph: fx.GraphModule, name: str, size: int):
    found = node(graph, name) if name != "to" else next(n for n in graph.graph.nodes if _half(n))
    assert bytes_per_sample(found) == size


def _half(node: fx.Node) -> bool:
    return getattr(node.meta.get("val"), "dtype", None) == torch.float16


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("embedding", 0),  # rows are looked up
        ("t", 0),
        ("matmul", 4 * 5 * 3 * 3),
        ("mul", 0),  # by a vector
        ("conv1d", 4 * 2 * 4 * 3 * 2),
        ("argmax", 0),
        ("split", 0),
    ],
)
def test_multiplications_are_outputs_times_what_one_takes(graph: fx.GraphModule, name: str, count: int):
    assert multiplications(node(graph, name), graph) == count


def test_a_buffer_is_no_weight(graph: fx.GraphModule):
    [_, by_buffer] = [each for each in graph.graph.nodes if str(each.target).startswith("aten.matmul.")]
    assert weights_of(by_buffer) == ["kept"]
    assert multiplications(by_buffer, graph) == 0


def test_what_is_no_operator_costs_nothing(graph: fx.GraphModule):
    others = [each for each in graph.graph.nodes if each.op != "call_function"]
    assert {"placeholder", "get_attr", "output"} <= {each.op for each in others}
    assert not any(multiplications(each, graph) for each in others)


def test_what_is_written_in_place_is_no_view_of_a_weight():
    class Writing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.square = nn.Parameter(torch.ones(3, 3))
            self.register_buffer("kept", torch.ones(3, 3))

        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return (given @ self.kept.add_(1)) @ self.square

    graph = traced(Writing(), torch.ones(4, 3), free=False)
    first, second = [each for each in graph.graph.nodes if str(each.target).startswith("aten.matmul.")]
    assert weights_of(first) == []
    assert weights_of(second) == ["square"]


def test_a_scalar_of_a_sample_has_a_byte_at_least():
    class Empty(nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return given[:, :0] + 1

    graph = traced(Empty(), torch.ones(4, 3), free=False)
    assert bytes_per_sample(node(graph, "add")) == 1

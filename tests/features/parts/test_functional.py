"""In-place operators made functional: the same values, and refusals where they cannot be told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import fx, nn

from tlzoo.features.functional import functionalise, is_in_place
from tlzoo.features.subgraphs import NotFunctional

Body = Callable[[torch.Tensor, torch.Tensor], Any]
X = torch.arange(24.0).reshape(2, 3, 4)
Y = torch.arange(24.0).reshape(2, 3, 4).flip(0) - 7


class Net(nn.Module):
    """A function as a network."""

    def __init__(self, body: Body) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> Any:
        return self.body(x * 1, y * 1)


def made(body: Body) -> fx.GraphModule:
    module = torch.export.export(Net(body), (X, Y), strict=False).module()
    assert isinstance(module, fx.GraphModule)
    functionalise(module)
    module.graph.lint()
    module.recompile()
    return module


def through(view: Callable[[torch.Tensor], torch.Tensor]) -> Body:
    """A write through this view, of which the base is read."""

    def body(x: torch.Tensor, y: torch.Tensor) -> Any:
        part = view(x)
        part.mul_(2)
        part.add_(1)
        return x, part, x.sum(), y

    return body


VIEWS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "itself": lambda x: x,
    "alias": lambda x: torch.ops.aten.alias(x),
    "detach": lambda x: x.detach(),
    "contiguous": lambda x: x.contiguous(),
    "view": lambda x: x.view(2, 12),
    "view_as": lambda x: x.view_as(x),
    "reshape": lambda x: x.reshape(6, 4),
    "flatten": lambda x: x.flatten(1),
    "unflatten": lambda x: x.unflatten(2, (2, 2)),
    "unsqueeze": lambda x: x.unsqueeze(1),
    "squeeze": lambda x: x[:, :1].squeeze(1),
    "slice": lambda x: x[:, 1:, ::2],
    "select": lambda x: x[:, 1],
    "diagonal": lambda x: x.diagonal(0, 1, 2),
    "transpose": lambda x: x.transpose(0, 2),
    "mT": lambda x: x.mT,
    "t": lambda x: x[0].t(),
    "permute": lambda x: x.permute(2, 0, 1),
    "permuted from behind": lambda x: x.permute(-2, -1, -3),
    "two views": lambda x: x[:, 1:].transpose(1, 2).reshape(2, 4, 2)[:, 0],
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_write_through_a_view_reaches_its_base(name: str):
    graph = made(through(VIEWS[name]))
    for given, right in zip(graph(X, Y), Net(through(VIEWS[name]))(X, Y), strict=True):
        torch.testing.assert_close(given, right, rtol=0, atol=0)
    assert not any(is_in_place(node) for node in graph.graph.nodes)
    assert all("val" in node.meta for node in graph.graph.nodes if node.op == "call_function")


def copies(x: torch.Tensor, y: torch.Tensor) -> Any:
    """Of another type and of a shape that is widened."""
    before = x.sum()
    x[:, 0] = 3
    x[:, 1].copy_(y[0, 0].half())
    x[0] = x[1]
    return before, x


def views_from_before(x: torch.Tensor, y: torch.Tensor) -> Any:
    """Views and views of views, some read before and some after."""
    first, second = x[:, :2], x.transpose(1, 2)
    inner = first[:, 1:]
    early = inner.sum()
    x.add_(y)
    middle = second.sum(1)
    first.mul_(y[:, 1:])
    return early, middle, inner, second, x


def relu(x: torch.Tensor, y: torch.Tensor) -> Any:
    """An operator with an overload of its own, one with keywords, two memories."""
    y.clamp_(min=0.0).masked_fill_(x > 20, -1.0)
    x.relu_().sub_(y, alpha=2)
    return x, y


@pytest.mark.parametrize("body", [copies, views_from_before, relu])
def test_values_are_those_of_the_network(body: Body):
    graph = made(body)
    for given, right in zip(graph(X, Y), Net(body)(X, Y), strict=True):
        torch.testing.assert_close(given, right, rtol=0, atol=0)
    assert not any(is_in_place(node) for node in graph.graph.nodes)


def test_writes_into_buffers_stay():
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.seen.add_(1)
            return (x * 2).add_(self.seen)

    module: Any = torch.export.export(Counting(), (X,), strict=False).module()
    functionalise(module)
    kept = [str(node.target) for node in module.graph.nodes if is_in_place(node)]
    assert kept in (["aten.add_.Tensor"], ["aten.copy_.default"])
    module.recompile()
    torch.testing.assert_close(module(X), X * 2 + 1)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (lambda x, y: through(lambda given: given.unfold(1, 2, 1))(x, y), "a write into a view made by aten.unfold"),
        (lambda x, y: torch.add(x, y, out=torch.empty_like(x)), "writes into its inputs"),
    ],
)
def test_what_cannot_be_told_is_refused(body: Body, why: str):
    with pytest.raises(NotFunctional, match=why):
        made(body)


def test_checks_and_calls_of_modules_disappear():
    graph = made(lambda x, y: x.to(torch.float64).add_(1))
    assert not [node for node in graph.graph.nodes if node.op == "call_module" or "_assert" in str(node.target)]


def test_what_writes_is_known_by_its_name_and_schema():
    module: Any = torch.export.export(Net(lambda x, y: x.add_(1) + y), (X, Y), strict=False).module()
    found = {str(node.target): is_in_place(node) for node in module.graph.nodes if node.op == "call_function"}
    assert found["aten.add_.Tensor"] is True
    assert found["aten.add.Tensor"] is False
    assert not any(is_in_place(node) for node in module.graph.nodes if node.op != "call_function")

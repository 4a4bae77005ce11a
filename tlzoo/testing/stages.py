"""Checks of a backbone's stages: every parameter in one, and in the order in which the input passes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tlzoo.interfaces import Backbone
from tlzoo.testing.base import SuiteBase, requires


class Stages(SuiteBase):
    """Stages, which `until:<stage>`, `last:<n>` and rates by depth use."""

    @requires("test_outputs_are_as_declared")
    def test_stages_hold_every_parameter_once(self) -> None:
        """Every parameter is in exactly one stage, every stage has parameters, and names are used once.

        Fix: the prefixes of the stage that the message names; a prefix is a module's or a parameter's whole name.
        """
        backbone = self.bare()
        names = [stage.name for stage in backbone.stages]
        assert len(names) == len(set(names)), f"Two stages have one name: {', '.join(names)}."
        parameters = [name for name, _ in backbone.module.named_parameters()]
        for parameter in parameters:
            owners = [stage.name for stage in backbone.stages if stage.owns(parameter)]
            assert owners, f"Parameter {parameter!r} is in no stage. Add its prefix to the stage it belongs to."
            assert len(owners) == 1, (
                f"Parameter {parameter!r} is in the stages {' and '.join(owners)}. Leave it in one."
            )
        for stage in backbone.stages:
            assert any(stage.owns(name) for name in parameters), (
                f"Stage {stage.name!r} holds no parameter of {', '.join(stage.prefixes) or 'no prefix'}. "
                "Correct its prefixes, or leave it out."
            )

    @requires("test_stages_hold_every_parameter_once", "test_it_is_deterministic_in_eval_mode")
    def test_stages_go_from_input_to_output(self) -> None:
        """No stage takes what a later one computes, when it is used first; branches side by side may be in any order.

        Fix: sort the stages as the input passes them. `until:<stage>` freezes all up to one, and what is frozen in
        front is computed once: in another order there would be nothing in front.
        """
        backbone = self.bare()
        uses = _first_uses(backbone)
        for first in range(len(backbone.stages)):
            for second in range(first + 1, len(backbone.stages)):
                if first not in uses or second not in uses or uses[second][0] >= uses[first][0]:
                    continue
                with _perturbed(backbone, second):
                    moved = _first_uses(backbone)[first][1] != uses[first][1]
                before, behind = backbone.stages[first].name, backbone.stages[second].name
                assert not moved, f"Stage {before!r} is listed before {behind!r} and takes its output. Swap them."


Uses = dict[int, tuple[int, tuple[float, ...]]]


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes of each stage the first operation on its parameters and other tensors: when it was, and sums of the others.

    What is made of parameters alone (a transposed or normalised weight) counts as they do.
    """

    def __init__(self, owners: dict[int, frozenset[int]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.uses: Uses = {}
        self._owners = owners
        self._kept: list[torch.Tensor] = []  # an id is that of another tensor once its own is gone
        self._count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        owners = [self._owners[id(tensor)] for tensor in tensors if id(tensor) in self._owners]
        others = [tensor for tensor in tensors if id(tensor) not in self._owners]
        if not owners:
            return result
        self._count += 1
        stages = frozenset().union(*owners)
        if others:
            for stage in stages - self.uses.keys():
                self.uses[stage] = (self._count, tuple(float(tensor.detach().double().sum()) for tensor in others))
        else:
            for tensor in (leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)):
                if id(tensor) not in self._owners:
                    self._owners[id(tensor)] = stages
                    self._kept.append(tensor)
        return result


def _first_uses(backbone: Backbone) -> Uses:
    owners = {
        id(parameter): frozenset(number for number, stage in enumerate(backbone.stages) if stage.owns(name))
        for name, parameter in backbone.module.named_parameters()
    }
    watch = _Watch(owners)
    with torch.no_grad(), watch:
        backbone.module(*backbone.example_inputs.values())
    return watch.uses


@contextmanager
def _perturbed(backbone: Backbone, stage: int) -> Iterator[None]:
    """Other values in this stage's parameters for a while."""
    inside = [p for name, p in backbone.module.named_parameters() if backbone.stages[stage].owns(name)]
    before = [parameter.detach().clone() for parameter in inside]
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in inside:
            parameter.add_(torch.randn(parameter.shape, generator=draw) * (parameter.abs().mean() + 0.1))
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, value in zip(inside, before, strict=True):
                parameter.copy_(value)

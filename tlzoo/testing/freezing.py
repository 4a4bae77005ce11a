"""Checks of stages and freeze policies: what is in which stage, in what order, and what a step of training changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import SkipTest

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tlzoo.errors import UsageError
from tlzoo.interfaces import Backbone, Freeze
from tlzoo.models.freezing import freeze, train_mode
from tlzoo.models.model import TaskModel
from tlzoo.models.seeds import seed_generators
from tlzoo.testing.base import SuiteBase, requires

STEP = 0.01


class Freezing(SuiteBase):
    """The core's policies, and the plugin's own that the suite's `policies` names."""

    def _policies(self) -> list[str]:
        """Every policy to try; `until` at the first stage and in the middle."""
        names = [stage.name for stage in self.bare().stages]
        until = dict.fromkeys(f"until:{names[at]}" for at in (0, (len(names) - 1) // 2))
        return [*dict.fromkeys(("all", "none", *until, "last:1", "norm", *self.policies))]

    def _frozen(self) -> Iterator[tuple[str, TaskModel, Freeze]]:
        """A fresh model under each policy; `norm` is passed over where there is no norm."""
        for policy in self._policies():
            model = self.model()
            try:
                yield policy, model, freeze(model, policy)
            except UsageError as error:
                if policy != "norm":
                    raise AssertionError(f"Freeze policy {policy!r} is refused: {error}") from error

    @requires("test_stages_hold_every_parameter_once")
    def test_freezing_twice_answers_the_same(self) -> None:
        """A policy asked twice of one model gives the same answer, in names that the model has.

        Fix: in `freeze`, add adapters only where there are none, and take names from `named_parameters` and
        `named_modules`.
        """
        for policy, model, answer in self._frozen():
            parameters = {name for name, _ in model.named_parameters()}
            modules = {name for name, _ in model.named_modules()}
            strange = sorted(
                (answer.trainable - parameters) | ((answer.eval_modules | answer.eval_containers) - modules)
            )
            assert not strange, f"Policy {policy!r} names {strange[0]!r}, which the model does not have."
            again = freeze(model, policy)
            assert again == answer, f"Policy {policy!r} asked twice answers differently. `freeze` must be idempotent."

    @requires(
        "test_stages_hold_every_parameter_once",
        "test_its_outputs_are_as_declared",
        "test_freezing_twice_answers_the_same",
    )
    @requires("test_it_does_not_end_the_program")
    def test_a_step_changes_only_what_trains(self) -> None:
        """One step leaves frozen parameters and statistics bit-identical, under every policy; all stages get gradients.

        Fix: name modules whose statistics must stay in `Freeze.eval_modules`; let `eval()` reach every submodule; do
        not detach in `forward`.
        """
        for policy, model, answer in self._frozen():
            before = {name: tensor.detach().clone() for name, tensor in _tensors(model)}
            _step(model, answer, *self._batch(model))
            moved = {name for name, tensor in _tensors(model) if not torch.equal(tensor, before[name])}
            allowed = answer.trainable | _free_buffers(model, answer)
            wrong = sorted(moved - allowed)
            assert not wrong, (
                f"Policy {policy!r} leaves {wrong[0]!r} frozen, and a step of training changes it. "
                "Statistics stay only in modules that are in Freeze.eval_modules and heed eval()."
            )
            assert moved & answer.trainable, f"Under policy {policy!r} a step of training changes nothing."
            if policy == "none":
                self._assert_gradients(model)

    def _batch(self, model: TaskModel) -> tuple[tuple[torch.Tensor, ...], dict[str, torch.Tensor]]:
        """The example inputs with targets of the samples, or samples themselves where a task asks for contexts."""
        if model.task.contextual:
            data = self.dataset(model)
            positions = range(min(2, len(data)))
            given = tuple(map(torch.from_numpy, data.arrays(positions).values()))
            batch = data.collated(positions)
        else:
            given, known = tuple(model.parts.example_inputs.values()), self.targets()
            targets = [(known[0], known[-1])[row % 2] for row in range(len(given[0]))]
            batch = model.task.collate(targets, [None] * len(targets))
        return given, {name: torch.from_numpy(array) for name, array in batch.items()}

    def _assert_gradients(self, model: TaskModel) -> None:
        reached = {name for name, parameter in model.backbone.named_parameters() if parameter.grad is not None}
        for stage in model.parts.stages:
            assert any(stage.owns(name) for name in reached), (
                f"No gradient reaches stage {stage.name!r}, so it cannot train. Does `forward` detach?"
            )

    @requires("test_a_step_changes_only_what_trains")
    def test_its_own_policies_train_the_backbone(self) -> None:
        """Each of the suite's own `policies` leaves some of the backbone trainable, and not all of it.

        Fix: name in the suite's `policies` those that the plugin adds; answer `trainable` in names of the model.
        """
        if not self.policies:
            raise SkipTest("It names no policies of its own.")
        for policy in self.policies:
            model = self.model()
            names = freeze(model, policy).trainable
            backbone = {f"backbone.{name}" for name, _ in model.backbone.named_parameters()}
            assert backbone & names, f"Policy {policy!r} trains nothing of the backbone: that is policy 'all'."
            assert backbone - names, f"Policy {policy!r} trains the whole backbone: that is policy 'none'."


def _tensors(model: TaskModel) -> Iterator[tuple[str, torch.Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def _free_buffers(model: TaskModel, answer: Freeze) -> set[str]:
    """Buffers that may move: the head's, and those of stages that train, outside of modules in eval mode."""
    still = tuple(f"{name}." for name in answer.eval_modules)
    training = [
        stage
        for stage in model.parts.stages
        if any(stage.owns(name.removeprefix("backbone.")) for name in answer.trainable)
    ]
    free = set()
    for name, _ in model.named_buffers():
        inside = name.removeprefix("backbone.")
        trains = not name.startswith("backbone.") or any(stage.owns(inside) for stage in training)
        if trains and not name.startswith(still):
            free.add(name)
    return free


def _step(model: TaskModel, answer: Freeze, given: tuple[torch.Tensor, ...], batch: dict[str, torch.Tensor]) -> None:
    """One step of gradient descent, in the mode that training has."""
    train_mode(model, answer)
    seed_generators(0)
    loss = model.loss(model.named(model(*given)), batch)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.optim.SGD([parameter for parameter in model.parameters() if parameter.requires_grad], lr=STEP).step()


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

"""Checks of freeze policies: the same answer each time, and a step of training that changes nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from unittest import SkipTest

import torch

from tlzoo.errors import UsageError
from tlzoo.interfaces import Freeze
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

"""Checks of what a plugin's code does beside its work: to the process that it runs in, and with random numbers."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from typing import Any

import torch

from tlzoo.models.digests import tensor_digests
from tlzoo.models.freezing import freeze
from tlzoo.models.model import TaskModel
from tlzoo.models.seeds import keep_generators, seed_generators
from tlzoo.plugins.containment import uncontained
from tlzoo.plugins.process_state import put_back_settings, read_settings
from tlzoo.testing.base import SkippedCheck, cached, requires
from tlzoo.testing.freezing import Freezing
from tlzoo.training.evaluation import measure

FEW = 4
SEED = 7


@dataclass
class Behaviour:
    """What was noticed while the plugin's code ran: each with the part of the work in which it was."""

    changed: list[str] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class Process(Freezing):
    """What its code does to the process, and with random numbers."""

    def test_it_does_not_end_the_program(self) -> None:
        """Nothing from building the model to a step of training and its metrics raises SystemExit.

        Fix: raise a TlzooError with a hint instead of calling `sys.exit`; leave ending the program to who runs it.
        """
        ended = self._behaviour().ended
        assert not ended, f"{ended[0]} ends the program. Raise a TlzooError instead of calling sys.exit."

    @requires("test_it_does_not_end_the_program")
    def test_it_leaves_the_process_as_it_was(self) -> None:
        """It changes no setting of the process: torch's default dtype, device and threads, warnings, signals, folder.

        Fix: pass dtype and device to what you build, use contexts such as `torch.no_grad()`, `np.errstate` and
        `warnings.catch_warnings`, and put back what you must change in a `finally`.
        """
        changed = self._behaviour().changed
        assert not changed, f"{changed[0]}, for the whole process. Change it for as long as you need it alone."
        self._check_ran()

    @requires("test_it_does_not_end_the_program")
    def test_it_prints_nothing_to_stdout(self) -> None:
        """Nothing is printed to stdout, neither by Python nor by compiled code: it belongs to the command's answer.

        Fix: use `logging`, or print to `sys.stderr`.
        """
        printed = self._behaviour().printed
        assert not printed, f"{printed[0]} to stdout. Use logging, or print to sys.stderr."
        self._check_ran()

    @requires("test_outputs_are_as_declared", "test_a_step_changes_only_what_trains")
    def test_the_same_seed_gives_the_same_bits(self) -> None:
        """With torch, numpy and Python seeded alike, weights, loss and gradients of a step are the same, bit by bit.

        Fix: draw from the global generators, or from one that is seeded by a draw of theirs; not from the time, from
        `numpy.random.default_rng()` without a seed, or in the order of a set.
        """
        first, second = self._drawn(), self._drawn()
        different = [name for name in first if first[name] != second.get(name)]
        assert not different, (
            f"With the same seed {different[0]} is another the second time. Draw from the seeded generators alone."
        )

    def _check_ran(self) -> None:
        if failed := self._behaviour().failed:
            raise SkippedCheck(f"Skipped until this passes: {failed[0]}")

    @cached
    def _behaviour(self) -> Behaviour:
        """What the plugin's code does, run once as training runs it, without tlzoo's own containment."""
        found, held = Behaviour(), dict[str, Any]()
        self.put_back()  # what other checks' calls of the plugin have changed
        with keep_generators(), uncontained():
            for part, work in self._work(held):
                if not _notice(part, work, found):
                    break
        return found

    def _work(self, held: dict[str, Any]) -> Iterator[tuple[str, Callable[[], object]]]:
        yield "Building the model", lambda: held.update(model=self.model())
        model: TaskModel = held["model"]
        yield "The freeze policy", lambda: freeze(model, "none")
        yield "Preprocessing", lambda: held.update(data=self.dataset(model).first(FEW))
        yield "Preprocessing", lambda: held["data"].arrays(range(len(held["data"])))
        yield "A step of training", lambda: self._loss(model.train()).backward()  # type: ignore[no-untyped-call]
        yield "Evaluating", lambda: measure(model.eval(), held["data"])

    def _loss(self, model: TaskModel) -> torch.Tensor:
        given, batch = self._batch(model)
        loss: torch.Tensor = model.loss(model.named(model(*given)), batch)
        return loss

    def _drawn(self) -> dict[str, str]:
        """Digests of what one step from the same seed has: weights, loss and gradients."""
        with keep_generators():
            seed_generators(SEED)
            model = self.model()
            found = {f"weight {name!r}": tensor.detach().clone() for name, tensor in model.state_dict().items()}
            found["the loss of a step"] = loss = self._loss(model.train())
            loss.backward()  # type: ignore[no-untyped-call]
        gradients = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}
        return tensor_digests(found | {f"the gradient of {name!r}": grad for name, grad in gradients.items()})


def _notice(part: str, work: Callable[[], object], found: Behaviour) -> bool:
    """Do a part of the work and note what it does beside it; whether it came to its end."""
    printed: list[str] = []
    before, done = read_settings(), False
    with _stdout_into(printed):
        inside = {name: getattr(sys, name.removeprefix("sys.")) for name in ("sys.stdout", "sys.stderr")}
        try:
            work()
            done = True
        except SystemExit:
            found.ended.append(part)
        except Exception as error:  # noqa: BLE001 - the check that is about it reports it
            kind = found.ended if isinstance(error.__cause__, SystemExit) else found.failed
            kind.append(part if kind is found.ended else f"{part}: {type(error).__name__}: {error}")
        changed = put_back_settings({**before, **inside})
    found.changed += [f"{part} changes {title} from {old!r} to {new!r}" for title, (old, new) in changed.items()]
    found.printed += [f"{part} prints {text.strip()[:40]!r}" for text in printed if text]
    return done


@contextmanager
def _stdout_into(found: list[str]) -> Iterator[None]:
    """Keep what is printed in the block, by Python and to the descriptor."""
    text = io.StringIO()
    with tempfile.TemporaryFile() as file:
        kept = -1
        with suppress(OSError):  # a process without stdout
            if sys.__stdout__ is not None:
                sys.__stdout__.flush()
            kept = os.dup(1)
            os.dup2(file.fileno(), 1)
        try:
            with redirect_stdout(text):
                yield
        finally:
            if kept >= 0:
                os.dup2(kept, 1)
                os.close(kept)
            file.seek(0)
            found.append(text.getvalue() + file.read().decode(errors="replace"))

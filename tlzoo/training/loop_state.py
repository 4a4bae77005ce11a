"""The state of the training loop: counters, history, and the tensors that training changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from tlzoo.interfaces import Freeze
from tlzoo.models.model import TaskModel
from tlzoo.training.resume import save_snapshot

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")
Tensors = dict[str, torch.Tensor]


@dataclass
class LoopCounters:
    """Progress so far: `done` groups of batches in `epoch` (from 0), and `step` optimizer steps altogether.

    `scaler` is the state of the GradScaler, empty without one.
    `best` is the least value of what is monitored, `best_epoch` where it was, `stale` the epochs since. The random
    numbers of a step and the order of an epoch follow from the seed and these numbers, so nothing else is kept of them.
    """

    lr: float = 0.0
    step: int = 0
    epoch: int = 0
    done: int = 0
    loss: float = 0.0
    seen: int = 0
    best: float | None = None
    best_epoch: int = 0
    stale: int = 0
    seconds: float = 0.0
    scaler: dict[str, float] = field(default_factory=dict)
    rows: list[dict[str, float]] = field(default_factory=list)


@dataclass
class TrainingState:
    """`changing` are the model's own parameters and buffers that training moves; `best` and `averages` are copies."""

    changing: Tensors
    averages: Tensors
    optimizer: torch.optim.Optimizer
    names: dict[int, str]
    scaler: torch.amp.GradScaler
    best: Tensors = field(default_factory=dict)
    counts: LoopCounters = field(default_factory=LoopCounters)

    def step(self) -> None:
        """One step of the optimizer, left out where a float16 gradient has overflowed."""
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.counts.scaler = self.scaler.state_dict()

    def keep_best(self) -> None:
        """Copy the current weights."""
        self.best = {name: tensor.detach().clone() for name, tensor in self.changing.items()}

    @torch.no_grad()
    def restore_best(self) -> None:
        """Put the best weights back into the model."""
        for name, tensor in self.best.items():
            self.changing[name].copy_(tensor)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The model with its averaged weights in this block; unchanged where there are none."""
        present = {name: tensor.detach().clone() for name, tensor in self.changing.items() if name in self.averages}
        _copy(self.averages, self.changing)
        try:
            yield
        finally:
            _copy(present, self.changing)

    def save(self, folder: Path, facts: dict[str, Any]) -> None:
        """Write a snapshot; raises TrainingError when it cannot be written."""
        tensors = {f"model.{name}": tensor for name, tensor in self.changing.items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        tensors |= {f"averages.{name}": tensor for name, tensor in self.averages.items()}
        for parameter, moments in self.optimizer.state.items():
            tensors |= {f"{moment}.{self.names[id(parameter)]}": moments[moment] for moment in _MOMENTS}
        save_snapshot(folder, tensors, {"counts": asdict(self.counts), **facts})

    def restore(self, tensors: Tensors, counts: dict[str, Any]) -> None:
        """Restore what `save` wrote, keeping the parameters' memory format."""
        names = [known.name for known in fields(LoopCounters)]
        self.counts = LoopCounters(**{name: counts[name] for name in names if name in counts})
        if self.scaler.is_enabled() and self.counts.scaler:
            self.scaler.load_state_dict(self.counts.scaler)
        _copy(_with_prefix("model", tensors), self.changing)
        _copy(_with_prefix("averages", tensors), self.averages)
        best = _with_prefix("best", tensors)
        self.best = {name: torch.empty_like(self.changing[name]).copy_(tensor) for name, tensor in best.items()}
        moments = {moment: _with_prefix(moment, tensors) for moment in _MOMENTS}
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                name = self.names[id(parameter)]
                if name in moments["step"]:
                    self.optimizer.state[parameter] = {
                        "step": moments["step"][name].to(parameter.device),  # where fused AdamW keeps it
                        **{
                            moment: torch.empty_like(parameter).copy_(moments[moment][name])
                            for moment in ("exp_avg", "exp_avg_sq")
                        },
                    }


def changing_tensors(model: TaskModel, frozen: Freeze) -> Tensors:
    """What training under `frozen` may move: trainable parameters, and buffers outside the modules it keeps still."""
    still = tuple(f"{name}." for name in frozen.eval_modules) or ("\0",)
    found = {name: parameter for name, parameter in model.named_parameters() if name in frozen.trainable}
    buffers = {name: buffer for name, buffer in model.named_buffers() if not name.startswith(still)}
    return {**found, **buffers}


@torch.no_grad()
def _copy(source: Tensors, into: Tensors) -> None:
    for name, tensor in source.items():
        into[name].copy_(tensor)


def _with_prefix(prefix: str, tensors: Tensors) -> Tensors:
    return {name.removeprefix(f"{prefix}."): t for name, t in tensors.items() if name.startswith(f"{prefix}.")}

"""Long inputs in parts that overlap, and the outputs of the whole from those of its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tlzoo.tasks.rows import Outputs, OutputSpec, Rows


@dataclass(frozen=True)
class Window:
    """A part of an input that is an input itself; `start` is where it begins: a character, a sample, a step."""

    input: Any
    start: int


@dataclass(frozen=True)
class WindowOutputs:
    """A window, what the model gives for it by output's name, and its context."""

    window: Window
    outputs: Mapping[str, np.ndarray]
    context: Any


class MergingTask(Protocol):
    """A task, as far as it merges windows."""

    @property
    def outputs(self) -> Sequence[OutputSpec]:
        """What a model of it gives."""

    def merge(self, parts: Sequence[WindowOutputs]) -> tuple[dict[str, np.ndarray], Any]:
        """The outputs of a whole input, and its context, from those of its windows."""


def merge_windows(
    task: MergingTask, windows: Sequence[Sequence[Window]], outputs: Outputs, contexts: Sequence[Any]
) -> tuple[dict[str, Rows], list[Any]]:
    """The outputs and contexts of whole inputs from those of their windows, which follow one another."""
    found: list[Mapping[str, np.ndarray]] = []
    wholes: list[Any] = []
    at = 0
    for each in windows:
        parts = [
            WindowOutputs(window, {name: rows[row] for name, rows in outputs.items()}, contexts[row])
            for row, window in enumerate(each, start=at)
        ]
        at += len(each)
        made, context = task.merge(parts) if len(parts) > 1 else (parts[0].outputs, parts[0].context)
        found.append(made)
        wholes.append(context)
    ragged = {output.name for output in task.outputs if output.ragged}
    names = list(outputs)
    rows: dict[str, Rows] = {}
    for name in names:
        each_row = [made[name] for made in found]
        rows[name] = each_row if name in ragged else np.stack(each_row)
    return rows, wholes

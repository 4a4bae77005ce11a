"""The outputs of whole inputs from those of their windows, and whether a plugin's task merges them as it must."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tlzoo.tasks.base import Output, Task
from tlzoo.tasks.contract import EMBEDDINGS, task_error
from tlzoo.tasks.rows import Outputs, Rows
from tlzoo.tasks.windows import Window, WindowOutputs


def merge_windows(
    task: Task, windows: Sequence[Sequence[Window]], outputs: Outputs, contexts: Sequence[Any]
) -> tuple[dict[str, Rows], list[Any]]:
    """The outputs and contexts of whole inputs from those of their windows, which follow one another.

    Embeddings that `merge` leaves out are the mean of the windows'. Raises HookError for what a plugin's task merges
    to something else than its outputs.
    """
    found: list[Mapping[str, np.ndarray]] = []
    wholes: list[Any] = []
    at = 0
    for each in windows:
        parts = [
            WindowOutputs(window, {name: rows[row] for name, rows in outputs.items()}, contexts[row])
            for row, window in enumerate(each, start=at)
        ]
        at += len(each)
        made, context = _merge(task, parts) if len(parts) > 1 else (parts[0].outputs, parts[0].context)
        found.append(made)
        wholes.append(context)
    ragged = {output.name for output in task.outputs if output.ragged}
    rows: dict[str, Rows] = {}
    for name in outputs:
        each_row = [made[name] for made in found]
        rows[name] = each_row if name in ragged else np.stack(each_row)
    return rows, wholes


def _merge(task: Task, parts: Sequence[WindowOutputs]) -> tuple[Mapping[str, np.ndarray], Any]:
    answer: Any = task.merge(parts)
    if task.plugin and (wrong := merge_problem(task, answer, parts)):
        raise task_error(task, f"cannot be used: {wrong}")
    made, context = answer
    if EMBEDDINGS in parts[0].outputs and EMBEDDINGS not in made:
        made = {**made, EMBEDDINGS: np.mean([part.outputs[EMBEDDINGS] for part in parts], axis=0, dtype=np.float32)}
    return made, context


def merge_problem(task: Task, answer: Any, parts: Sequence[WindowOutputs]) -> str:
    """Of what `merge` returns: every output of the task by name, as it is declared and finite, and a context."""
    if not isinstance(answer, tuple) or len(answer) != 2 or not isinstance(answer[0], Mapping):
        given = f"a tuple of {len(answer)}" if isinstance(answer, tuple) else type(answer).__name__
        return f"`merge` returns {given}, not a tuple of outputs by name and a context."
    made = answer[0]
    for output in task.outputs:
        if output.name not in made:
            return f"`merge` returns {', '.join(map(str, made)) or 'nothing'}, without the output {output.name!r}."
        if wrong := _array_problem(output, made[output.name], [part.outputs[output.name] for part in parts]):
            return f"`merge` returns {output.name!r} {wrong}."
    if EMBEDDINGS in made and EMBEDDINGS in parts[0].outputs:
        windows = [part.outputs[EMBEDDINGS] for part in parts]
        if wrong := _array_problem(Output(EMBEDDINGS, ("batch", *windows[0].shape)), made[EMBEDDINGS], windows):
            return f"`merge` returns {EMBEDDINGS!r} {wrong}."
    return ""


def _array_problem(output: Output, given: Any, windows: Sequence[np.ndarray]) -> str:
    """What is wrong with the merged output of one input, whose windows have these."""
    if not isinstance(given, np.ndarray | np.generic):
        return f"as {type(given).__name__}, not as an array"
    if len(given.shape) != len(output.axes) - 1 or any(
        isinstance(axis, int) and size != axis for size, axis in zip(given.shape, output.axes[1:], strict=True)
    ):
        return f"of shape {list(given.shape)}; the task declares {list(output.axes[1:])} for each input"
    if given.dtype != output.dtype and not (given.dtype.kind == "f" and output.dtype.startswith("float")):
        return f"as {given.dtype}; the task declares {output.dtype}"
    if given.dtype.kind == "f" and not np.isfinite(given).all() and all(np.isfinite(each).all() for each in windows):
        return "with NaN or infinity, which no window has"
    return ""

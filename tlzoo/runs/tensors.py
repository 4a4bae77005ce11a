"""The tensors of a run folder: all weights, and a few samples with the outputs that the model had for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file

from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import HookError, RunError
from tlzoo.io.disk import write_errors
from tlzoo.io.entry_points import describe_plugin
from tlzoo.models.model import TaskModel
from tlzoo.models.onnx_export import eager_outputs
from tlzoo.runs.record import short_reason
from tlzoo.tasks import Task
from tlzoo.tasks.agreement import differences, largest_magnitude
from tlzoo.tasks.contract import outputs_problem

WEIGHTS = "model.safetensors"
REFERENCE = "reference.safetensors"
REFERENCE_SAMPLES = 8
REFERENCE_TOLERANCE = 1e-4
LOAD_ERRORS = (OSError, RuntimeError, ValueError, SafetensorError)
"""What is raised where weights are missing, torn or of another model."""


@contextmanager
def _as_others(path: Path) -> Iterator[None]:
    """Name the file in errors, and let whoever may read a run's other files read what safetensors makes private."""
    with write_errors(path):
        path.touch()
        mode = path.stat().st_mode
        yield
        path.chmod(mode)


def save_weights(folder: Path, model: TaskModel) -> None:
    """Write all weights, those of the frozen part too."""
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    with _as_others(folder / WEIGHTS):
        save_file(state, folder / WEIGHTS)


def load_weights(folder: Path, model: TaskModel) -> None:
    """Lay the weights of a run over a model; raises one of `LOAD_ERRORS` where they are not its own."""
    model.load_state_dict(load_file(folder / WEIGHTS), strict=True)


def save_reference(folder: Path, model: TaskModel, data: TaskDataset) -> None:
    """Write some preprocessed samples with the model's outputs."""
    arrays = data.arrays(range(min(REFERENCE_SAMPLES, len(data))))
    outputs = {name: np.ascontiguousarray(array) for name, array in eager_outputs(model, arrays).items()}
    with _as_others(folder / REFERENCE):
        save_arrays({**arrays, **outputs}, folder / REFERENCE)


def check_reference(folder: Path, model: TaskModel, upgraded: str = "") -> None:
    """Raise RunError where the model gives other outputs than it did: a plugin of another version may build another.

    `upgraded` says which plugins are of another version, for the hint.
    """
    hint = f"{upgraded}Install the versions that its run.json names, or train again."
    try:
        stored = load_arrays(folder / REFERENCE)
        arrays = {name: stored.pop(name) for name in model.parts.example_inputs}
    except (OSError, ValueError, KeyError, SafetensorError) as cause:
        raise RunError(f"{folder}/{REFERENCE} cannot be loaded: {short_reason(cause)}.", hint="Train again.") from cause
    outputs = model.task.outputs
    if missing := [output.name for output in outputs if output.name not in stored]:
        raise _changed(
            folder, model.task, f"now has an output {missing[0]!r}; it was trained with {', '.join(stored)}.", hint
        )
    expected = {output.name: stored[output.name] for output in outputs}
    try:
        now = eager_outputs(model, arrays)
    except HookError as cause:
        raise RunError(f"{folder} cannot be used: {cause.message}", hint=hint) from cause
    rows = len(next(iter(arrays.values())))
    if model.task.plugin and (wrong := outputs_problem(outputs, [now[each.name] for each in outputs], rows)):
        raise _changed(folder, model.task, f"does not fit its model: {wrong}", hint)
    for name, right in expected.items():
        if now[name].shape != right.shape:
            was = f"{list(right.shape)} when it was trained, and is {list(now[name].shape)} now"
            raise _changed(folder, model.task, f"has changed: {name!r} was of shape {was}.", hint)
    difference = max(differences(now[name], right).max() / largest_magnitude(right) for name, right in expected.items())
    if not difference <= REFERENCE_TOLERANCE:
        raise RunError(
            f"The model rebuilt from {folder} does not return the outputs saved with it "
            f"(relative difference {difference:.1e}).",
            hint=hint,
        )


def _changed(folder: Path, task: Task, what: str, hint: str) -> RunError:
    whose = f" of {describe_plugin(task.plugin)}" if task.plugin else ""
    return RunError(f"{folder} cannot be used: the task {task.name}{whose} {what}", hint=hint)

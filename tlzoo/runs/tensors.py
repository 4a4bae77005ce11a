"""The tensors of a run folder: all weights, and a few samples with the outputs that the model had for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file

from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import RunError
from tlzoo.models.model import TaskModel
from tlzoo.models.onnx_export import eager_outputs
from tlzoo.runs.record import short_reason
from tlzoo.tasks.agreement import differences, largest_magnitude

WEIGHTS = "model.safetensors"
REFERENCE = "reference.safetensors"
REFERENCE_SAMPLES = 8
REFERENCE_TOLERANCE = 1e-4
LOAD_ERRORS = (OSError, RuntimeError, ValueError, SafetensorError)
"""What is raised where weights are missing, torn or of another model."""


def save_weights(folder: Path, model: TaskModel) -> None:
    """Write all weights, those of the frozen part too."""
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    save_file(state, folder / WEIGHTS)


def load_weights(folder: Path, model: TaskModel) -> None:
    """Lay the weights of a run over a model; raises one of `DAMAGED` where they are not its own."""
    model.load_state_dict(load_file(folder / WEIGHTS), strict=True)


def save_reference(folder: Path, model: TaskModel, data: TaskDataset) -> None:
    """Write some preprocessed samples with the model's outputs."""
    arrays = data.arrays(range(min(REFERENCE_SAMPLES, len(data))))
    outputs = {name: np.ascontiguousarray(array) for name, array in eager_outputs(model, arrays).items()}
    save_arrays({**arrays, **outputs}, folder / REFERENCE)


def check_reference(folder: Path, model: TaskModel) -> None:
    """Raise RunError where the model gives other outputs than it did: a plugin of another version may build another."""
    try:
        stored = load_arrays(folder / REFERENCE)
        expected = {output.name: stored[output.name] for output in model.task.outputs}
        arrays = {name: stored[name] for name in model.parts.example_inputs}
    except (OSError, ValueError, KeyError, SafetensorError) as cause:
        raise RunError(f"{folder}/{REFERENCE} cannot be loaded: {short_reason(cause)}.", hint="Train again.") from cause
    now = eager_outputs(model, arrays)
    difference = max(differences(now[name], right).max() / largest_magnitude(right) for name, right in expected.items())
    if not difference <= REFERENCE_TOLERANCE:
        raise RunError(
            f"The model rebuilt from {folder} does not return the outputs saved with it "
            f"(relative difference {difference:.1e}).",
            hint="Install the versions that its run.json names, or train again.",
        )

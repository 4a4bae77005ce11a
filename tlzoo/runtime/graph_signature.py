"""Whether the inputs and outputs of a graph are those of its manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort

from tlzoo.errors import ArtifactError
from tlzoo.specs import AudioSpec, ImageSpec, TextSpec

if TYPE_CHECKING:
    from tlzoo.artifact.manifest import Manifest
    from tlzoo.tasks.base import Output, Task

_FLOATS = frozenset({"tensor(float)", "tensor(float16)", "tensor(double)"})
ExpectedInputs = Mapping[str, tuple[str, tuple[int | None, ...]]]


def check_graph(session: ort.InferenceSession, manifest: Manifest, task: Task, file: str) -> None:
    """Raise ArtifactError where inputs differ from what preprocessing makes, or outputs from those of the task."""
    expected_arrays = expected_inputs(manifest)
    if expected_arrays is not None:
        _check_inputs(session.get_inputs(), expected_arrays, file)
    given = {output.name: output for output in session.get_outputs()}
    for output in task.outputs:
        if output.name not in given:
            raise _mismatch(file, f"has no output {output.name!r}; it has {', '.join(given)}")
        _check_output(output, given[output.name], file)


def _check_output(output: Output, found: Any, file: str) -> None:
    kinds = _FLOATS if output.dtype.startswith("float") else {f"tensor({output.dtype})"}
    # a name, or nothing, where the graph leaves a size open
    fits = not found.shape or (
        len(found.shape) == len(output.axes)
        and all(
            size == axis
            for size, axis in zip(found.shape, output.axes, strict=True)
            if isinstance(size, int) and isinstance(axis, int)
        )
    )
    if found.type not in kinds or not fits:
        raise _mismatch(
            file, f"has output {output.name!r} as {found.type} {found.shape}, not {output.dtype} {list(output.axes)}"
        )


def arrays_problem(inputs: Sequence[Any], arrays: Mapping[str, np.ndarray]) -> str:
    """What of arrays differs from the graph's inputs in name, type or number of axes; empty where all fit."""
    for given in inputs:
        if given.name not in arrays:
            return f"there is no {given.name!r} among {', '.join(map(repr, arrays)) or 'no arrays'}"
        array = arrays[given.name]
        if given.shape and array.ndim != len(given.shape):
            return f"{given.name!r} has {array.ndim} axes, not {len(given.shape)}"
        kind = {"float32": "float", "float64": "double"}.get(array.dtype.name, array.dtype.name)
        if given.type != f"tensor({kind})":
            return f"{given.name!r} is {array.dtype}, not {given.type}"
    return ""


def check_shapes(found: Mapping[str, np.ndarray], inputs: Mapping[str, np.ndarray], task: Task) -> None:
    """Raise ArtifactError where the graph returned another number of rows [N, ...] than it was given, or an output of
    the task in another shape than its axes say, whatever the file declares."""
    count = len(next(iter(inputs.values())))
    declared = {output.name: output.axes for output in task.outputs}
    for name, array in found.items():
        axes = declared.get(name, (None,) * array.ndim)
        fits = array.ndim == len(axes) > 0 and len(array) == count
        sizes = zip(array.shape, axes, strict=False)
        if not fits or any(isinstance(axis, int) and size != axis for size, axis in sizes):
            raise ArtifactError(
                f"The model returned {name!r} of shape {list(array.shape)} for {count} inputs"
                + (f"; its task declares {list(axes)}." if name in declared else "."),
                hint="Export it again.",
            )


def expected_inputs(manifest: Manifest) -> ExpectedInputs | None:
    """The arrays that the preprocessing makes: type and shape by name; None where only a plugin knows."""
    match manifest.preprocess:
        case ImageSpec(size=size):
            sides = (None, None) if manifest.raw_input else size
            return {"image": ("tensor(uint8)", (None, *sides, 3))}
        case TextSpec():
            return dict.fromkeys(("input_ids", "attention_mask"), ("tensor(int64)", (None, None)))
        case AudioSpec(sample_rate=rate, seconds=seconds):
            return {"audio": ("tensor(float)", (None, round(rate * seconds)))}
    return None


def _check_inputs(inputs: Sequence[Any], expected_arrays: ExpectedInputs, file: str) -> None:
    if not inputs:
        raise _mismatch(file, "takes no input")
    for given in inputs:
        if given.name not in expected_arrays:
            raise _mismatch(
                file, f"takes an input {given.name!r}; its preprocessing makes {', '.join(expected_arrays)}"
            )
        kind, shape = expected_arrays[given.name]
        if given.type != kind or not _shapes_match(given.shape, shape):
            expected_shape = ["?" if size is None else size for size in shape]
            raise _mismatch(file, f"takes {given.name!r} as {given.type} {given.shape}, not as {kind} {expected_shape}")


def _shapes_match(actual: Sequence[int | str | None], expected: Sequence[int | None]) -> bool:
    """Whether the shapes are the same where both are known."""
    return len(actual) == len(expected) and all(
        size == fixed
        for size, fixed in zip(actual, expected, strict=True)
        if isinstance(size, int) and fixed is not None
    )


def _mismatch(file: str, what: str) -> ArtifactError:
    return ArtifactError(f"{file} {what}.", hint="Export it again: tlzoo export RUN --out FILE.onnx")

"""The task of a file, and a replacement where its plugin is not installed: outputs as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tlzoo.artifact.manifest import Manifest, Signature, Tensor
from tlzoo.errors import ArtifactError, HookError, PluginError, UsageError
from tlzoo.io.entry_points import describe_plugin
from tlzoo.plugins.tasks import task_of
from tlzoo.progress import say
from tlzoo.tasks.base import DEFAULT_OPTIONS, DecodeOptions, Input, Output, Prediction, Target, Task
from tlzoo.tasks.contract import declaration_problem
from tlzoo.tasks.row import Row
from tlzoo.tasks.rows import Outputs


@dataclass(frozen=True)
class ArraysPrediction(Prediction):
    """The outputs of a model whose task's plugin is not installed, by name, as nested lists."""

    outputs: dict[str, Any]

    def as_line(self) -> dict[str, str]:
        """The input, and each output's shape and first numbers."""
        return {"input": str(self.input), **{name: _shown(value) for name, value in self.outputs.items()}}


def _shown(value: Any) -> str:
    array = np.asarray(value)
    numbers = " ".join(f"{number:.4g}" for number in array.ravel()[:4])
    return f"[{'x'.join(map(str, array.shape))}] {numbers}{' ...' if array.size > 4 else ''}" if array.ndim else numbers


@dataclass(frozen=True)
class UnknownTask(Task):
    """A task known by its outputs alone; `reason` says why its plugin cannot be used."""

    signature: Signature | None = None
    reason: str = ""

    answers: ClassVar[str] = "outputs"
    prediction: ClassVar[type[Prediction]] = ArraysPrediction
    folders: ClassVar[bool] = True

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Those that the file names."""
        assert self.signature is not None
        names = self.signature.task_inputs
        return tuple(map(Input, names, self.signature.task_columns or names))

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Those that the file names."""
        assert self.signature is not None
        return tuple(Output(each.name, each.axes, each.dtype) for each in self.signature.task_outputs)

    @property
    def endings(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of files that only the plugin reads."""
        assert self.signature is not None
        return self.signature.task_endings

    def layouts(self, path: Path) -> None:
        """Files of these endings are what only the plugin reads."""
        if path.suffix.lower() in self.endings:
            raise UsageError(f"File {path} cannot be read without the plugin of {self.name}.", hint=self._way_out)

    def read(self, row: Row) -> Target:
        """Targets are what only the plugin knows."""
        raise UsageError(
            f"The labels of {self.name} cannot be read without its plugin, as it was when the file was exported.",
            hint=self._way_out,
        )

    @property
    def _way_out(self) -> str:
        return self.reason or "Install the plugin that the file names: tlzoo inspect FILE"

    def decode(
        self, outputs: Outputs, contexts: Sequence[Any] = (), options: DecodeOptions = DEFAULT_OPTIONS
    ) -> list[ArraysPrediction]:
        """Each sample's outputs as they are."""
        count = len(next(iter(outputs.values())))
        return [
            ArraysPrediction({name: np.asarray(rows[at]).tolist() for name, rows in outputs.items()})
            for at in range(count)
        ]


def task_of_manifest(manifest: Manifest) -> Task:
    """The task of a file; where its plugin is missing or another version, one that returns arrays, with a note.

    Raises ArtifactError where the manifest names no task that can be.
    """
    try:
        task = task_of(manifest.task, manifest.labels, manifest.settings, manifest.plugin)
    except HookError:
        raise
    except (PluginError, UsageError) as error:
        if isinstance(error, UsageError) and not manifest.plugin:
            raise ArtifactError(f"The file's task cannot be used: {error.message}", hint=error.hint) from error
        if manifest.signature is None:
            raise
        return _unknown_task(manifest, manifest.signature, str(error))
    if manifest.plugin and manifest.signature is not None and (wrong := _changes(task, manifest.signature)):
        return _unknown_task(manifest, manifest.signature, f"{wrong} Install {_owner(manifest)}, or export again.")
    return task


def _unknown_task(manifest: Manifest, signature: Signature, reason: str) -> UnknownTask:
    say(f"The task {manifest.task} needs {_owner(manifest)}; predictions are the model's outputs as arrays. {reason}")
    if signature.windows:
        say("Long inputs are not cut into windows, as the plugin does: the model may see their beginning only.")
    return UnknownTask(manifest.task, manifest.labels, signature, reason)


def _owner(manifest: Manifest) -> str:
    return manifest.distribution or f"the plugin {manifest.plugin!r}"


def _changes(task: Task, signature: Signature) -> str:
    """What a plugin's task declares otherwise than the file, which another version of the plugin may have exported."""
    whose = f"The task {task.name} of {describe_plugin(task.plugin)}"
    if wrong := declaration_problem(task):
        return f"{whose} cannot be used: {wrong}"
    inputs = [each.name for each in task.inputs]
    if inputs != list(signature.task_inputs):
        return f"{whose} has the inputs {', '.join(inputs)}, the file {', '.join(signature.task_inputs)}."
    ours, theirs = (_described(each) for each in (task.outputs, signature.task_outputs))
    return "" if ours == theirs else f"{whose} has the outputs {', '.join(ours)}; the file has {', '.join(theirs)}."


def _described(outputs: Sequence[Output | Tensor]) -> list[str]:
    """Outputs for people, in one order; what a varying axis is called makes no difference."""
    return sorted(
        f"{each.name} {each.dtype}[{', '.join('?' if isinstance(axis, str) else str(axis) for axis in each.axes)}]"
        for each in outputs
    )

"""The task of a file, and a replacement where its plugin is not installed: outputs as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tlzoo.artifact.manifest import Manifest, Signature
from tlzoo.errors import ArtifactError, HookError, PluginError, UsageError
from tlzoo.plugins.tasks import task_of
from tlzoo.progress import say
from tlzoo.tasks.base import DEFAULT_OPTIONS, DecodeOptions, Input, Output, Prediction, Target, Task
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
        return tuple(Input(name) for name in self.signature.task_inputs)

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Those that the file names."""
        assert self.signature is not None
        return tuple(Output(each.name, each.axes, each.dtype) for each in self.signature.task_outputs)

    def read(self, row: Row) -> Target:
        """Targets are what only the plugin knows."""
        raise UsageError(
            f"The labels of {self.name} cannot be read without its plugin.",
            hint=self.reason or "Install the plugin that the file names: tlzoo inspect FILE",
        )

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
        return task_of(manifest.task, manifest.labels, manifest.settings, manifest.plugin)
    except HookError:
        raise
    except (PluginError, UsageError) as error:
        if isinstance(error, UsageError) and not manifest.plugin:
            raise ArtifactError(f"The file's task cannot be used: {error.message}", hint=error.hint) from error
        if manifest.signature is None:
            raise
        owner = manifest.distribution or f"the plugin {manifest.plugin!r}"
        say(f"The task {manifest.task} needs {owner}; predictions are the model's outputs as arrays. {error}")
        return UnknownTask(manifest.task, manifest.labels, manifest.signature, str(error))

"""The hook specifications, nothing else. All are asked of one plugin; `None` means "not mine"."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import numpy as np

    from tlzoo.interfaces import (
        AdaptationMethod,
        Backbone,
        Dataset,
        ExportFormat,
        FeatureKind,
        Freeze,
        Graph,
        Head,
        Model,
        RegisteredTask,
        Repository,
        Strategy,
        Weights,
    )
    from tlzoo.registry.schema import Checkpoint
    from tlzoo.specs import Preprocess
    from tlzoo.tasks import Task

hookspec = pluggy.HookspecMarker("tlzoo")
hookimpl = pluggy.HookimplMarker("tlzoo")


@hookspec(firstresult=True)
def resolve_checkpoint(id: str, repository: Repository | None) -> Checkpoint | None:
    """Given an id that no registry lists, and of `hf/<org>/<name>` the repository, return its entry. No network."""


@hookspec(firstresult=True)
def load_backbone(checkpoint: Checkpoint, weights: Weights | None, output: FeatureKind) -> Backbone | None:
    """Given a checkpoint and its verified local files (`None`: random weights), return the backbone. No network."""


@hookspec(firstresult=True)
def build_head(backbone: Backbone, task: Task, options: Mapping[str, Any]) -> Head | None:
    """Given a backbone and a task, return a head with its loss."""


@hookspec(firstresult=True)
def freeze(model: Model, policy: str) -> Freeze | None:
    """Given a model and a policy such as `all` or `until:<stage>`, return what trains; only adapters may be added."""


@hookspec(firstresult=True)
def adapt_domain(
    model: Model, source: Dataset | None, target: Dataset, method: str, options: Mapping[str, Any]
) -> Model | None:
    """Given a trained model, labelled source data (`None`: source-free) and unlabelled target data, adapt it."""


@hookspec(firstresult=True)
def export(model: Model, path: Path, opset: int) -> Graph | None:
    """Given a model in eval mode on the CPU, write one ONNX file to `path` and return its graph."""


@hookspec(firstresult=True)
def make_preprocessor(spec: Preprocess) -> Callable[[Sequence[Any]], dict[str, np.ndarray]] | None:
    """Given a specification, return a callable from raw inputs to arrays. Runs where torch is not installed."""


@hookspec(firstresult=True)
def register_tasks() -> Iterable[RegisteredTask] | None:
    """Return the tasks that the plugin adds; users name them with --task. Runs where torch is not installed."""


@hookspec(firstresult=True)
def register_adaptation() -> Iterable[AdaptationMethod] | None:
    """Return methods of domain adaptation, for runs of any checkpoint; users name them with --method."""


@hookspec(firstresult=True)
def register_strategies() -> Iterable[Strategy] | None:
    """Return ways of training, for any checkpoint; users name them with --strategy."""


@hookspec(firstresult=True)
def register_formats() -> Iterable[ExportFormat] | None:
    """Return layouts of exported files; users name them with --format."""

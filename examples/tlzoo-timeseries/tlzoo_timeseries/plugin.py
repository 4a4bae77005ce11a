"""The hooks of the time series plugin. Importing this needs neither torch nor numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tlzoo.errors import UsageError
from tlzoo.plugin import PluginSpec, RegisteredTask, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from tlzoo.plugin import Backbone, Checkpoint, FeatureKind, Head, Preprocess, Repository, Task, Weights

NAME = "timeseries"
ARCHITECTURES = ("rocket", "fracast")


def is_ours(spec: Preprocess) -> bool:
    """Whether this preprocessing is of this plugin."""
    return isinstance(spec, PluginSpec) and spec.plugin == NAME


@hookimpl
def resolve_checkpoint(id: str, repository: Repository | None) -> Checkpoint | None:
    """Of `timeseries/rocket-<n>`: the first n kernels of the file that this package brings; else `None`."""
    from tlzoo_timeseries.entries import first_kernels

    return first_kernels(id)


@hookimpl
def load_backbone(checkpoint: Checkpoint, weights: Weights | None, output: FeatureKind) -> Backbone | None:
    """Build `rocket` or `fracast` over `series` float32 [N, C, T]; else `None`. C and T are fixed by `preprocess`.

    Raises UsageError for an output other than `vector`, RegistryError for an entry that contradicts its network,
    SourceError for weights that do not fit it.
    """
    spec = checkpoint.preprocess
    if checkpoint.plugin != NAME or checkpoint.architecture not in ARCHITECTURES:
        return None
    if not isinstance(spec, PluginSpec) or spec.plugin != NAME:
        return None
    if output != "vector":
        raise UsageError(f"{checkpoint.id!r} has no output of kind {output!r}.", hint="It has: vector.")
    from tlzoo_timeseries.backbones import build

    return build(checkpoint, spec, weights)


@hookimpl
def build_head(backbone: Backbone, task: Task, options: Mapping[str, Any]) -> Head | None:
    """A linear layer behind a normalisation of each kind of feature.

    `None` for the backbone of another plugin, and for forecasting, which has a head of its own.
    """
    if not is_ours(backbone.preprocess) or backbone.output != "vector" or task.plugin == NAME:
        return None
    from tlzoo_timeseries.heads import normalised_head

    return normalised_head(backbone, task, options)


@hookimpl
def make_preprocessor(spec: Preprocess) -> Callable[[Sequence[Any]], dict[str, np.ndarray]] | None:
    """Series files or arrays to `series` float32 [N, C, T]; `None` for preprocessing that is not this plugin's."""
    if not isinstance(spec, PluginSpec) or spec.plugin != NAME:
        return None
    from tlzoo_timeseries.series import SeriesPreprocessor, Shape

    return SeriesPreprocessor(Shape.of(spec.options))


@hookimpl
def register_tasks() -> list[RegisteredTask]:
    """Forecasting, which the core does not know."""
    from tlzoo_timeseries.forecasting import Forecasting

    return [RegisteredTask("forecasting", Forecasting)]

"""Transfer learning that ends in one self-describing ONNX file, proven equal to what was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlzoo.io.lazy import lazy_names
from tlzoo.version import __version__

if TYPE_CHECKING:
    from tlzoo import registry
    from tlzoo.errors import TlzooError
    from tlzoo.interfaces import Backbone, Freeze, Graph, Head, Repository, Stage, Weights
    from tlzoo.models.heads import default_head
    from tlzoo.models.meta_device import outline
    from tlzoo.options import Options
    from tlzoo.plugins.hookspecs import hookimpl
    from tlzoo.runtime import load
    from tlzoo.weights.formats.statedict import read_state
    from tlzoo.workflows.adapt import adapt
    from tlzoo.workflows.evaluate import evaluate
    from tlzoo.workflows.finetune import finetune
    from tlzoo.workflows.run import Run
    from tlzoo.workflows.verify import verify

_HOME: dict[str, str | None] = {
    "Backbone": "tlzoo.interfaces",
    "Freeze": "tlzoo.interfaces",
    "Graph": "tlzoo.interfaces",
    "Head": "tlzoo.interfaces",
    "Options": "tlzoo.options",
    "Repository": "tlzoo.interfaces",
    "Run": "tlzoo.workflows.run",
    "Stage": "tlzoo.interfaces",
    "TlzooError": "tlzoo.errors",
    "Weights": "tlzoo.interfaces",
    "adapt": "tlzoo.workflows.adapt",
    "evaluate": "tlzoo.workflows.evaluate",
    "finetune": "tlzoo.workflows.finetune",
    "hookimpl": "tlzoo.plugins.hookspecs",
    "default_head": "tlzoo.models.heads",
    "load": "tlzoo.runtime",
    "outline": "tlzoo.models.meta_device",
    "read_state": "tlzoo.weights.formats.statedict",
    "registry": None,
    "verify": "tlzoo.workflows.verify",
}

__all__ = [
    "Backbone",
    "Freeze",
    "Graph",
    "Head",
    "Options",
    "Repository",
    "Run",
    "Stage",
    "TlzooError",
    "Weights",
    "__version__",
    "adapt",
    "default_head",
    "evaluate",
    "finetune",
    "hookimpl",
    "load",
    "outline",
    "read_state",
    "registry",
    "verify",
]


__getattr__ = lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return __all__

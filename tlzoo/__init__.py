"""Transfer learning that ends in one self-describing ONNX file, proven equal to what was trained."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlzoo import registry as registry
    from tlzoo.errors import TlzooError as TlzooError
    from tlzoo.interfaces import Backbone as Backbone
    from tlzoo.interfaces import Freeze as Freeze
    from tlzoo.interfaces import Graph as Graph
    from tlzoo.interfaces import Head as Head
    from tlzoo.interfaces import Repository as Repository
    from tlzoo.interfaces import Stage as Stage
    from tlzoo.interfaces import Weights as Weights
    from tlzoo.models.meta_device import outline as outline
    from tlzoo.options import Options as Options
    from tlzoo.plugins.hookspecs import hookimpl as hookimpl
    from tlzoo.runs.run import Run as Run
    from tlzoo.runtime import load as load
    from tlzoo.tasks.heads import linear_head as linear_head
    from tlzoo.weights.formats.statedict import read_state as read_state
    from tlzoo.workflows.adapt import adapt as adapt
    from tlzoo.workflows.evaluate import evaluate as evaluate
    from tlzoo.workflows.finetune import finetune as finetune
    from tlzoo.workflows.verify import verify as verify

__version__ = "0.1.0"

_HOME = {
    "Backbone": "tlzoo.interfaces",
    "Freeze": "tlzoo.interfaces",
    "Graph": "tlzoo.interfaces",
    "Head": "tlzoo.interfaces",
    "Options": "tlzoo.options",
    "Repository": "tlzoo.interfaces",
    "Run": "tlzoo.runs.run",
    "Stage": "tlzoo.interfaces",
    "TlzooError": "tlzoo.errors",
    "Weights": "tlzoo.interfaces",
    "adapt": "tlzoo.workflows.adapt",
    "evaluate": "tlzoo.workflows.evaluate",
    "finetune": "tlzoo.workflows.finetune",
    "hookimpl": "tlzoo.plugins.hookspecs",
    "linear_head": "tlzoo.tasks.heads",
    "load": "tlzoo.runtime",
    "outline": "tlzoo.models.meta_device",
    "read_state": "tlzoo.weights.formats.statedict",
    "registry": "",
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
    "evaluate",
    "finetune",
    "hookimpl",
    "linear_head",
    "load",
    "outline",
    "read_state",
    "registry",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tlzoo' has no attribute {name!r}")
    if not _HOME[name]:
        return importlib.import_module(f"tlzoo.{name}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

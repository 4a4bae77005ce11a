"""Transfer learning that ends in one self-describing ONNX file, proven equal to what was trained."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlzoo import registry as registry
    from tlzoo.engine.adaptation import adapt as adapt
    from tlzoo.engine.finetuning import finetune as finetune
    from tlzoo.engine.heads import linear_head as linear_head
    from tlzoo.engine.options import Options as Options
    from tlzoo.engine.outline import outline as outline
    from tlzoo.engine.run import Run as Run
    from tlzoo.engine.statedict import read_state as read_state
    from tlzoo.errors import TlzooError as TlzooError
    from tlzoo.evaluation import evaluate as evaluate
    from tlzoo.hookspecs import hookimpl as hookimpl
    from tlzoo.parts import (
        Backbone as Backbone,
    )
    from tlzoo.parts import (
        Freeze as Freeze,
    )
    from tlzoo.parts import (
        Graph as Graph,
    )
    from tlzoo.parts import (
        Head as Head,
    )
    from tlzoo.parts import (
        Repository as Repository,
    )
    from tlzoo.parts import (
        Stage as Stage,
    )
    from tlzoo.parts import (
        Weights as Weights,
    )
    from tlzoo.runtime import load as load
    from tlzoo.verification import verify as verify

__version__ = "0.1.0"

_HOME = {
    "Backbone": "tlzoo.parts",
    "Freeze": "tlzoo.parts",
    "Graph": "tlzoo.parts",
    "Head": "tlzoo.parts",
    "Options": "tlzoo.engine.options",
    "Repository": "tlzoo.parts",
    "Run": "tlzoo.engine.run",
    "Stage": "tlzoo.parts",
    "TlzooError": "tlzoo.errors",
    "Weights": "tlzoo.parts",
    "adapt": "tlzoo.engine.adaptation",
    "evaluate": "tlzoo.evaluation",
    "finetune": "tlzoo.engine.finetuning",
    "hookimpl": "tlzoo.hookspecs",
    "linear_head": "tlzoo.engine.heads",
    "load": "tlzoo.runtime",
    "outline": "tlzoo.engine.outline",
    "read_state": "tlzoo.engine.statedict",
    "registry": "",
    "verify": "tlzoo.verification",
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

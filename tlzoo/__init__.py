"""Transfer learning that ends in one self-describing ONNX file, proven equal to what was trained."""

from __future__ import annotations

import importlib
from typing import Any

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

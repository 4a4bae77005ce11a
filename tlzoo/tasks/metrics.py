"""What measuring takes in every family of tasks."""

from __future__ import annotations

from types import ModuleType
from typing import Literal

from tlzoo.errors import UsageError

Direction = Literal["min", "max"]


def scikit_learn_metrics() -> ModuleType:
    """`sklearn.metrics`, imported when something is measured; raises UsageError where it is not installed."""
    try:
        import sklearn.metrics
    except ImportError as cause:
        raise UsageError(
            "Metrics need scikit-learn, which is not installed.", hint="Install it: pip install 'tlzoo[evaluate]'"
        ) from cause
    module: ModuleType = sklearn.metrics
    return module

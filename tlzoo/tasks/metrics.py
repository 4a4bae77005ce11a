"""What measuring takes in every family of tasks."""

from __future__ import annotations

from collections.abc import Mapping
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
            "Measuring needs scikit-learn, which is not installed.", hint="Install it: pip install 'tlzoo[evaluate]'"
        ) from cause
    module: ModuleType = sklearn.metrics
    return module


def direction(task: str, directions: Mapping[str, Direction], metric: str) -> Direction:
    """Where a metric of a task is heading; raises UsageError for one that the task does not have."""
    if metric not in directions:
        raise UsageError(f"{task} has no metric {metric!r}.", hint=f"Its metrics: {', '.join(directions)}")
    return directions[metric]

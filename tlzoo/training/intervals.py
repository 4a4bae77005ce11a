"""How sure a metric is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tlzoo.tasks import Task
from tlzoo.tasks.contract import task_error
from tlzoo.tasks.rows import Outputs

LEVEL = 0.95


def bootstrap_interval(
    task: Task, outputs: Outputs, targets: Sequence[Any], contexts: Sequence[Any], seed: int
) -> dict[str, float | str]:
    """The 95 % confidence interval of the task's headline metric over N test samples.

    By the bootstrap's percentiles (Efron 1979). It covers which samples the test set happens to hold, not the training.
    Raises HookError where a plugin's figures are no numbers.
    """
    random = np.random.default_rng([seed, 2])
    draws = (random.integers(0, len(targets), len(targets)) for _ in range(task.resamples))
    figures = np.asarray(list(task.resample(outputs, targets, contexts, draws)), dtype=float)
    if task.plugin and (figures.shape != (task.resamples,) or not np.isfinite(figures).all()):
        strange = int((~np.isfinite(figures)).sum())
        given = f"`resample` returns {figures.size} values for {task.resamples} draws, {strange} of them not finite."
        raise task_error(task, f"returns unusable metrics: {given}")
    low, high = np.quantile(figures, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"metric": task.headline, "level": LEVEL, "low": float(low), "high": float(high)}

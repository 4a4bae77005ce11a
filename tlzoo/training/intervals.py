"""What a run says of itself at the end: how sure its metric is, where the time went."""

from __future__ import annotations

import numpy as np

from tlzoo.tasks import Task

LEVEL = 0.95
RESAMPLES = {"single": 2000, "regression": 2000, "multilabel": 200}


def interval(task: Task, logits: np.ndarray, targets: np.ndarray, seed: int) -> dict[str, float | str]:
    """The 95 % confidence interval of the task's headline metric over N test samples.

    By the bootstrap's percentiles (Efron 1979). It covers which samples the test set happens to hold, not the training.
    """
    random = np.random.default_rng([seed, 2])
    count = RESAMPLES[task.kind]
    scores = task.samplewise(logits, targets)
    figures = np.empty(count)
    for turn in range(count):
        drawn = random.integers(0, len(targets), len(targets))
        if task.kind == "multilabel":
            figures[turn] = task.metrics(logits[drawn], targets[drawn])[task.headline]
        else:
            figures[turn] = scores[drawn].mean()
    if task.kind == "regression":
        figures = np.sqrt(figures)
    low, high = np.quantile(figures, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"metric": task.headline, "level": LEVEL, "low": float(low), "high": float(high)}

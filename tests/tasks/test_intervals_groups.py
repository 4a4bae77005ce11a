"""Samples of a group say less than as many of others: intervals and comparisons are those of groups."""

from __future__ import annotations

from typing import Any

import numpy as np

from tlzoo.tasks import make_task
from tlzoo.tasks.intervals import by_group, metric_interval, paired_difference, wilson_interval

TASK: Any = make_task("text-classification", ("a", "b"))


def answers(right: np.ndarray) -> dict[str, np.ndarray]:
    """Logits for samples of label `a`, each right or wrong."""
    return {"logits": np.where(right[:, None], [[1.0, 0.0]], [[0.0, 1.0]])}


def test_an_interval_is_that_of_groups_where_all_of_a_group_are_right_or_wrong():
    """Eight groups of 25 copies in all but name, six of them right: as sure as 6 of 8, not as 150 of 200."""
    right = np.repeat([True] * 6 + [False] * 2, 25)
    groups, targets = [f"g{at // 25}" for at in range(200)], ["a"] * 200
    found = metric_interval(TASK, answers(right), targets, [None] * 200, 0.75, 0, groups)
    plain = metric_interval(TASK, answers(right), targets, [None] * 200, 0.75, 0)
    assert (plain["low"], plain["high"]) == wilson_interval(150, 200)
    low, high = found["low"], found["high"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert low <= 0.5
    assert high == 1.0


def test_groups_of_one_sample_each_change_little():
    right = np.arange(200) % 4 > 0
    groups, targets = [f"g{at}" for at in range(200)], ["a"] * 200
    found: Any = metric_interval(TASK, answers(right), targets, [None] * 200, 0.75, 0, groups)
    low, high = wilson_interval(150, 200)
    assert found["low"] > low - 0.01
    assert found["high"] < high + 0.01


def test_a_model_that_is_better_on_one_group_is_better_by_chance():
    run, other = np.ones(60, dtype=bool), np.ones(60, dtype=bool)
    other[:20] = False
    groups, targets = [f"g{at // 20}" for at in range(60)], ["a"] * 60
    found = paired_difference(TASK, answers(run), answers(other), targets, [None] * 60, 0, groups)
    assert found.verdict == "chance"
    assert paired_difference(TASK, answers(run), answers(other), targets, [None] * 60, 0).verdict == "better"


def test_scores_are_added_up_by_group():
    assert by_group(np.array([1.0, 0.5, 2.0]), ["q", "p", "q"]).tolist() == [0.5, 3.0]
    assert by_group(np.array([1.0, 0.5]), None).tolist() == [1.0, 0.5]

"""How sure a metric is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tlzoo.tasks import Task
from tlzoo.tasks.contract import task_error
from tlzoo.tasks.rows import Outputs

LEVEL = 0.95
Z = 1.959963984540054
"""The 97.5 % point of the normal distribution."""
FEW = 20
CHANCE = 0.05
LEAST = 5
"""Samples below which nothing but its range is known of a metric that is no share."""
EXACT, FLIPS = 14, 4000
"""Differences up to which all patterns of signs are counted, and how many are drawn of more."""


@dataclass(frozen=True)
class PairedDifference:
    """The difference of the headline metric between two models on the same samples, its 95 % interval (`None` where it
    has no bound), and the verdict on the first: `better`, `worse` or `chance`."""

    value: float
    low: float | None
    high: float | None
    verdict: Literal["better", "worse", "chance"]


def wilson_interval(right: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of `right` in `count`, 0..1 (Wilson 1927): of 6 in 6 it is 0.61 to 1."""
    share, extra = right / count, Z**2 / count
    middle = (share + extra / 2) / (1 + extra)
    half = Z * math.sqrt(share * (1 - share) / count + extra / (4 * count)) / (1 + extra)
    return max(0.0, middle - half) if right else 0.0, min(1.0, middle + half) if right < count else 1.0


def metric_interval(
    task: Task,
    outputs: Outputs,
    targets: Sequence[Any],
    contexts: Sequence[Any],
    metric: float,
    seed: int,
    groups: Sequence[str] | None = None,
) -> dict[str, float | str | None]:
    """The 95 % confidence interval of the task's headline metric over N test samples, whose value is `metric`.

    It covers which samples the test set happens to hold, not the training. Wilson's where the metric is the share of
    samples that are right; else the bootstrap's percentiles (Efron 1979), widened by half a sample: where all resamples
    agree, the samples there might be do not. Of fewer than 5 samples of a metric that is no share it is the metric's
    range. Samples of a group say less than as many of others: with `groups` the interval is no narrower than that
    of groups drawn with replacement. A side without a bound is `None`. Raises HookError where a plugin's figures are no
    numbers.
    """
    low, high = _share_interval(task, outputs, targets, contexts, metric) or _widened(
        task, bootstrap_interval(task, outputs, targets, contexts, seed), metric, targets
    )
    if groups is not None:
        by_group = _percentiles(_resampled(task, outputs, targets, contexts, seed, groups))
        low, high = min(low, by_group[0]), max(high, by_group[1])
    return {"metric": task.headline, "level": LEVEL, "low": _bound(low), "high": _bound(high)}


def few_samples_note(
    task: Task, count: int, kind: str = "held-out", remedy: str = "Hold out", *, copies: bool = False
) -> str:
    """What is to be said of figures of fewer than 20 samples, of those with `copies` without these; empty for more."""
    if count >= FEW:
        return ""
    aside = ", copies aside," if copies else ""
    samples = f"{count} {kind} sample{'s' * (count > 1)}{aside} {'are' if count > 1 else 'is'} too few"
    if not _is_share(task):  # answers are near or far, not right or wrong
        what = f" for any {task.headline}" if count < LEAST else " for a reliable figure"
        return f"{samples}{what}. {remedy} {FEW} or more."
    low, _ = wilson_interval(count, count)
    return (
        f"{samples} for a reliable figure: "
        f"even {count} of {count} right would have a 95% interval of {low:.0%} to 100%. {remedy} {FEW} or more."
    )


def _share_interval(
    task: Task, outputs: Outputs, targets: Sequence[Any], contexts: Sequence[Any], metric: float
) -> tuple[float, float] | None:
    """Wilson's interval; `None` where the metric is no share, or no mean of what is right or wrong."""
    if not _is_share(task) or not task.overrides("samplewise") or (task.plugin and task.overrides("resample")):
        return None
    scores = np.asarray(task.samplewise(outputs, targets, contexts), dtype=float)
    if not np.isin(scores, (0.0, 1.0)).all() or abs(scores.mean() - metric) > 1e-9:
        return None
    return wilson_interval(float(scores.sum()), len(scores))


def _widened(task: Task, found: tuple[float, float], metric: float, targets: Sequence[Any]) -> tuple[float, float]:
    """The interval with half a sample's worth on each side, within the metric's range.

    Where a share is 0 or 1 resamples say nothing of the others there might be: it is no narrower than Wilson's.
    """
    count, (least, most) = len(targets), _range(task)
    if count < LEAST and not _is_share(task):
        return least, most
    half = _half_a_sample(task, max(abs(metric), _spread(targets)), count)
    low, high = min(found[0], metric - half), max(found[1], metric + half)
    if _is_share(task) and metric <= 0:
        high = max(high, wilson_interval(0, count)[1])
    if _is_share(task) and metric >= 1:
        low = min(low, wilson_interval(count, count)[0])
    return max(least, low), min(most, high)


def _range(task: Task) -> tuple[float, float]:
    """The least and the largest value of the headline; infinite where the task does not declare them."""
    return task.ranges.get(task.headline, (-math.inf, math.inf))


def _is_share(task: Task) -> bool:
    return task.better(task.headline) == "max" and _range(task) == (0, 1)


def _bound(value: float) -> float | None:
    """A bound as JSON holds it."""
    return value if math.isfinite(value) else None


def _half_a_sample(task: Task, metric: float, count: int) -> float:
    """What half a sample in `count` can move the headline by; of a metric in a unit, as a share of its value."""
    return 0.5 / count * (1.0 if _is_share(task) else max(abs(metric), 1e-12))


def _spread(targets: Sequence[Any]) -> float:
    """The standard deviation of targets that are numbers: where all errors are alike, the next may be so large."""
    numbers = all(isinstance(each, int | float | np.number) for each in targets)
    return float(np.std(np.asarray(targets, dtype=float))) if numbers else 0.0


def bootstrap_interval(
    task: Task, outputs: Outputs, targets: Sequence[Any], contexts: Sequence[Any], seed: int
) -> tuple[float, float]:
    """The percentiles of the headline over samples drawn with replacement; raises HookError where it is no number."""
    return _percentiles(_resampled(task, outputs, targets, contexts, seed))


def _percentiles(figures: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(figures, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _resampled(
    task: Task,
    outputs: Outputs,
    targets: Sequence[Any],
    contexts: Sequence[Any],
    seed: int,
    groups: Sequence[str] | None = None,
) -> np.ndarray:
    """The headline of each draw of the samples, or of whole groups, float64; equal seeds draw the same."""
    random = np.random.default_rng([seed, 2])
    members = [np.array([at]) for at in range(len(targets))]
    if groups is not None:
        members = [np.flatnonzero(np.array(groups) == each) for each in dict.fromkeys(groups)]
    drawn = (random.integers(0, len(members), len(members)) for _ in range(task.resamples))
    draws = drawn if groups is None else (np.concatenate([members[at] for at in each]) for each in drawn)
    figures = np.asarray(list(task.resample(outputs, targets, contexts, draws)), dtype=float)
    if task.plugin and (figures.shape != (task.resamples,) or not np.isfinite(figures).all()):
        strange = int((~np.isfinite(figures)).sum())
        given = f"`resample` returns {figures.size} values for {task.resamples} draws, {strange} of them not finite."
        raise task_error(task, f"returns unusable metrics: {given}")
    return figures


def paired_difference(
    task: Task,
    run: Outputs,
    other: Outputs,
    targets: Sequence[Any],
    contexts: Sequence[Any],
    seed: int,
    groups: Sequence[str] | None = None,
) -> PairedDifference:
    """How the headline metric of one model differs from another's on the same N samples, and whether that is chance.

    `value` is `run` - `other`; the interval is the bootstrap's, over the same draws of both, widened by half a sample,
    within the metric's range. Of fewer than 5 samples of a metric that is no share it has no bound narrower than that.
    The verdict is `better` or `worse` where neither the interval nor the paired test (see `beats`) leaves it to chance,
    else `chance`; then the interval holds 0. Where samples have `groups`, whole groups are drawn, and tested. Raises
    HookError where a plugin's figures are no numbers.
    """
    before, after = (task.metrics(each, targets, contexts)[task.headline] for each in (other, run))
    draws = [_resampled(task, each, targets, contexts, seed, groups) for each in (other, run)]
    value, sign = after - before, 1.0 if task.better(task.headline) == "max" else -1.0
    half = _half_a_sample(task, max(before, after, key=abs), len(targets))
    low, high = _percentiles(draws[1] - draws[0])
    low, high = min(low, value - half), max(high, value + half)
    won = value * sign > 0
    certain = low > 0 or high < 0
    if certain and task.overrides("samplewise"):
        found = [sign * np.asarray(task.samplewise(each, targets, contexts), dtype=float) for each in (other, run)]
        scores = [by_group(each, groups) for each in found]
        certain = beats(scores[won], scores[not won])
    least, most = _range(task)
    if len(targets) < LEAST and not _is_share(task):
        low, high, certain = -math.inf, math.inf, False
    if not certain:
        low, high = min(low, 0.0), max(high, 0.0)
    low, high = max(low, least - most), min(high, most - least)
    return PairedDifference(value, _bound(low), _bound(high), ("better" if won else "worse") if certain else "chance")


def by_group(scores: np.ndarray, groups: Sequence[str] | None) -> np.ndarray:
    """The sums of scores [N] over each group, in the order of the groups' names; without groups the scores."""
    if groups is None:
        return scores
    _, numbers = np.unique(np.asarray(groups), return_inverse=True)
    sums: np.ndarray = np.bincount(numbers, weights=scores)
    return sums


def beats(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether scores [N] are higher than others of the same samples by more than chance, 5 % at most.

    By flipping the signs of the differences at random (Fisher 1935), each of N sign patterns in turn where these are
    few: it holds at any N, and of scores of 0 and 1 it is McNemar's exact test (1947).
    """
    gains = (one - other)[one != other]
    if gains.sum() <= 0:
        return False
    if len(gains) <= EXACT:
        signs = 1 - 2.0 * (np.arange(2 ** len(gains))[:, None] >> np.arange(len(gains)) & 1)
        return bool((signs @ gains >= gains.sum() - 1e-12).mean() <= CHANCE)
    random = np.random.default_rng(0)
    flipped = np.array([random.choice((-1.0, 1.0), len(gains)) @ gains for _ in range(FLIPS)])
    return bool(((flipped >= gains.sum() - 1e-12).sum() + 1) / (FLIPS + 1) <= CHANCE)

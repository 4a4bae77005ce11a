"""What an adaptation did: to the answers for the target, to the metrics on held-out source data, and on labelled target
data where there are any."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import TrainingError
from tlzoo.models.model import TaskModel
from tlzoo.tasks import Task
from tlzoo.tasks.contract import compare
from tlzoo.tasks.rows import Outputs
from tlzoo.training.evaluation import outputs
from tlzoo.training.intervals import beats

ENOUGH = 20
"""Target samples below which shares of answers say nothing."""
ONE_SIDED, MIXED = 0.9, 0.6
"""A target of which this share is answered alike, by a model whose training labels are at most that alike."""
COLLAPSED = 0.25
"""Of the labels in use beyond one, the share that an adaptation must leave."""


@dataclass(frozen=True)
class Answers:
    """A model's answers: for the target, `shares` by label (empty where answers are no labels), and where labelled."""

    target: Outputs
    shares: dict[str, float]
    labelled: Outputs | None

    def metrics(self, data: TaskDataset | None) -> dict[str, float] | None:
        """The task's metrics on the labelled target data."""
        return None if data is None or self.labelled is None else data.metrics(self.labelled)


def answers_of(model: TaskModel, target: TaskDataset, labelled: TaskDataset | None) -> Answers:
    """What the model answers now."""
    found = outputs(model, target)
    merged, contexts = target.merge_outputs(found)
    shares = model.task.answer_shares(merged, contexts)
    return Answers(found, shares, None if labelled is None else outputs(model, labelled))


def one_label_note(before: Answers, training: Mapping[str, float], samples: int) -> str:
    """What is to be said of a target that may hold one label only; empty where nothing points to it.

    `training` are the shares of the labels that the model was trained on. A strong shift looks the same without labels.
    """
    if samples < ENOUGH or not before.shares or not training:
        return ""
    label, share = max(before.shares.items(), key=lambda pair: pair[1])
    if share < ONE_SIDED or max(training.values()) > MIXED:
        return ""
    return (
        f"Warning: {share:.0%} of the {samples} target samples are answered {label!r} as the run is. If it holds "
        "that label only, adapting spreads it over all labels and does harm; give target data of all labels, or "
        "labelled data of it to measure on (`test`)."
    )


def verdict(
    task: Task, before: Answers, after: Answers, target: TaskDataset, labelled: TaskDataset | None
) -> dict[str, Any]:
    """The facts for a run's record.

    Raises TrainingError where few of the labels that were in use are left, and where the adapted model is worse on
    labelled target data by more than chance.
    """
    same = compare(task, after.target, before.target, 0.0).same
    facts: dict[str, Any] = {"changed": 1.0 - float(np.mean(same))}
    if before.shares:
        facts |= {"answers_before": before.shares, "answers_after": after.shares}
        _refuse_collapse(before.shares, after.shares, target.samples)
    if labelled is not None and before.labelled is not None and after.labelled is not None:
        facts["target_metrics_before"] = labelled.metrics(before.labelled)
        facts["target_metrics_after"] = labelled.metrics(after.labelled)
        _refuse_harm(task, before.labelled, after.labelled, labelled, facts)
    return facts


def _refuse_collapse(before: Mapping[str, float], after: Mapping[str, float], samples: int) -> None:
    used, left = _labels_in_use(before.values()), _labels_in_use(after.values())
    if samples >= ENOUGH and left <= 1 + COLLAPSED * (used - 1) and used >= 1.5:
        label, share = max(after.items(), key=lambda pair: pair[1])
        raise TrainingError(
            f"The adapted model answers {label!r} for {share:.0%} of the target samples, where before it used "
            f"{used:.1f} labels' worth of answers: it has collapsed, and no run is written.",
            hint="Add target data, or keep the run as it is.",
        )


def _refuse_harm(task: Task, before: Outputs, after: Outputs, data: TaskDataset, facts: Mapping[str, Any]) -> None:
    sign = 1.0 if task.better(task.headline) == "max" else -1.0
    scores = []
    for found in (before, after):
        merged, contexts = data.merge_outputs(found)
        scores.append(sign * np.asarray(task.samplewise(merged, data.sample_targets, contexts), dtype=float))
    if beats(scores[0], scores[1]):
        was, now = (facts[f"target_metrics_{when}"][task.headline] for when in ("before", "after"))
        raise TrainingError(
            f"Adapting does harm: {task.headline} on the {data.samples} labelled target samples goes from {was:.4f} to "
            f"{now:.4f}, by more than chance. No run is written.",
            hint="Keep the run as it is, or add target data.",
        )


def _labels_in_use(shares: Iterable[float]) -> float:
    """How many equally frequent labels are as varied as these: the exponential of their entropy, in nats."""
    return math.exp(-sum(share * math.log(share) for share in shares if share > 0))

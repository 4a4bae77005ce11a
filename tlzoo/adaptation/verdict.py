"""What an adaptation did: to the answers for the target, to the metrics on held-out source data, and on labelled target
data where there are any."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import TrainingError
from tlzoo.models.model import TaskModel
from tlzoo.tasks import Task
from tlzoo.tasks.base import Target
from tlzoo.tasks.contract import compare
from tlzoo.tasks.intervals import LEVEL, few_samples_note, paired_difference
from tlzoo.tasks.rows import Outputs
from tlzoo.training.evaluation import outputs

ENOUGH = 20
"""Distinct target samples below which shares of answers say nothing."""
ONE_SIDED, MIXED = 0.9, 0.6
"""A target of which this share is answered alike, by a model whose training labels are at most that alike."""
MOVED = 0.1
"""The share of the answers that an adaptation may bring nearer to the training labels without a word."""
COLLAPSED = 0.25
"""Of the labels in use beyond one, the share that an adaptation must leave."""
HALF = 0.5
"""The share of a metric that must be left where nothing says what answers without input are worth."""


@dataclass(frozen=True)
class Evidence:
    """The data on which the models before and after are compared; `labelled` is of the target, where there is any.

    `training` are the targets that the model was trained on, `seed` draws the samples of the intervals.
    """

    target: TaskDataset
    heldout: TaskDataset
    labelled: TaskDataset | None
    training: Sequence[Target]
    seed: int


@dataclass(frozen=True)
class Answers:
    """A model's outputs for each part of the evidence; `shares` by label (empty where answers are no labels)."""

    target: Outputs
    shares: dict[str, float]
    heldout: Outputs
    labelled: Outputs | None


def answers_of(model: TaskModel, data: Evidence) -> Answers:
    """What the model answers now."""
    found = outputs(model, data.target)
    merged, contexts = data.target.merge_outputs(found)
    shares = model.task.answer_shares(merged, contexts)
    labelled = None if data.labelled is None else outputs(model, data.labelled)
    return Answers(found, shares, outputs(model, data.heldout), labelled)


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


def moved_note(before: Mapping[str, float], after: Mapping[str, float], training: Mapping[str, float]) -> str:
    """What is to be said of answers that came nearer to the shares of the training labels; empty where few did.

    That is what an adaptation to a domain of those shares does, and what harms one that holds more of a label.
    """
    if not before or not after or not training:
        return ""
    gone, left = _distance(before, training), _distance(after, training)
    if gone - left < MOVED:
        return ""
    label = max(before, key=lambda name: before[name] - after.get(name, 0.0))
    return (
        f"Warning: adapting moved the answers {label!r} from {before[label]:.0%} to {after.get(label, 0.0):.0%} of the "
        f"target, towards the {training.get(label, 0.0):.0%} of the training data. If the target really holds more of "
        "it, that is harm: measure on labelled data of it (`test`)."
    )


def _distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """The total variation between two distributions of labels, 0 to 1."""
    return sum(abs(one.get(name, 0.0) - other.get(name, 0.0)) for name in {**one, **other}) / 2


def verdict(task: Task, before: Answers, after: Answers, data: Evidence) -> dict[str, Any]:
    """The facts for a run's record.

    Raises TrainingError where few of the labels that were in use are left or nearly all answers changed to one label;
    where the adapted model is worse on labelled target data by more than chance; and where it has collapsed on the
    source (see `_has_collapsed`), unless labelled target data show that it is better there by more than chance.
    """
    same = compare(task, after.target, before.target, 0.0).same
    facts: dict[str, Any] = {"changed": 1.0 - float(np.mean(same))}
    if before.shares:
        facts |= {"answers_before": before.shares, "answers_after": after.shares}
        _refuse_collapsed_answers(before.shares, after.shares, facts["changed"], data.target.distinct())
    better = False
    if data.labelled is not None and before.labelled is not None and after.labelled is not None:
        facts |= _compare("target", task, before.labelled, after.labelled, data.labelled, data.seed)
        _refuse_harm(task, data.labelled, facts)
        better = facts["target_change"]["verdict"] == "better"
    facts |= _compare("source", task, before.heldout, after.heldout, data.heldout, data.seed)
    if (
        facts["source_change"]["verdict"] == "worse"
        and not better
        and (why := _has_collapsed(task, before, after, data))
    ):
        raise TrainingError(
            f"The adapted model has collapsed on the source: {_from_to(task, facts, 'source')} on its "
            f"{data.heldout.samples} held-out samples, {why}. No run is written.",
            hint="Check that the target is data of the same kind, or keep the run as it is. With labelled target data "
            "(`test`) a model that is better on them by more than chance is written all the same.",
            parameter="test",
        )
    return facts


def notes(task: Task, facts: Mapping[str, Any], data: Evidence) -> Iterator[str]:
    """What is to be said of a run that is written: harm to the source, and samples that are too few to tell."""
    if facts["source_change"]["verdict"] == "worse":
        yield (
            f"Warning: the adapted model is worse than before on the source by more than chance: "
            f"{_from_to(task, facts, 'source')}. Keep the old run for data like the source's."
        )
    yield few_samples_note(task, len(data.heldout.without_copies()))
    if data.labelled is not None:
        yield few_samples_note(task, len(data.labelled.without_copies()), "labelled target", "Label")


def _compare(where: str, task: Task, before: Outputs, after: Outputs, data: TaskDataset, seed: int) -> dict[str, Any]:
    """The metrics of both models, and the paired difference of the headline."""
    (old, _, _), (new, targets, contexts) = data.independent(before), data.independent(after)
    found = paired_difference(task, new, old, targets, contexts, seed, data.independent_groups())
    difference = {"metric": task.headline, "level": LEVEL, "value": found.value, "low": found.low, "high": found.high}
    return {
        f"{where}_metrics_before": data.metrics(before),
        f"{where}_metrics_after": data.metrics(after),
        f"{where}_change": {"difference": difference, "verdict": found.verdict},
    }


def _from_to(task: Task, facts: Mapping[str, Any], where: str) -> str:
    was, now = (facts[f"{where}_metrics_{when}"][task.headline] for when in ("before", "after"))
    return f"{task.headline} goes from {was:.4f} to {now:.4f}"


def _refuse_collapsed_answers(
    before: Mapping[str, float], after: Mapping[str, float], changed: float, samples: int
) -> None:
    if samples < ENOUGH:
        return
    used, left = _labels_in_use(before.values()), _labels_in_use(after.values())
    label, share = max(after.items(), key=lambda pair: pair[1])
    if left <= 1 + COLLAPSED * (used - 1) and used >= 1.5:
        what = f"where before it used {used:.1f} labels' worth of answers"
    elif changed >= ONE_SIDED and share >= ONE_SIDED:
        what = f"and {changed:.0%} of the answers changed"
    else:
        return
    raise TrainingError(
        f"The adapted model answers {label!r} for {share:.0%} of the target samples, {what}: it has collapsed, and no "
        "run is written.",
        hint="Add target data of all labels, or keep the run as it is.",
    )


def _refuse_harm(task: Task, data: TaskDataset, facts: Mapping[str, Any]) -> None:
    if facts["target_change"]["verdict"] == "worse":
        raise TrainingError(
            f"Adapting does harm: {_from_to(task, facts, 'target')} on the {data.samples} labelled target samples, by "
            "more than chance. No run is written.",
            hint="Keep the run as it is, or add target data.",
        )


def _has_collapsed(task: Task, before: Answers, after: Answers, data: Evidence) -> str:
    """Why a model that became worse on the source is worth nothing there; empty where it still is worth something.

    It is no better, by more than chance, than answering by the frequencies of the training targets, although it was
    before. Where a task has no such answers: more than half of the metric is lost, or an error more than doubled.
    """
    (old, _, _), (new, targets, contexts) = (data.heldout.independent(each.heldout) for each in (before, after))
    blind, groups = task.prior_outputs(data.training, len(targets)), data.heldout.independent_groups()
    if blind is not None:
        useful = [
            paired_difference(task, each, blind, targets, contexts, data.seed, groups).verdict == "better"
            for each in (old, new)
        ]
        least = task.metrics(blind, targets, contexts)[task.headline]
        why = f"no better by more than chance than answering by the frequencies of the training targets ({least:.4f})"
        return why if useful == [True, False] else ""
    was, now = (task.metrics(each, targets, contexts)[task.headline] for each in (old, new))
    if task.better(task.headline) == "min":
        return "more than twice the error" if now > was / HALF else ""
    return "less than half" if was > 0 and now < was * HALF else ""


def _labels_in_use(shares: Iterable[float]) -> float:
    """How many equally frequent labels are as varied as these: the exponential of their entropy, in nats."""
    return math.exp(-sum(share * math.log(share) for share in shares if share > 0))

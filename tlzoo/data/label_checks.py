"""Whether labels are those that a task, or other samples, have, and weights leave something to learn of each."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from tlzoo.data.contents import unseen_labels
from tlzoo.data.samples import Samples
from tlzoo.errors import DataError
from tlzoo.io.texts import input_name, listed_names
from tlzoo.tasks.base import Task


def check_labels(samples: Samples, task: Task, place: str = "") -> None:
    """Raise DataError, which begins with `place`, for labels that the task does not know, naming the first sample."""
    if not samples.targets:
        return
    try:
        task.check_known(samples.targets)
    except DataError as error:
        first = _first_unknown_label(samples, task)
        raise DataError(f"{place}{error.message} {first}".rstrip(), hint=error.hint) from error


def _first_unknown_label(samples: Samples, task: Task) -> str:
    for at, target in enumerate(samples.targets or ()):
        try:
            task.check_known([target])
        except DataError:
            shown = input_name(samples.inputs[at], 80 if samples.modality == "text" else None)
            return f"The first is sample {at + 1}, {shown!r}."
    return ""


def check_no_unseen(train: Samples, other: Samples, task: Task, part: str, place: str = "") -> None:
    """Raise DataError, which begins with `place`, for labels that only `other`, the data of this part, has."""
    if names := unseen_labels(train, other, task):
        where = f"{place} has labels in its {part} data" if place else f"The {part} data has labels"
        raise DataError(
            f"{where} that are not in {'its' if place else 'the'} training data: {names}.",
            hint=f"Add training samples with these labels, or remove them from the {part} data.",
        )


def check_weights(train: Samples, valid: Samples | None, path: str | Path, task: Task) -> None:
    """Raise DataError where nothing weighs anything, or nothing of a label, or only one of training and validation
    samples have weights; errors name `path`, the data's."""
    if train.weights and not any(train.weights):
        raise DataError(f"{path} gives each training sample the weight 0.", hint="Give some of them a weight above 0.")
    whole: defaultdict[str, float] = defaultdict(float)
    for target, weight in zip(train.targets or (), train.weights, strict=False):
        for label in task.labels_in(target):
            whole[label] += weight
    if weightless := sorted(label for label, weight in whole.items() if not weight):
        raise DataError(
            f"{path} gives the weight 0 to each training sample of a label, of which nothing is learnt then: "
            f"{listed_names(weightless, 5)}.",
            hint="Give some of them a weight above 0, or leave them out.",
        )
    if valid is not None and bool(valid.weights) != bool(train.weights):
        raise DataError(
            "The validation data has no weights, and the training data has.",
            hint="A probe is fitted on both: give a table with a column of weights.",
            parameter="validation",
        )

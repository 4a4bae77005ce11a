"""Whether the labels of samples are those that a task, or other samples, have."""

from __future__ import annotations

from tlzoo.data.contents import unseen_labels
from tlzoo.data.samples import Samples
from tlzoo.errors import DataError
from tlzoo.io.texts import input_name
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

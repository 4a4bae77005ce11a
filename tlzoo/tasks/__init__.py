"""Tasks: what targets are, how outputs are judged and decoded. Torch-free; one file per family of tasks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tlzoo.errors import UsageError
from tlzoo.tasks.classification.task import Classification
from tlzoo.tasks.multilabel.task import MultiLabel
from tlzoo.tasks.regression.task import Regression

Task = Classification | MultiLabel | Regression

FAMILY: dict[str, type[Task]] = {
    "classification": Classification,
    "multilabel": MultiLabel,
    "regression": Regression,
}
_NAME = re.compile(rf"([a-z][a-z0-9]*)-({'|'.join(FAMILY)})")


def make_task(name: str, labels: Sequence[str]) -> Task:
    """The task of this name over these labels; raises UsageError for a name that is none."""
    return family(name)(name, tuple(labels))


def family(name: str) -> type[Task]:
    """The family of a task such as `image-regression`; raises UsageError for a name that is none."""
    return FAMILY[_parts(name)[1]]


def modality(name: str) -> str:
    """What a task's inputs are: `image`, `text`, `audio` or a plugin's own; raises UsageError for no task's name."""
    return _parts(name)[0]


def _parts(name: str) -> tuple[str, str]:
    found = _NAME.fullmatch(name)
    if found is None:
        known = ", ".join(f"<modality>-{each}" for each in FAMILY)
        raise UsageError(f"Unknown task {name!r}.", hint=f"Tasks: {known}, of image, text, audio or a plugin's own")
    return found[1], found[2]


def trainable(served: Iterable[str]) -> list[str]:
    """The tasks that a checkpoint serving `served` can be trained for, its own first.

    Whatever classifies can also give several labels or a number: only the head differs.
    """
    own = [name for name in served if _NAME.fullmatch(name)]
    kinds = [modality(name) for name in own if name.endswith("-classification")]
    return list(dict.fromkeys([*own, *(f"{kind}-{other}" for kind in kinds for other in FAMILY)]))

"""Tasks: what targets are, how outputs are judged and decoded. One folder per task: task.py, head.py, page.js."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tlzoo.errors import UsageError
from tlzoo.tasks.base import Agreement as Agreement
from tlzoo.tasks.base import Input as Input
from tlzoo.tasks.base import OperatingPoint as OperatingPoint
from tlzoo.tasks.base import Output as Output
from tlzoo.tasks.base import Prediction as Prediction
from tlzoo.tasks.base import Task as Task
from tlzoo.tasks.classification.task import Classification
from tlzoo.tasks.multilabel.task import MultiLabel
from tlzoo.tasks.regression.task import Regression
from tlzoo.tasks.tokens.task import Tokens

CORE: dict[str, type[Task]] = {each.family: each for each in (Classification, MultiLabel, Regression, Tokens)}
"""The core's tasks by family: the one table of them."""
_NAME = re.compile(r"([a-z][a-z0-9]*)-([a-z][a-z0-9-]*)")


def split_name(name: str) -> tuple[str, str]:
    """Modality and family of a task's name, such as `image-regression`; raises UsageError for no task's name."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise _unknown_task(name)
    return found[1], found[2]


def is_core_task(name: str) -> bool:
    """Whether this is the name of one of the core's tasks."""
    found = _NAME.fullmatch(name)
    return found is not None and found[2] in CORE


def make_task(name: str, labels: Iterable[str] = (), settings: Mapping[str, Any] | None = None) -> Task:
    """The core's task of this name; raises UsageError for a name that is none of its."""
    if not is_core_task(name):
        raise _unknown_task(name)
    return CORE[split_name(name)[1]](name, tuple(labels), **(settings or {}))


def _unknown_task(name: str) -> UsageError:
    known = ", ".join(f"<modality>-{family}" for family in CORE)
    return UsageError(
        f"Unknown task {name!r}.", hint=f"Tasks: {known}, of image, text, audio or a plugin's own", parameter="task"
    )


def modality(name: str) -> str:
    """What a task's inputs are: `image`, `text`, `audio` or a plugin's own; raises UsageError for no task's name."""
    return split_name(name)[0]


def trainable_tasks(served: Iterable[str]) -> list[str]:
    """The core's tasks that a checkpoint serving `served` can be trained for, its own first.

    Whatever classifies can be trained for the other tasks of its modality: only the head differs.
    """
    own = [name for name in served if is_core_task(name)]
    kinds = [modality(name) for name in own if name.endswith("-classification")]
    others = [f"{kind}-{family}" for kind in kinds for family, task in CORE.items() if supports_modality(task, kind)]
    return list(dict.fromkeys([*own, *others]))


def tasks_that_serve(name: str) -> tuple[str, ...]:
    """The names that a checkpoint may have among its tasks to be trainable for this one: its own, and what classifies.

    Of anything but one of the core's tasks that is the name itself.
    """
    if not is_core_task(name):
        return (name,)
    kind, family = split_name(name)
    return (name, f"{kind}-classification") if supports_modality(CORE[family], kind) else (name,)


def supports_modality(task: type[Task], kind: str) -> bool:
    """Whether a task is for inputs of this modality."""
    return task.modalities is None or kind in task.modalities

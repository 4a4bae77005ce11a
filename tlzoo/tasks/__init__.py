"""Tasks: what targets are, how outputs are judged and decoded. Torch-free; one file per family of tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tlzoo.errors import UsageError
from tlzoo.tasks.classification import Classification
from tlzoo.tasks.multilabel import MultiLabel
from tlzoo.tasks.regression import Regression

Task = Classification | MultiLabel | Regression

FAMILY: dict[str, type[Task]] = {
    "classification": Classification,
    "multilabel": MultiLabel,
    "regression": Regression,
}
MODALITY = {f"{modality}-{family}": modality for family in FAMILY for modality in ("image", "text", "audio")}


def make_task(name: str, labels: Sequence[str]) -> Task:
    """The task of this name over these labels; raises UsageError for a name that is none."""
    return family(name)(name, tuple(labels))


def family(name: str) -> type[Task]:
    """The family of a task such as `image-regression`; raises UsageError for a name that is none."""
    if name not in MODALITY:
        raise UsageError(f"Unknown task {name!r}.", hint=f"Tasks: {', '.join(sorted(MODALITY))}")
    return FAMILY[name.partition("-")[2]]


def trainable(served: Iterable[str]) -> list[str]:
    """The tasks that a checkpoint serving `served` can be trained for, its own first.

    Whatever classifies can also give several labels or a number: only the head differs.
    """
    own = [name for name in served if name in MODALITY]
    modalities = [name.partition("-")[0] for name in own if name.endswith("-classification")]
    return list(dict.fromkeys([*own, *(f"{modality}-{other}" for modality in modalities for other in FAMILY)]))

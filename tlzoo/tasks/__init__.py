"""Tasks: what targets are, how outputs are judged and decoded. Torch-free; one file per family of tasks."""

from __future__ import annotations

from collections.abc import Sequence

from tlzoo.errors import UsageError
from tlzoo.tasks.classification import Classification

Task = Classification

MODALITY = {
    "image-classification": "image",
    "text-classification": "text",
    "audio-classification": "audio",
}


def make_task(name: str, labels: Sequence[str]) -> Task:
    """The task of this name over these labels; raises UsageError for a name that is none."""
    if name not in MODALITY:
        raise UsageError(f"Unknown task {name!r}.", hint=f"Tasks: {', '.join(sorted(MODALITY))}")
    return Classification(name, tuple(labels))

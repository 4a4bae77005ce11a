"""What of a checkpoint can be asked: the words and numbers that filters compare, what free text sees, the orders."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from tlzoo.registry.schema import Checkpoint
from tlzoo.specs import ImageSpec

WORDS: dict[str, Callable[[Checkpoint], Iterable[str]]] = {
    "task": lambda checkpoint: checkpoint.tasks,
    "modality": lambda checkpoint: (checkpoint.modality,),
    "license": lambda checkpoint: () if checkpoint.license is None else (checkpoint.license,),
    "language": lambda checkpoint: checkpoint.languages,
    "plugin": lambda checkpoint: (checkpoint.plugin,),
    "pretrained_on": lambda checkpoint: checkpoint.pretrained_on,
    "tag": lambda checkpoint: checkpoint.tags,
    "source": lambda checkpoint: (checkpoint.source.kind,),
}
"""Each is compared whole, in any case."""


def input_size(checkpoint: Checkpoint) -> int | None:
    """The longer side of its pictures in pixels; None for what takes no pictures."""
    return max(checkpoint.preprocess.size) if isinstance(checkpoint.preprocess, ImageSpec) else None


NUMBERS: dict[str, Callable[[Checkpoint], int | None]] = {
    "parameters": lambda checkpoint: checkpoint.parameters,
    "feature_dim": lambda checkpoint: checkpoint.feature_dim,
    "input_size": input_size,
}

SORTS: dict[str, Callable[[Checkpoint], Any]] = {
    "id": lambda checkpoint: checkpoint.id,
    "task": lambda checkpoint: (checkpoint.tasks, checkpoint.id),
    "parameters": lambda checkpoint: (checkpoint.parameters, checkpoint.id),
    "license": lambda checkpoint: (checkpoint.license is None, checkpoint.license or "", checkpoint.id),
    "feature_dim": lambda checkpoint: (checkpoint.feature_dim, checkpoint.id),
    "input_size": lambda checkpoint: ((size := input_size(checkpoint)) is None, size or 0, checkpoint.id),
}
"""Keys that are never equal for two ids; what is not known comes last."""


def searched(checkpoint: Checkpoint) -> str:
    """What free text sees, in lower case."""
    return " ".join((checkpoint.id, checkpoint.architecture, *checkpoint.tags, *checkpoint.pretrained_on)).lower()


_BETWEEN = re.compile(r"([\W_]+)")


def pieces(word: str) -> tuple[list[str], list[str]]:
    """A word's runs of letters and digits, and those neighbours with what stands between them.

    `bert-base_x` is `bert`, `base`, `x` and `bert-base`, `base_x`; a word that ends in a separator has an empty last
    run, so that every separator is in a pair.
    """
    split = _BETWEEN.split(word)
    return [run for run in split[::2] if run], ["".join(split[i : i + 3]) for i in range(0, len(split) - 2, 2)]

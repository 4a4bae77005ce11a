"""What of a checkpoint can be asked: the words and numbers that filters compare, what free text sees, the orders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from tlzoo.registry.licenses import meets
from tlzoo.registry.schema import Checkpoint
from tlzoo.specs import ImageSpec

Hit: TypeAlias = tuple["str | int | None", str]
"""What an entry is sorted by, and its id."""

Page = Callable[[int, int], list[Hit]]
"""The hits at the places from one up to another, in the query's order."""


def input_size(checkpoint: Checkpoint) -> int | None:
    """The longer side of its pictures in pixels; None for what takes no pictures."""
    return max(checkpoint.preprocess.size) if isinstance(checkpoint.preprocess, ImageSpec) else None


WORDS: dict[str, Callable[[Checkpoint], Iterable[str]]] = {
    "task": lambda checkpoint: checkpoint.tasks,
    "modality": lambda checkpoint: (checkpoint.modality,),
    "language": lambda checkpoint: checkpoint.languages,
    "plugin": lambda checkpoint: (checkpoint.plugin,),
    "pretrained_on": lambda checkpoint: checkpoint.pretrained_on,
    "tag": lambda checkpoint: checkpoint.tags,
    "source": lambda checkpoint: (checkpoint.source.kind,),
}
"""Each is compared whole, in any case."""

SORTS: dict[str, Callable[[Checkpoint], str | int | None]] = {
    "id": lambda checkpoint: checkpoint.id,
    "task": lambda checkpoint: "\0".join(checkpoint.tasks),
    "parameters": lambda checkpoint: checkpoint.parameters,
    "license": lambda checkpoint: checkpoint.license,
    "feature_dim": lambda checkpoint: checkpoint.feature_dim,
    "input_size": input_size,
}


def search_text(checkpoint: Checkpoint) -> str:
    """What free text sees, in lower case."""
    return " ".join((checkpoint.id, checkpoint.architecture, *checkpoint.tags, *checkpoint.pretrained_on)).lower()


def sort_key(hit: Hit) -> tuple[bool, str | int, str]:
    """To compare hits with: what is not known comes last, equals by id."""
    value, id = hit
    return value is None, 0 if value is None else value, id


@dataclass(frozen=True)
class Query:
    """Conditions that must all be met, and an order of `SORTS`, with `-` in front for the reverse.

    `words` are lower case, by field of `WORDS`; of several one is enough. `ranges` of numbers, by name in `SORTS`,
    include both ends.
    """

    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict)
    text: tuple[str, ...] = ()
    license: str | None = None
    sort: str = "id"

    @property
    def column(self) -> str:
        """What is sorted by."""
        return self.sort.removeprefix("-")

    @property
    def reverse(self) -> bool:
        """Whether the largest comes first."""
        return self.sort.startswith("-")

    def is_met_by(self, checkpoint: Checkpoint) -> bool:
        """Whether a checkpoint meets every condition."""
        return (
            all(not {w.lower() for w in WORDS[name](checkpoint)}.isdisjoint(few) for name, few in self.words.items())
            and all(_within(SORTS[name](checkpoint), *ends) for name, ends in self.ranges.items())
            and (self.license is None or meets(checkpoint.license, self.license))
            and all(word in search_text(checkpoint) for word in self.text)
        )


def _within(number: str | int | None, low: int | None, high: int | None) -> bool:
    return isinstance(number, int) and (low is None or number >= low) and (high is None or number <= high)


class MemoryTable:
    """The entries of an ordinary registry file, in memory; those of a large one are in a `SqliteTable`."""

    def __init__(self, checkpoints: Iterable[Checkpoint]) -> None:
        self._checkpoints = {checkpoint.id: checkpoint for checkpoint in checkpoints}

    def __contains__(self, id: object) -> bool:
        return id in self._checkpoints

    def get(self, id: str) -> Checkpoint:
        """The entry of an id that there is."""
        return self._checkpoints[id]

    def ids(self) -> list[str]:
        """Every id."""
        return list(self._checkpoints)

    def search(self, query: Query, hidden: frozenset[str]) -> tuple[int, Page]:
        """How many entries but those hidden meet a query, and how to get at them."""
        found = [c for c in self._checkpoints.values() if c.id not in hidden and query.is_met_by(c)]
        hits = [(SORTS[query.column](checkpoint), checkpoint.id) for checkpoint in found]
        hits.sort(key=sort_key, reverse=query.reverse)
        return len(hits), lambda start, stop: hits[start:stop]

    def words(self, field: str) -> set[str]:
        """Every word of a field of `WORDS`, in lower case."""
        return {word.lower() for checkpoint in self._checkpoints.values() for word in WORDS[field](checkpoint)}

    def near(self, id: str) -> list[str]:
        """Ids among which those that look like `id` are: here all."""
        return self.ids()

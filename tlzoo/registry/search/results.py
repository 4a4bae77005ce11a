"""What a search found: a sequence of checkpoints, each read when it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, overload

from tlzoo.registry.schema import Checkpoint
from tlzoo.registry.search.query import MemoryTable

if TYPE_CHECKING:
    from tlzoo.registry.search.index import SqliteTable

Table: TypeAlias = "MemoryTable | SqliteTable"


@dataclass(frozen=True, eq=False)
class SearchResults(Sequence[Checkpoint]):
    """A page of the checkpoints that meet a search, in its order; `total` counts those on all pages.

    A slice of it is a narrower page. An entry of a large registry is parsed when it is looked at, not before.
    """

    hits: tuple[tuple[Table, str], ...]
    total: int

    def __len__(self) -> int:
        return len(self.hits)

    @overload
    def __getitem__(self, index: int) -> Checkpoint: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Checkpoint]: ...
    def __getitem__(self, index: int | slice) -> Checkpoint | Sequence[Checkpoint]:
        if isinstance(index, slice):
            return SearchResults(self.hits[index], self.total)
        table, id = self.hits[index]
        return table.get(id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __repr__(self) -> str:
        return f"<{len(self)} of {self.total} checkpoints>"

"""What a search found: a sequence of checkpoints, each read when it is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from tlzoo.registry.schema import Checkpoint
from tlzoo.registry.search.fields import SORTS
from tlzoo.registry.search.table import Table

_PAGE = 256


@dataclass(frozen=True, eq=False)
class Found(Sequence[Checkpoint]):
    """A page of the checkpoints that meet a search, in its order; `total` counts those on all pages.

    A slice of it is a narrower page. An entry is parsed when it is looked at, not before.
    """

    chosen: tuple[tuple[Table, int], ...]
    sort: str
    start: int
    stop: int
    total: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[Checkpoint]:
        for start in range(self.start, self.stop, _PAGE):
            yield from self._between(start, min(start + _PAGE, self.stop))

    @overload
    def __getitem__(self, index: int) -> Checkpoint: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Checkpoint]: ...
    def __getitem__(self, index: int | slice) -> Checkpoint | Sequence[Checkpoint]:
        places = range(self.start, self.stop)[index]
        if isinstance(places, int):
            return self._between(places, places + 1)[0]
        if places.step == 1:
            return Found(self.chosen, self.sort, places.start, max(places.start, places.stop), self.total)
        return [self._between(place, place + 1)[0] for place in places]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __repr__(self) -> str:
        return f"<{len(self)} of {self.total} checkpoints>"

    def _between(self, start: int, stop: int) -> list[Checkpoint]:
        """The checkpoints at these places, in the order that `-` in front of `sort` turns round."""
        if self.sort.startswith("-"):
            return self._ascending(self.sort[1:], self.total - stop, self.total - start)[::-1]
        return self._ascending(self.sort, start, stop)

    def _ascending(self, sort: str, start: int, stop: int) -> list[Checkpoint]:
        """Merge the tables' windows: a table's row before its place `start - others` is before `start` in the whole."""
        found, skipped = [], 0
        for table, bits in self.chosen:
            count = bits.bit_count()
            before = min(count, max(0, start - (self.total - count)))
            skipped += before
            found += [table.checkpoint(row) for row in table.window(bits, sort, before, stop)]
        if len(self.chosen) > 1:
            found.sort(key=SORTS[sort])
        return found[start - skipped : stop - skipped]

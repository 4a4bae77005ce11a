"""Batches whose next one is prepared in another thread while the last one is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Arrays = dict[str, "np.ndarray"]


def ahead(
    prepare: Callable[[list[int]], Arrays], order: Sequence[int], size: int
) -> Iterator[tuple[list[int], Arrays]]:
    """Positions from `order`, `size` at a time, each with what `prepare` makes of them."""
    chunks = [list(order[start : start + size]) for start in range(0, len(order), size)]
    if len(chunks) == 1:
        yield chunks[0], prepare(chunks[0])
        return
    with ThreadPoolExecutor(1) as thread:
        pending = [thread.submit(prepare, chunk) for chunk in chunks[:1]]
        for at, chunk in enumerate(chunks):
            arrays = pending.pop().result()
            pending += [thread.submit(prepare, after) for after in chunks[at + 1 : at + 2]]
            yield chunk, arrays

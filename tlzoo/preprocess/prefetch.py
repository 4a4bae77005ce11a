"""Prefetching: batches are prepared in other threads while earlier ones are used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np

Arrays = dict[str, "np.ndarray"]
Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetch(
    prepare: Callable[[list[int]], Arrays], order: Sequence[int], size: int
) -> Iterator[tuple[list[int], Arrays]]:
    """Positions from `order`, `size` at a time, each with what `prepare` makes of them."""
    chunks = (list(order[start : start + size]) for start in range(0, len(order), size))
    yield from prefetch_map(chunks, lambda chunk: (chunk, prepare(chunk)))


def prefetch_map(
    tasks: Iterable[Item], make: Callable[[Item], Result], threads: int = 1, depth: int | None = None
) -> Iterator[Result]:
    """`make` of each item, in order; at most `depth` items (by default the number of threads) are read ahead.

    A single item is processed in this thread, without starting another.
    """
    waiting = iter(tasks)
    first = list(_next(waiting))
    second = list(_next(waiting)) if first else []
    if not second:
        yield from map(make, first)
        return
    depth = max(1, threads if depth is None else depth)
    pool = ThreadPoolExecutor(threads)
    try:
        pending: deque[Future[Result]] = deque(pool.submit(make, task) for task in (first + second)[: depth + 1])
        while pending:
            done = pending.popleft().result()
            while len(pending) < depth and (more := list(_next(waiting))):
                pending.append(pool.submit(make, more[0]))
            yield done
    except Exception:
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    finally:  # a stop, or a reader who has enough, waits for nobody: what runs may be a plugin that hangs
        pool.shutdown(wait=False, cancel_futures=True)


def _next(tasks: Iterator[Item]) -> Iterator[Item]:
    """The next item, or nothing."""
    for task in tasks:
        yield task
        return

"""Work ahead in threads: in order, no further than asked, and errors where they belong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from tlzoo.preprocess.prefetch import prefetch, prefetch_map


@pytest.mark.parametrize(
    ("size", "chunks"), [(2, [[3, 1], [4, 1], [5]]), (5, [[3, 1, 4, 1, 5]]), (9, [[3, 1, 4, 1, 5]])]
)
def test_positions_come_in_chunks_with_what_is_made_of_them(size: int, chunks: list[list[int]]):
    found = list(prefetch(lambda chunk: {"x": np.array(chunk) * 2}, (3, 1, 4, 1, 5), size))
    assert [positions for positions, _ in found] == chunks
    assert [arrays["x"].tolist() for _, arrays in found] == [[2 * at for at in chunk] for chunk in chunks]
    assert list(prefetch(lambda chunk: {}, (), 3)) == []


@pytest.mark.parametrize("count", [0, 1, 2, 3, 20])
@pytest.mark.parametrize(("threads", "depth"), [(1, None), (3, None), (2, 1), (2, 7), (1, 0)])
def test_results_come_in_order(count: int, threads: int, depth: int | None):
    assert list(prefetch_map(range(count), lambda at: at * at, threads, depth)) == [at * at for at in range(count)]


def test_one_item_is_made_in_this_thread_and_several_are_in_others():
    [alone] = prefetch_map([1], lambda at: threading.current_thread())
    assert alone is threading.current_thread()
    several = set(prefetch_map([1, 2, 3], lambda at: threading.current_thread()))
    assert threading.current_thread() not in several
    assert len(several) == 1


def taken(threads: int, depth: int | None) -> list[int]:
    """How many items were read from the source when each result came."""
    read, counts = [0], []

    def source() -> Iterator[int]:
        for at in range(12):
            read[0] += 1
            yield at

    for _ in prefetch_map(source(), lambda at: at, threads, depth):
        counts.append(read[0])
    return counts


@pytest.mark.parametrize(
    ("threads", "depth", "ahead"), [(1, None, 1), (1, 1, 1), (2, None, 2), (1, 4, 4), (4, 2, 2), (1, 0, 1)]
)
def test_no_more_than_depth_items_are_read_ahead(threads: int, depth: int | None, ahead: int):
    assert taken(threads, depth) == [min(12, at + 1 + ahead) for at in range(12)]


def test_an_error_comes_in_its_place_and_ends_the_work():
    made: list[int] = []

    def make(at: int) -> int:
        made.append(at)
        if at == 2:
            raise KeyError(at)
        return at

    results: Any = prefetch_map(range(100), make)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(KeyError):
        next(results)
    assert max(made) <= 3


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_stop_waits_for_no_work_that_hangs(stop: type[BaseException]):
    go_on, finished = threading.Event(), []

    def make(at: int) -> int:
        if at:
            go_on.wait(60)
            finished.append(at)
        return at

    for end in (lambda results: results.throw(stop), lambda results: results.close()):
        results: Any = prefetch_map(range(9), make)
        assert next(results) == 0
        with suppress(stop):
            end(results)
        assert not finished
    go_on.set()

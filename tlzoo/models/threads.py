"""Threads of torch and of linear algebra: no more than this process has cores, and one for small work.

Threads wait for each other by spinning: beside another process a small fit on two threads takes several times as long
as on one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import threadpool_limits

from tlzoo.io.cores import available_cores, is_limited
from tlzoo.plugins.containment import keep_setting
from tlzoo.plugins.process_state import THREADS

SMALL = 16 * 2**20
"""Values of a matrix of features up to which work has one thread: on two idle cores a probe's fit took .2 (1M values)
to .8 (15M) of the time that it took on two threads."""


def limit_threads() -> None:
    """Once per process: where it may use fewer cores than there are, no library starts more threads."""
    with keep_setting(THREADS):
        _limit()


@cache
def _limit() -> None:
    if is_limited():
        torch.set_num_threads(min(torch.get_num_threads(), available_cores()))
        threadpool_limits(available_cores())


@contextmanager
def threads_for(values: int) -> Iterator[None]:
    """One thread for work on a matrix of so many values, where that is small; as before afterwards."""
    if values > SMALL:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)

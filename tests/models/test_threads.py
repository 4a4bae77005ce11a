"""Small work runs on one thread, and afterwards all is as before."""

from __future__ import annotations

import pytest
import torch
from threadpoolctl import threadpool_info

from tlzoo.models import threads
from tlzoo.models.threads import SMALL, limit_threads, threads_for


def test_small_work_has_one_thread_and_large_work_those_there_are():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threads_for(SMALL):
            assert torch.get_num_threads() == 1
            assert {each["num_threads"] for each in threadpool_info()} == {1}
        assert torch.get_num_threads() == 2
        with threads_for(SMALL + 1):
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("limited", "expected"), [(True, 1), (False, 2)])
def test_where_fewer_cores_may_be_used_no_library_starts_more_threads(
    limited: bool, expected: int, monkeypatch: pytest.MonkeyPatch
):
    before, limits = torch.get_num_threads(), []
    monkeypatch.setattr(threads, "is_limited", lambda: limited)
    monkeypatch.setattr(threads, "available_cores", lambda: 1)
    monkeypatch.setattr(threads, "threadpool_limits", limits.append)
    threads._limit.cache_clear()
    torch.set_num_threads(2)
    try:
        limit_threads()
        limit_threads()
        assert (torch.get_num_threads(), limits) == (expected, [1] * limited)
    finally:
        torch.set_num_threads(before)
        threads._limit.cache_clear()

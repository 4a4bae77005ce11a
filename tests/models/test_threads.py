"""Small work runs on one thread, and afterwards all is as before."""

from __future__ import annotations

import torch
from threadpoolctl import threadpool_info

from tlzoo.models.threads import SMALL, threads_for


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

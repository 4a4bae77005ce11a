"""The clock: every second is counted once, for the innermost thing it was spent on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from tlzoo.io import timings as module
from tlzoo.io.timings import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock whose time goes on by one second whenever it is looked at."""
    ticks = count()
    monkeypatch.setattr(module.time, "perf_counter", lambda: float(next(ticks)))
    return Clock()


def test_a_stretch_inside_another_counts_for_the_inner_one_alone(clock: Clock):
    with clock.spent("outer"):
        with clock.spent("inner"):
            pass
        with clock.spent("inner"), clock.spent("innermost"):
            pass
    assert clock.rounded() == {"outer": 3.0, "inner": 3.0, "innermost": 1.0}


def test_stretches_of_one_name_add_up_even_inside_themselves(clock: Clock):
    with clock.spent("train"), clock.spent("train"):
        pass
    with clock.spent("train"):
        pass
    assert clock.rounded() == {"train": 4.0}


def test_waiting_counts_until_each_item_is_there_and_not_what_is_done_with_it(clock: Clock):
    def items() -> Iterator[int]:
        yield 1
        with clock.spent("decode inside"):
            pass
        yield 2

    taken = []
    for item in clock.waiting(items(), "decode"):
        with clock.spent("train"):
            taken.append(item)
    assert taken == [1, 2]
    assert clock.rounded() == {"decode": 4.0, "decode inside": 1.0, "train": 2.0}


def test_what_fails_was_time_spent_too(clock: Clock):
    with pytest.raises(ValueError, match="wrong"), clock.spent("train"):
        raise ValueError("wrong")
    with clock.spent("validate"):
        pass
    assert clock.rounded() == {"train": 1.0, "validate": 1.0}

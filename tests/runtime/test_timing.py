"""How often what is timed is called."""

from __future__ import annotations

import pytest

from tlzoo.runtime import timing
from tlzoo.runtime.timing import time_interleaved


@pytest.mark.parametrize(("most", "seconds", "expected"), [(7, 60.0, 7), (7, 0.0, 3), (None, 0.0, 3)])
def test_calls_take_turns_until_there_are_enough_of_them(most: int | None, seconds: float, expected: int) -> None:
    called: list[str] = []
    runs = {name: lambda name=name: called.append(name) for name in ("a", "b")}
    times = time_interleaved(runs, seconds=seconds, warmup=1, most=most)
    assert {name: len(each) for name, each in times.items()} == {"a": expected, "b": expected}
    assert called == ["a", "b", *["a", "b"] * expected]


def test_each_call_takes_what_the_clock_says_and_all_have_their_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def takes(seconds: float) -> None:
        now[0] += seconds

    times = time_interleaved({"a": lambda: takes(1.0), "b": lambda: takes(3.0)}, seconds=10.0, warmup=0)
    assert times == {"a": [1.0] * 5, "b": [3.0] * 5}  # five rounds of four seconds fill twice ten
    assert len(time_interleaved({"a": lambda: takes(1.0)}, warmup=0)["a"]) == 3
    called: list[int] = []
    assert len(time_interleaved({"a": lambda: called.append(takes(0.5) or 1)})["a"]) == 4
    assert len(called) == 6

"""How often what is timed is called."""

from __future__ import annotations

import pytest

from tlzoo.runtime.timing import time_interleaved


@pytest.mark.parametrize(("most", "seconds", "expected"), [(7, 60.0, 7), (7, 0.0, 3), (None, 0.0, 3)])
def test_calls_take_turns_until_there_are_enough_of_them(most: int | None, seconds: float, expected: int) -> None:
    called: list[str] = []
    runs = {name: lambda name=name: called.append(name) for name in ("a", "b")}
    times = time_interleaved(runs, seconds=seconds, warmup=1, most=most)
    assert {name: len(each) for name, each in times.items()} == {"a": expected, "b": expected}
    assert called == ["a", "b", *["a", "b"] * expected]

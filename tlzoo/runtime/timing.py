"""Times measured side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


def time_interleaved(
    runs: Mapping[str, Callable[[], object]], *, seconds: float = 2.0, warmup: int = 2, most: int | None = None
) -> dict[str, list[float]]:
    """Seconds of every call of every candidate, called in turn for `seconds` per candidate, but three times at least
    and at most `most` times.

    In turn, because other work on the machine then falls on all of them alike; `warmup` calls of each are not counted.
    """
    for run in runs.values():
        for _ in range(warmup):
            run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    start = time.perf_counter()
    rounds = 0
    while rounds < 3 or (rounds != most and time.perf_counter() - start < seconds * len(runs)):
        rounds += 1
        for name, run in runs.items():
            before = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - before)
    return times

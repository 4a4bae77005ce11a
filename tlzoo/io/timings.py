"""Where the time of a run goes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Clock:
    """Seconds by what they were spent on; a stretch inside another counts for the inner one alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner = [0.0]

    @contextmanager
    def spent(self, on: str) -> Iterator[None]:
        """Count the time of this block as spent on `on`."""
        began = time.perf_counter()
        self._inner.append(0.0)
        try:
            yield
        finally:
            whole = time.perf_counter() - began
            self.seconds[on] += whole - self._inner.pop()
            self._inner[-1] += whole

    def waiting(self, items: Iterable[T], on: str) -> Iterator[T]:
        """The same items; the time until each is there counts as spent on `on`."""
        iterator = iter(items)
        while True:
            with self.spent(on):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def rounded(self) -> dict[str, float]:
        """Seconds to two decimals."""
        return {on: round(seconds, 2) for on, seconds in self.seconds.items()}

"""Long inputs through a model in windows: each window is an input of the stream, and their outputs become one again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from tlzoo.errors import InputError
from tlzoo.preprocess import Preprocessor
from tlzoo.runtime.stream import Chunk
from tlzoo.tasks.base import Task
from tlzoo.tasks.contract import split_windows
from tlzoo.tasks.rows import OutputCollector
from tlzoo.tasks.windows import Window, merge_windows


class Windows:
    """What is read from `inputs` goes into the stream window by window; `join` makes whole inputs of what comes out."""

    def __init__(self, task: Task, preprocessor: Preprocessor) -> None:
        self._task, self._preprocessor = task, preprocessor
        self._waiting: deque[tuple[Any, list[Window]]] = deque()

    def cut(self, inputs: Iterable[Any]) -> Iterator[Any]:
        """The windows of each input; an error, or what is no input of the task, is one of its own."""
        for item in inputs:
            windows = [Window(item, 0)]
            if not isinstance(item, InputError):
                windows = split_windows(self._task, item, self._preprocessor)
            self._waiting.append((item, windows))
            yield from (window.input for window in windows)

    def join(self, stretches: Iterable[Chunk]) -> Iterator[Chunk]:
        """Stretches of whole inputs."""
        rows: list[tuple[dict[str, np.ndarray], Any, InputError | None]] = []
        start = 0
        for stretch in stretches:
            outputs = stretch.outputs
            for at in range(len(stretch.items)):
                error = stretch.errors.get(at)
                row = {} if error is not None else {name: found[at] for name, found in outputs.items()}
                rows.append((row, stretch.contexts[at], error))
            taken, ready = 0, []
            while self._waiting and taken + len(self._waiting[0][1]) <= len(rows):
                item, windows = self._waiting.popleft()
                ready.append((item, windows, rows[taken : taken + len(windows)]))
                taken += len(windows)
            del rows[:taken]
            if ready:
                yield self._whole(start, ready)
                start += len(ready)

    def _whole(self, start: int, ready: list[tuple[Any, list[Window], Any]]) -> Chunk:
        made = Chunk(
            start, [item for item, _, _ in ready], OutputCollector(self._task.outputs, len(ready)), [None] * len(ready)
        )
        for at, (_, windows, rows) in enumerate(ready):
            errors = [error for _, _, error in rows if error is not None]
            if errors:
                made.errors[at] = errors[0]
                continue
            outputs = {name: [row[name] for row, _, _ in rows] for name in rows[0][0]}
            merged, [made.contexts[at]] = merge_windows(
                self._task, [windows], outputs, [context for _, context, _ in rows]
            )
            made.rows.extend(at, merged)
        return made

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
from tlzoo.tasks.merging import merge_windows
from tlzoo.tasks.rows import OutputCollector
from tlzoo.tasks.windows import Window


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

    def join(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Chunks of whole inputs."""
        rows: list[tuple[dict[str, np.ndarray], Any, InputError | None]] = []
        start = 0
        for chunk in chunks:
            outputs = chunk.outputs
            for at in range(len(chunk.items)):
                error = chunk.errors.get(at)
                row = {} if error is not None else {name: found[at] for name, found in outputs.items()}
                rows.append((row, chunk.contexts[at], error))
            consumed, ready = 0, []
            while self._waiting and consumed + len(self._waiting[0][1]) <= len(rows):
                item, windows = self._waiting.popleft()
                ready.append((item, windows, rows[consumed : consumed + len(windows)]))
                consumed += len(windows)
            del rows[:consumed]
            if ready:
                yield self._whole(start, ready)
                start += len(ready)

    def _whole(self, start: int, ready: list[tuple[Any, list[Window], Any]]) -> Chunk:
        merged_chunk = Chunk(
            start, [item for item, _, _ in ready], OutputCollector(self._task.outputs, len(ready)), [None] * len(ready)
        )
        for at, (_, windows, rows) in enumerate(ready):
            errors = [error for _, _, error in rows if error is not None]
            if errors:
                merged_chunk.errors[at] = errors[0]
                continue
            outputs = {name: [row[name] for row, _, _ in rows] for name in rows[0][0]}
            merged, [merged_chunk.contexts[at]] = merge_windows(
                self._task, [windows], outputs, [context for _, context, _ in rows]
            )
            merged_chunk.rows.extend(at, merged)
        return merged_chunk

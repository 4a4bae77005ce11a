"""Training logs: one line of JSON per epoch, and events for TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tlzoo.io.files import atomic_file

HISTORY = "history.jsonl"
EVENTS = "events.out.tfevents.*"


class MetricsWriter(Protocol):
    """Writes metrics during training."""

    def scalars(self, step: int, figures: Mapping[str, float]) -> None:
        """Values of one step, by name."""

    def epoch(self, rows: Sequence[Mapping[str, float]]) -> None:
        """All epochs so far, the last of them new."""


class _NullWriter:
    def scalars(self, step: int, figures: Mapping[str, float]) -> None:
        """Nobody asked."""

    def epoch(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Nobody asked."""


class _FolderWriter:
    def __init__(self, folder: Path, step: int) -> None:
        from tensorboardX import SummaryWriter

        self._folder = folder
        self.events = SummaryWriter(str(folder), purge_step=step or None)

    def scalars(self, step: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self.events.add_scalar(name, value, step)

    def epoch(self, rows: Sequence[Mapping[str, float]]) -> None:
        last = rows[-1]
        self.scalars(int(last["steps"]), {f"validation/{k}": v for k, v in last.items() if k not in _NOT_METRICS})
        write_history(self._folder / HISTORY, rows)


_NOT_METRICS = {"epoch", "steps", "loss", "seconds"}


def write_history(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """One JSON object per line, whole."""
    with atomic_file(path) as temporary:
        temporary.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@contextmanager
def open_metrics_writer(folder: Path | None, step: int) -> Iterator[MetricsWriter]:
    """A writer into this folder, from `step` on; without a folder, one that does nothing."""
    if folder is None:
        yield _NullWriter()
        return
    record = _FolderWriter(folder, step)
    try:
        yield record
    finally:
        record.events.close()

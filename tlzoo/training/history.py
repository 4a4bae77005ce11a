"""Training logs: one line of JSON per epoch, and events for TensorBoard."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tlzoo.errors import WriteError
from tlzoo.io.disk import write_errors
from tlzoo.io.files import atomic_file

HISTORY = "history.jsonl"
EVENTS = "events.out.tfevents.*"


class MetricsWriter:
    """Writes events in this thread: tensorboardX's own dies of a full disk unnoticed, and its queue then blocks."""

    def __init__(self, folder: Path, step: int) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog

        self._folder = folder
        with self._errors():
            folder.mkdir(parents=True, exist_ok=True)
            self._events = EventsWriter(str(folder / "events"), f".{os.getpid()}")
            if step:
                self._write(
                    step=step, session_log=SessionLog(status=SessionLog.START)
                )  # hides later ones, as of a kill
            self._events.flush()

    def scalars(self, step: int, figures: Mapping[str, float]) -> None:
        """Write values of one step, by name."""
        from tensorboardX.summary import scalar

        with self._errors():
            for name, value in figures.items():
                self._write(step=step, summary=scalar(name, value))

    def epoch(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Write all epochs so far, the last of them new."""
        last = rows[-1]
        self.scalars(int(last["steps"]), {f"validation/{k}": v for k, v in last.items() if k not in _NOT_METRICS})
        with self._errors():
            self._events.flush()
        write_history(self._folder / HISTORY, rows)

    def close(self) -> None:
        """Write what is still in memory."""
        with self._errors():
            self._events.close()

    def _write(self, **fields: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._events.write_event(Event(wall_time=time.time(), **fields))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except Exception:
            names = sorted(self._folder.glob(EVENTS))  # the file is made by the first write
            with write_errors(names[-1] if names else self._folder):
                raise


_NOT_METRICS = {"epoch", "steps", "loss", "seconds"}


def write_history(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """One JSON object per line, whole."""
    with atomic_file(path) as temporary:
        temporary.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@contextmanager
def open_metrics_writer(folder: Path | None, step: int) -> Iterator[MetricsWriter | None]:
    """A writer into this folder, from `step` on; `None` without a folder."""
    if folder is None:
        yield None
        return
    record = MetricsWriter(folder, step)
    try:
        yield record
    except BaseException:
        with suppress(WriteError):
            record.close()
        raise
    record.close()

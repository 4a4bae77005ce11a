"""Training logs: lines of JSON, and events that TensorBoard reads."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tlzoo.errors import WriteError
from tlzoo.training.history import EVENTS, HISTORY, open_metrics_writer, write_history

ROWS = [
    {"epoch": 1, "steps": 3, "loss": 2.0, "seconds": 0.5, "accuracy": 0.25},
    {"epoch": 2, "steps": 6, "loss": 1.0, "seconds": 0.5, "accuracy": 0.5, "log_loss": 1.5},
]


def events(folder: Path) -> list[Any]:
    """All events of a folder but for the one that says the version."""
    from tensorboardX.proto.event_pb2 import Event

    (file,) = folder.glob(EVENTS)
    content, found = file.read_bytes(), []
    while content:
        (size,) = struct.unpack("<Q", content[:8])
        found.append(Event.FromString(content[12 : 12 + size]))
        content = content[16 + size :]
    assert found[0].file_version
    return found[1:]


def figures(folder: Path) -> list[tuple[int, str, float]]:
    return [(event.step, value.tag, value.simple_value) for event in events(folder) for value in event.summary.value]


def test_a_row_is_a_line_and_rows_replace_those_before(tmp_path: Path):
    write_history(tmp_path / HISTORY, ROWS[:1])
    write_history(tmp_path / HISTORY, ROWS)
    assert (tmp_path / HISTORY).read_text() == "".join(json.dumps(row) + "\n" for row in ROWS)
    write_history(tmp_path / HISTORY, [])
    assert (tmp_path / HISTORY).read_text() == ""


def test_without_a_folder_there_is_no_writer():
    with open_metrics_writer(None, 3) as record:
        assert record is None


def test_epochs_are_lines_and_their_metrics_events_at_their_step(tmp_path: Path):
    with open_metrics_writer(tmp_path / "new" / "run", 0) as record:
        assert record is not None
        record.scalars(1, {"loss": 2.0, "lr": 0.5})
        record.epoch(ROWS[:1])
        record.epoch(ROWS)
    folder = tmp_path / "new" / "run"
    assert [json.loads(line) for line in (folder / HISTORY).read_text().splitlines()] == ROWS
    assert figures(folder) == [
        (1, "loss", 2.0),
        (1, "lr", 0.5),
        (3, "validation/accuracy", 0.25),
        (6, "validation/accuracy", 0.5),
        (6, "validation/log_loss", 1.5),
    ]
    assert all(event.wall_time > 1.7e9 for event in events(folder))
    assert not any(event.HasField("session_log") for event in events(folder))


def test_a_resumed_run_hides_what_was_written_after_its_step(tmp_path: Path):
    from tensorboardX.proto.event_pb2 import SessionLog

    with open_metrics_writer(tmp_path, 7) as record:
        assert record is not None
        (start,) = events(tmp_path)  # there before anything else is written
    assert (start.step, start.session_log.status) == (7, SessionLog.START)


def test_an_epoch_is_on_the_disk_at_once_and_after_an_error_the_rest_is(tmp_path: Path):
    with suppress(KeyError), open_metrics_writer(tmp_path, 0) as record:
        assert record is not None
        record.epoch(ROWS[:1])
        assert figures(tmp_path) == [(3, "validation/accuracy", 0.25)]
        record.scalars(4, {"loss": 1.0})
        raise KeyError
    assert figures(tmp_path)[1:] == [(4, "loss", 1.0)]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError) as caught, open_metrics_writer(tmp_path / "file" / "run", 0):
        pass
    assert str(tmp_path / "file") in str(caught.value)

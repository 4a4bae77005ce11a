"""File locks between processes: one holder at a time, and none that outlives its process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tlzoo.io.locks import file_lock

HOLD = """
import sys
from pathlib import Path
from tlzoo.io.locks import file_lock
with file_lock(Path(sys.argv[1])) as alone:
    print(alone, flush=True)
    sys.stdin.read()
"""


def start(lock: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_a_lock_is_held_by_one_process_at_a_time_and_is_free_once_that_was_killed(tmp_path: Path) -> None:
    with start(tmp_path / "locks" / "a") as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "True\n"
        with file_lock(tmp_path / "locks" / "a") as alone:
            assert alone is False
        with file_lock(tmp_path / "locks" / "b") as alone:
            assert alone is True
        first.send_signal(signal.SIGKILL)
        first.wait()
    with file_lock(tmp_path / "locks" / "a") as alone:  # the file that it left blocks nobody
        assert alone is True


def test_a_waiting_process_gets_the_lock_when_the_other_lets_go(tmp_path: Path) -> None:
    with start(tmp_path / "a") as first:
        assert first.stdout is not None
        first.stdout.readline()
        assert first.stdin is not None
        first.stdin.close()
        with file_lock(tmp_path / "a", timeout=60) as alone:
            assert alone is True


def test_where_no_lock_file_can_be_made_nobody_can_say(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with file_lock(tmp_path / "file" / "a") as alone:
        assert alone is None

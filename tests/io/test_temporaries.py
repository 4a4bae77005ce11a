"""What killed processes leave beside an output is removed by the next that writes it; a living process's is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tlzoo.io import files
from tlzoo.io.files import atomic_file, atomic_folder

WRITE = """
import sys
from pathlib import Path
from tlzoo.io import files
with getattr(files, sys.argv[1])(Path(sys.argv[2])) as part:
    file = part / "a" if part.is_dir() else part
    file.write_text("half")
    print(part, flush=True)
    sys.stdin.read()
"""


def start(kind: str, path: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, kind, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def write(kind: str, path: Path) -> None:
    if kind == "atomic_file":
        with atomic_file(path) as temporary:
            temporary.write_text("whole")
    else:
        with atomic_folder(path) as temporary:
            (temporary / "a").write_text("whole")


@pytest.mark.parametrize("kind", ["atomic_file", "atomic_folder"])
def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(tmp_path: Path, kind: str) -> None:
    dead, dead_part = start(kind, tmp_path / "out")
    dead.send_signal(signal.SIGKILL)
    dead.communicate()
    living, living_part = start(kind, tmp_path / "out")  # removes what the dead one left
    assert not dead_part.exists()
    (tmp_path / ".out.0badcafe.gone").mkdir()
    write(kind, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [living_part.name, living_part.with_suffix(".lock").name, "out"]
    )
    living.communicate("")
    if kind == "atomic_file":
        assert living.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_another_machine_left_goes_once_nobody_wrote_to_it_for_a_day(tmp_path: Path) -> None:
    mine, other = files._host(), "0badcafe"
    assert mine != other
    old, new = tmp_path / f".out.{other}.00000001.part", tmp_path / f".out.{other}.00000002.part"
    for path in (old, new):
        path.mkdir()
        (path / "a").touch()
    before = time.time() - files._STALE_AFTER_S - 60
    for path in (old / "a", old):
        os.utime(path, (before, before))
    write("atomic_file", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == [new.name, "out"]


def test_other_files_of_the_user_stay(tmp_path: Path) -> None:
    others = {".out.part", ".out.txt.0badcafe.0badcafe.part", "out.0badcafe.part", ".out.notahexa.part", ".outs.gone"}
    for name in others:
        (tmp_path / name).touch()
    write("atomic_file", tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {*others, "out"}


def test_a_name_as_long_as_a_file_system_takes_has_temporaries_too(tmp_path: Path) -> None:
    write("atomic_file", tmp_path / ("ä" * 127))
    assert [path.name for path in tmp_path.iterdir()] == ["ä" * 127]

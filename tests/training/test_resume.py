"""Snapshots: what is saved comes back, and a failed save keeps the last one."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tlzoo.errors import RunError, TrainingError
from tlzoo.training import resume
from tlzoo.training.resume import FILE, load_snapshot, save_snapshot

TENSORS = {
    "weight": torch.arange(24.0).reshape(2, 3, 2, 2).to(memory_format=torch.channels_last),
    "steps": torch.tensor(7),
    "view": torch.arange(6)[::2],
}


def test_what_is_saved_comes_back(tmp_path: Path):
    assert load_snapshot(tmp_path) is None
    save_snapshot(tmp_path, TENSORS, {"counts": {"step": 3, "best": None}, "name": "Übung"})
    found = load_snapshot(tmp_path)
    assert found is not None
    tensors, facts = found
    assert TENSORS.keys() == tensors.keys()
    assert all(torch.equal(TENSORS[name], tensors[name]) for name in TENSORS)
    assert facts == {"version": 2, "counts": {"step": 3, "best": None}, "name": "Übung"}
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("held", [b"", b"no tensors", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_a_file_that_is_not_a_snapshot_is_refused_by_name(tmp_path: Path, held: bytes):
    (tmp_path / FILE).write_bytes(held)
    with pytest.raises(RunError, match=FILE) as error:
        load_snapshot(tmp_path)
    assert "Remove" in error.value.hint


def test_a_snapshot_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        patch.setattr(resume, "VERSION", 99)
        save_snapshot(tmp_path, TENSORS, {})
    with pytest.raises(RunError, match="version 99"):
        load_snapshot(tmp_path)


def test_an_error_of_the_disk_keeps_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save_snapshot(tmp_path, TENSORS, {"step": 1})

    def fails(tensors: Any, path: Path, metadata: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(resume, "save_file", fails)
    with pytest.raises(TrainingError, match="intact"):
        save_snapshot(tmp_path, TENSORS, {"step": 2})
    found = load_snapshot(tmp_path)
    assert found is not None
    assert found[1]["step"] == 1


LIMITED = """
import resource, signal, sys
from pathlib import Path
import torch
from tlzoo.training.resume import save_snapshot
from tlzoo.errors import TrainingError
save_snapshot(Path(sys.argv[1]), {"weight": torch.ones(10)}, {"step": 1})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    save_snapshot(Path(sys.argv[1]), {"weight": torch.ones(100_000)}, {"step": 2})
except TrainingError as error:
    print(error)
"""


@pytest.mark.needs("posix")
def test_a_file_that_the_system_does_not_let_grow_keeps_the_last_one(tmp_path: Path):
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "intact" in done.stdout
    assert "`resume=True`" in done.stdout
    found = load_snapshot(tmp_path)
    assert found is not None
    assert found[1]["step"] == 1
    assert [path.name for path in tmp_path.iterdir()] == [FILE]

"""Heavy things are made once in a test run, by whichever worker needs them first; the others read what it wrote."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from filelock import FileLock

Made = TypeVar("Made")


class Once:
    """What the workers of one test run share, in `folder`: nothing there may be changed by a test."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        base = factory.getbasetemp()
        self.folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
        self.folder.mkdir(exist_ok=True)

    def make(self, name: str, build: Callable[[Path], Made]) -> Made:
        """What `build` returns, given a new folder; in every other worker the same, read from a pickle of it."""
        folder = self.folder / name
        kept = self.folder / f"{name}.pickle"
        with FileLock(self.folder / f"{name}.lock"):
            if kept.exists():
                return pickle.loads(kept.read_bytes())  # type: ignore[no-any-return]  # noqa: S301 - our own
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            made = build(folder)
            kept.write_bytes(pickle.dumps(made))
            return made

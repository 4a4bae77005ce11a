"""Where a run is written. Torch-free, so that a path that cannot be is refused at once."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from tlzoo.errors import RunError, TlzooError
from tlzoo.io.files import remove, sweep, why_unwritable
from tlzoo.io.locks import output_lock
from tlzoo.progress import say

HISTORY = "history.jsonl"
"""The file with a run's epochs, written by `tlzoo.training.history`."""


def check_output_path(path: Path) -> None:
    """Raise RunError when something is already there, as a run is never overwritten, or nothing can be written."""
    if not path.name:
        raise RunError(f"{path} cannot be a run.", hint="Name a folder that is new: `out='run'`.", parameter="out")
    sweep(unfinished_dir(path))
    if os.path.lexists(path):
        _remove_snapshots(path)
        raise RunError(f"{path} already exists.", hint="Choose another `out`, or remove it.", parameter="out")
    if reason := why_unwritable(path):
        raise RunError(f"{path} cannot be written: {reason}.", hint="Choose another `out`.", parameter="out")


def unfinished_dir(out: Path) -> Path:
    """The folder of a run's snapshots while it trains."""
    return out.with_name(out.name + ".unfinished")


def _remove_snapshots(run: Path) -> None:
    """Remove the snapshots of a run that is there: what a kill left between its naming and their removal."""
    place = unfinished_dir(run)
    if not _has_snapshots_of(run):
        return
    with suppress(TlzooError), output_lock(run, RunError):  # a living process does so itself
        if _has_snapshots_of(run) and remove(place):
            say(f"The run in {run} is complete: {place}, which a process that was killed left, is removed.")


def _has_snapshots_of(run: Path) -> bool:
    """Whether the unfinished folder beside a run is of the same training, whose history has every loss."""
    try:
        return (run / HISTORY).read_bytes() == (unfinished_dir(run) / HISTORY).read_bytes() != b""
    except OSError:
        return False

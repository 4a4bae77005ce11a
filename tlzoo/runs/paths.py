"""Where a run is written. Torch-free, so that a path that cannot be is refused at once."""

from __future__ import annotations

import os
from pathlib import Path

from tlzoo.errors import RunError
from tlzoo.io.files import why_unwritable


def check_output_path(path: Path) -> None:
    """Raise RunError when something is already there, as a run is never overwritten, or nothing can be written."""
    if os.path.lexists(path):
        raise RunError(f"{path} already exists.", hint="Choose another `out`, or remove it.", parameter="out")
    if reason := why_unwritable(path):
        raise RunError(f"{path} cannot be written: {reason}.", hint="Choose another `out`.", parameter="out")


def unfinished_dir(out: Path) -> Path:
    """The folder of a run's snapshots while it trains."""
    return out.with_name(out.name + ".unfinished")

"""Programs, downloads and what systems differ in that a test needs: missing it is skipped, but in CI it fails."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


SYSTEM = {
    "linux": sys.platform == "linux",
    "posix": os.name == "posix",
    "fork": hasattr(os, "fork"),
    "mkfifo": hasattr(os, "mkfifo"),
    "affinity": hasattr(os, "sched_setaffinity"),
    "/dev/full": Path("/dev/full").exists(),
    "/dev/zero": Path("/dev/zero").exists(),
    "stb": Path("/usr/include/stb/stb_image.h").exists(),
}
"""What not every system has, and whether this one does."""


def missing(what: str) -> NoReturn:
    """Say that this test cannot run for lack of `what`; `CI` in the environment makes that a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"missing in CI: {what}", pytrace=False)
    pytest.skip(f"missing: {what}")


def check_needs(item: pytest.Item) -> None:
    """Look for the programs and features that `@pytest.mark.needs("npm", "mkfifo")` names."""
    for name in [name for mark in item.iter_markers("needs") for name in mark.args]:
        there = SYSTEM[name] if name in SYSTEM else CHROMIUM if name == "chromium" else shutil.which(name)
        if not there:
            missing(name)

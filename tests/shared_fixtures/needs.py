"""Programs and downloads that a test needs: where one is missing the test is skipped, but in CI it fails."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def missing(what: str) -> NoReturn:
    """Say that this test cannot run for lack of `what`; `CI` in the environment makes that a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"missing in CI: {what}", pytrace=False)
    pytest.skip(f"missing: {what}")


def check_needs(item: pytest.Item) -> None:
    """Look for the programs that `@pytest.mark.needs("npm", "chromium")` names."""
    for name in [name for mark in item.iter_markers("needs") for name in mark.args]:
        if not (CHROMIUM if name == "chromium" else shutil.which(name)):
            missing(name)

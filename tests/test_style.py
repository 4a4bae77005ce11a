"""The whole tree is as ruff and mypy want it, and what an editor knows of the public interface is so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("command", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]], ids=" ".join)
def test_nothing_to_complain_of(command: list[str]):
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_options_results_and_predictions_are_typed():
    file = ROOT / "tests" / "typed" / "public_api.py"  # mypy knows what it imports from its run before
    done = subprocess.run([sys.executable, "-m", "mypy", file], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[:-1]) == (0, [])

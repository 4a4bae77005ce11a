"""What an editor knows of the public interface is so, by mypy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_options_results_and_predictions_are_typed():
    file = ROOT / "tests" / "typed" / "public_api.py"
    done = subprocess.run(
        [sys.executable, "-m", "mypy", str(file)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.splitlines()[:-1]) == (0, [])

"""What holds cases and is no script of its own says which script tries them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SCRIPTS = ("picture_inputs.py", "text_audio_inputs.py")
PARTS = sorted(path.name for path in HERE.glob("*.py") if path.name not in (*SCRIPTS, Path(__file__).name))


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_run_alone_names_the_script_and_passes_for_nothing(part: str, tmp_path: Path):
    command = [sys.executable, HERE / part, "--out", tmp_path, "--run", "E-10"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("This file is no script. Run: python tests/cases/")
    assert any(script in line for script in SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_scripts_that_are_named_try_cases(script: str):
    done = subprocess.run([sys.executable, HERE / script, "--list"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 10

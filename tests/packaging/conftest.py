"""Distributions as a user gets them: built by uv from this tree, installed into environments of their own."""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def dist(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with sdist and wheel of the core and of the plugins."""
    folder = tmp_path_factory.mktemp("dist")
    build = [uv, "build", "--all-packages", "--quiet", "--out-dir", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def core_alone(uv: str, dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the core's wheel and what it requires, in the pinned versions; its `bin` folder."""
    folder = tmp_path_factory.mktemp("alone")
    pins = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["uv"]["constraint-dependencies"]
    (folder / "pins.txt").write_text("\n".join(pins))
    wheel = next(dist.glob("tlzoo-*.whl"))
    install = [uv, "pip", "install", "--quiet", "--python", "env", "--constraints", "pins.txt", str(wheel)]
    for command in ([uv, "venv", "--quiet", "env"], install):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return folder / "env" / ("Scripts" if os.name == "nt" else "bin")

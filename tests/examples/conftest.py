"""Two environments as users have them, one that trains and one that only predicts, with the example plugin in both."""

from __future__ import annotations

import os
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "examples" / "tlzoo-timeseries"


@dataclass(frozen=True)
class Environment:
    """A Python environment of its own; `folder` is where its commands run, away from this tree."""

    folder: Path

    def run(self, *arguments: str | Path, seconds: int = 120) -> subprocess.CompletedProcess[str]:
        """Run a program of it, in the pinned versions."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("TLZOO_", "PYTHON", "VIRTUAL_ENV"))}
        given = {
            "TLZOO_CONFIG": str(self.folder / "config"),
            "UV_CONSTRAINT": str(self.folder / "pins.txt"),
            "UV_BUILD_CONSTRAINT": str(self.folder / "build-pins.txt"),
        }
        bin = self.folder / "env" / ("Scripts" if os.name == "nt" else "bin")
        command = [str(bin / arguments[0]), *map(str, arguments[1:])]
        return subprocess.run(
            command, cwd=self.folder, env=kept | given, capture_output=True, text=True, timeout=seconds
        )

    def ran(self, *arguments: str | Path, seconds: int = 120) -> str:
        """Run a program of it that must succeed; its standard output."""
        done = self.run(*arguments, seconds=seconds)
        assert done.returncode == 0, done.stderr
        return done.stdout


def called(*command: str | Path, cwd: Path) -> None:
    """Run what must succeed."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def core_wheel(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The core as a user gets it."""
    folder = tmp_path_factory.mktemp("core")
    called(uv, "build", "--package", "tlzoo", "--wheel", "--quiet", "--out-dir", folder, cwd=ROOT)
    return next(folder.glob("*.whl"))


def fresh(uv: str, core_wheel: Path, folder: Path) -> Environment:
    """An environment with the core alone."""
    pins = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["uv"]
    (folder / "pins.txt").write_text("\n".join(pins["constraint-dependencies"]))
    (folder / "build-pins.txt").write_text("\n".join(pins["build-constraint-dependencies"]))
    called(uv, "venv", "--quiet", "env", cwd=folder)
    called(uv, "pip", "install", "--quiet", "--python", "env", "--constraints", "pins.txt", core_wheel, cwd=folder)
    return Environment(folder)


@pytest.fixture(scope="module")
def trainer(uv: str, core_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The core, and the plugin with what its tests and training take, installed by tlzoo."""
    made = fresh(uv, core_wheel, tmp_path_factory.mktemp("trainer"))
    made.ran("tlzoo", "plugins", "install", f"{PLUGIN}[test]", seconds=600)
    return made


@pytest.fixture(scope="module")
def predictor(uv: str, core_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The core and the plugin, without torch."""
    made = fresh(uv, core_wheel, tmp_path_factory.mktemp("predictor"))
    made.ran("tlzoo", "plugins", "install", str(PLUGIN))
    return made

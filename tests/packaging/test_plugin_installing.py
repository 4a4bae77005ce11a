"""`tlzoo plugins install` for real: a new project's folder with pip, a git URL with uv; then the whole check."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.metadata import Metadata

from tlzoo.plugins.authoring.creation import create

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.release
KEPT = {k: v for k, v in os.environ.items() if not k.startswith(("TLZOO_", "PYTHON", "VIRTUAL_ENV"))}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new plugin with a modality of its own."""
    return create("tides", "tides", tmp_path_factory.mktemp("new") / "tlzoo-tides", "Ada Lovelace").path


def run(python: Path, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """`tlzoo` of an environment, away from this tree."""
    code = "import sys; from tlzoo.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [str(python), "-P", "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=KEPT, capture_output=True, text=True, timeout=1800)


def listed(python: Path, folder: Path) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(run(python, folder, "plugins", "list", "--json").stdout)}


def test_a_new_plugin_builds_and_its_distributions_are_valid(project: Path, uv: str, tmp_path: Path):
    subprocess.run([uv, "build", "--quiet", "--out-dir", tmp_path], cwd=project, check=True)
    path = next(tmp_path.glob("*.whl"))
    with zipfile.ZipFile(path) as wheel:
        members = set(wheel.namelist())
        text = wheel.read("tlzoo_tides-0.1.0.dist-info/METADATA")
    metadata = Metadata.from_email(text, validate=True)
    assert (metadata.name, metadata.license_expression, metadata.license_files) == (
        "tlzoo-tides",
        "Apache-2.0",
        ["LICENSE"],
    )
    assert metadata.description
    assert {f"tlzoo_tides/{file}" for file in ("registry.json", "weights.safetensors", "preprocess.py")} < members
    checked = run(Path(sys.executable), tmp_path, "plugins", "check", str(path))
    assert checked.returncode == 0, checked.stderr


def test_a_new_plugin_is_installed_by_pip_and_passes_its_check_as_it_is(project: Path, tmp_path: Path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "env"], cwd=tmp_path, check=True)
    python = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    site = next((tmp_path / "env").glob("[Ll]ib/**/site-packages"))
    there = [str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))]  # what it requires, and pip
    (site / "this-environment.pth").write_text("\n".join(there) + "\n")
    installed = run(python, tmp_path, "plugins", "install", project)
    assert installed.returncode == 0, installed.stderr
    assert installed.stderr.strip().splitlines()[-1] == "Installed plugin 'tides' (tlzoo-tides 0.1.0)."
    checked = run(python, tmp_path, "plugins", "check", "tides", "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    document = json.loads(checked.stdout)
    assert document["passed"]
    assert {row["stage"] for row in document["checks"]} == {"static", "import", "conformance"}


@pytest.mark.needs("git")
def test_a_plugin_is_installed_by_uv_from_a_tag_in_git_beside_the_core_alone(
    project: Path, core_alone: Path, tmp_path: Path
):
    repository = tmp_path / "repository"
    shutil.copytree(project, repository)
    git = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "First"], ["tag", "v0.1.0"]):
        subprocess.run([*git, *command], cwd=repository, check=True)
    python = core_alone / "python"
    url = f"git+{repository.as_uri()}@v0.1.0"
    installed = run(python, tmp_path, "plugins", "install", url, "--upgrade")
    assert installed.returncode == 0, installed.stderr
    assert listed(python, tmp_path)["tides"]["status"] == "ok"
    pulled = run(python, tmp_path, "pull", "tides/small")
    assert pulled.returncode == 0, pulled.stderr
    removed = run(python, tmp_path, "plugins", "uninstall", "tides")
    assert removed.returncode == 0, removed.stderr
    assert "numpy" in removed.stderr.strip().splitlines()[-1]
    assert "tides" not in listed(python, tmp_path)

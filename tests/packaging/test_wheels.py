"""What is inside the distributions, and that the core alone looks up, lists plugins and predicts."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.release
HEAVY = ("torch", "torchvision", "timm", "transformers", "sklearn", "onnx", "onnxscript", "tlzoo_vision")


def wheel_members(dist: Path, name: str) -> set[str]:
    with zipfile.ZipFile(next(dist.glob(f"{name}-*.whl"))) as wheel:
        return set(wheel.namelist())


def run(bin: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of an environment as a user would, away from this tree."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TLZOO_", "PYTHON", "VIRTUAL_ENV"))}
    command = [str(bin / arguments[0]), *arguments[1:]]
    return subprocess.run(command, cwd=bin.parent, env=kept | environment, capture_output=True, text=True, timeout=120)


def ran(bin: Path, *arguments: str, **environment: str) -> str:
    done = run(bin, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_four_distributions_are_built_each_as_sdist_and_wheel(dist: Path):
    names = ["tlzoo", "tlzoo_nlp", "tlzoo_speech", "tlzoo_vision"]
    built = sorted(path.name for path in dist.iterdir() if path.suffix in (".whl", ".gz"))
    expected = [f"{name}-0.1.0{end}" for name in names for end in ("-py3-none-any.whl", ".tar.gz")]
    assert sorted(expected) == built


def test_the_core_wheel_holds_the_registry_the_type_marker_and_the_package_only(dist: Path):
    members = wheel_members(dist, "tlzoo")
    assert {"tlzoo/registry.json", "tlzoo/py.typed", "tlzoo/demo/espeak.json"} <= members
    assert {"tlzoo", "tlzoo-0.1.0.dist-info"} == {member.split("/")[0] for member in members}
    every = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tlzoo").rglob("*") if path.is_file()}
    assert {name for name in every - members if "__pycache__" not in name} == set()


@pytest.mark.parametrize("name", ["nlp", "speech", "vision"])
def test_a_plugin_wheel_holds_its_package_and_entry_point_only(dist: Path, name: str):
    members = wheel_members(dist, f"tlzoo_{name}")
    info = f"tlzoo_{name}-0.1.0.dist-info"
    assert {f"tlzoo_{name}", info} == {member.split("/")[0] for member in members}
    with zipfile.ZipFile(next(dist.glob(f"tlzoo_{name}-*.whl"))) as wheel:
        assert f"{name} = tlzoo_{name}.plugin" in wheel.read(f"{info}/entry_points.txt").decode()
        assert f"{info}/licenses/LICENSE" in members


def test_the_sdist_holds_what_the_wheel_is_built_from(dist: Path):
    with tarfile.open(dist / "tlzoo-0.1.0.tar.gz") as sdist:
        members = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"registry.json", "LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "tlzoo/py.typed"} <= members
    assert not [member for member in members if member.startswith(("tests", "plugins", "tools", "benchmarks"))]


def test_the_core_alone_brings_neither_torch_nor_a_plugin(core_alone: Path):
    code = f"from importlib.util import find_spec; print([name for name in {HEAVY} if find_spec(name)])"
    assert ran(core_alone, "python", "-c", code).strip() == "[]"


NEEDS_TORCH = ("default_head", "meta_device", "read_state", "finetune('a', 'b', out='c')")


@pytest.mark.parametrize("code", [*NEEDS_TORCH, "adapt('a', 'b', out='c')"])
def test_the_core_alone_says_what_training_needs(core_alone: Path, code: str):
    done = run(core_alone, "python", "-c", f"import tlzoo; tlzoo.{code}")
    assert done.returncode != 0
    assert "PluginError: Training needs torch" in done.stderr


def test_an_import_that_fails_in_the_core_alone_is_told_as_what_training_needs(core_alone: Path):
    code = "import torch" + "\nexcept ImportError as cause: raise missing_extra(cause)"
    done = run(core_alone, "python", "-c", f"from tlzoo.io.extras import missing_extra\ntry: {code}")
    assert "PluginError: Training needs torch" in done.stderr


def test_the_core_alone_looks_up_checkpoints(core_alone: Path):
    assert "predict" in ran(core_alone, "tlzoo", "--help")
    shown = json.loads(ran(core_alone, "tlzoo", "models", "show", "vision/efficientnet-lite0", "--json"))
    assert shown["id"] == "vision/efficientnet-lite0"
    listed = json.loads(ran(core_alone, "tlzoo", "models", "--json"))
    shipped = json.loads((ROOT / "registry.json").read_text("utf-8"))
    assert [entry["id"] for entry in shipped["checkpoints"]] == sorted(row["id"] for row in listed)
    assert "efficientnet-lite0" in ran(core_alone, "tlzoo", "models", "show", "vision/efficientnet-lite0")


def test_the_core_alone_lists_no_plugins_and_says_which_to_install(core_alone: Path, tmp_path: Path):
    assert json.loads(ran(core_alone, "tlzoo", "plugins", "list", "--json")) == []
    for label in ("a", "b"):
        (tmp_path / "data" / label).mkdir(parents=True)
        (tmp_path / "data" / label / "1.png").write_bytes(b"")
    data, out = str(tmp_path / "data"), str(tmp_path / "run")
    done = run(core_alone, "tlzoo", "finetune", "vision/efficientnet-lite0", data, "--out", out)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "tlzoo-vision" in done.stderr


@pytest.mark.parametrize("modality", ["picture", "text", "recording"])
def test_the_core_alone_predicts_what_the_trained_model_says(
    core_alone: Path, modality: str, request: pytest.FixtureRequest
):
    run_, exported = (request.getfixturevalue(f"{modality}_{made}") for made in ("run", "file"))
    heldout = run_.heldout()
    inputs = [str(item) for item in heldout.inputs]
    predicted = json.loads(ran(core_alone, "tlzoo", "predict", str(exported.path), *inputs, "--json"))["predictions"]
    right = sum(row["label"] == label for row, label in zip(predicted, heldout.targets, strict=True)) / len(inputs)
    assert right == pytest.approx(run_.metrics["accuracy"])
    assert all(sum(row["scores"].values()) == pytest.approx(1, abs=1e-4) for row in predicted)


def test_the_core_alone_evaluates_with_the_extra_only(core_alone: Path, picture_file: Any, pictures: Path):
    done = run(core_alone, "tlzoo", "evaluate", str(picture_file.path), str(pictures))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr

"""`tlzoo plugins new`: what it writes is whole, well formed, and works as it is; what cannot be is refused."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tlzoo import plugin
from tlzoo.cli import main
from tlzoo.errors import UsageError
from tlzoo.plugins import hookspecs
from tlzoo.plugins.authoring.creation import create
from tlzoo.plugins.authoring.staging import stage
from tlzoo.plugins.authoring.trial import try_import
from tlzoo.registry import load

MODALITIES = ("image", "text", "audio", "tides")


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One project for each modality, one of them of its own; not to be changed."""
    folder = tmp_path_factory.mktemp("projects")
    return {m: create(f"my-{m}", m, folder / m, "Ada Lovelace <ada@example.org>").path for m in MODALITIES}


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_new_plugin_passes_every_check_but_the_suite_as_it_is(
    projects: dict[str, Path], modality: str, tmp_path: Path
):
    distribution, folders = stage(projects[modality], tmp_path)
    checks = list(try_import(f"my-{modality}", distribution.name, 60, folders))
    assert [done for done in checks if not done.passed] == []
    assert {done.stage for done in checks} == {"static", "import"}


@pytest.mark.parametrize("modality", MODALITIES)
def test_its_code_is_well_formed_and_no_placeholder_is_left(projects: dict[str, Path], modality: str):
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "."],
            cwd=projects[modality],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    texts = [path for path in projects[modality].rglob("*") if path.is_file() and path.suffix != ".safetensors"]
    assert not [path for path in texts if path.name != "tokenizer.json" and "§" in path.read_text("utf-8")]


def stubs(module: str) -> dict[str, ast.FunctionDef]:
    """The functions in a module's comments, once these are code."""
    blocks = re.findall(r"^# @hookimpl\n(?:#.*\n)+", module, flags=re.MULTILINE)
    code = "\n".join(re.sub(r"^# ?", "", block, flags=re.MULTILINE) for block in blocks)
    return {node.name: node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("modality", ["image", "tides"])
def test_every_other_hook_is_there_as_a_comment_of_its_signature(projects: dict[str, Path], modality: str):
    module = (projects[modality] / f"tlzoo_my_{modality}" / "plugin.py").read_text("utf-8")
    written = {node.name for node in ast.parse(module).body if isinstance(node, ast.FunctionDef)}
    shown = stubs(module)
    specified = {name: inspect.signature(hook) for name, hook in vars(hookspecs).items() if hasattr(hook, "tlzoo_spec")}
    assert written.isdisjoint(shown)
    assert written | set(shown) == set(specified)
    for name, stub in shown.items():
        said = {argument.arg: ast.unparse(argument.annotation or ast.Pass()) for argument in stub.args.args}
        assert said == {each.name: each.annotation for each in specified[name].parameters.values()}
        assert ast.unparse(stub.returns or ast.Pass()) == specified[name].return_annotation
        assert len(stub.body) > 1
        assert ast.get_docstring(stub)


@pytest.mark.parametrize("modality", ["image", "tides"])
def test_what_the_comments_name_is_in_the_public_module(projects: dict[str, Path], modality: str):
    module = (projects[modality] / f"tlzoo_my_{modality}" / "plugin.py").read_text("utf-8")
    named = {node.id for stub in stubs(module).values() for node in ast.walk(stub) if isinstance(node, ast.Name)}
    elsewhere = {"Any", "Callable", "Iterable", "Mapping", "Path", "Sequence", "np"}
    types = {name for name in named if name[0].isupper() and not name.isupper()} - elsewhere
    assert {name for name in types if name not in plugin.__all__} == {"Preprocessor", "Ratings"} & types


@pytest.mark.parametrize("modality", MODALITIES)
def test_its_weights_are_small_and_pinned(projects: dict[str, Path], modality: str):
    package = projects[modality] / f"tlzoo_my_{modality}"
    (checkpoint,) = load(package / "registry.json")
    assert checkpoint.id == f"my-{modality}/small"
    assert checkpoint.modality == modality
    assert checkpoint.parameters == sum(stage.parameters for stage in checkpoint.stages)
    for file in checkpoint.source.files:  # type: ignore[union-attr]
        content = (package / file.path).read_bytes()
        assert (file.sha256, file.size) == (hashlib.sha256(content).hexdigest(), len(content))
        assert len(content) < 20_000


def test_the_same_plugin_is_written_twice_alike(projects: dict[str, Path], tmp_path: Path):
    again = create("my-image", "image", tmp_path / "again", "Ada Lovelace <ada@example.org>").path
    files = {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()}
    first = {p.relative_to(projects["image"]): p.read_bytes() for p in projects["image"].rglob("*") if p.is_file()}
    assert first == files
    names = {str(path) for path in files}
    assert {
        ".gitignore",
        ".github/workflows/ci.yml",
        ".github/workflows/publish.yml",
        "LICENSE",
        "CHANGELOG.md",
    } < names


def test_its_script_pins_trained_weights(tmp_path: Path):
    import numpy as np
    from safetensors.numpy import save_file

    project = create("tides", "image", tmp_path / "tides").path
    state = {"stem.0.weight": np.ones((2, 3), np.float32), "body.bn.running_mean": np.ones(9, np.float32)}
    save_file(state, tmp_path / "trained.safetensors")
    subprocess.run([sys.executable, "tools/make_weights.py", tmp_path / "trained.safetensors"], cwd=project, check=True)
    (checkpoint,) = load(project / "tlzoo_tides" / "registry.json")
    assert checkpoint.parameters == 6
    (file,) = checkpoint.source.files  # type: ignore[union-attr]
    assert file.sha256 == hashlib.sha256((tmp_path / "trained.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "name",
    ["vision", "tlzoo-x", "X", "1x", "a b", "a--b", "-a", "a/b", "../a", "image", "logits", "a" * 41, "ä", "", "a\n"],
)
def test_a_name_that_cannot_be_is_refused(name: str, tmp_path: Path):
    with pytest.raises(UsageError, match=r"name|plugin"):
        create(name, "image", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_an_installed_plugin_s_name_is_refused(ship: Callable[..., Path], tmp_path: Path):
    ship("tides")
    with pytest.raises(UsageError, match=r"taken by tlzoo-tides 1\.2"):
        create("tides", "image", tmp_path / "out")


@pytest.mark.parametrize("modality", ["Image", "a-b", "logits", "1d", "", "x" * 40])
def test_a_modality_that_cannot_be_is_refused(modality: str, tmp_path: Path):
    with pytest.raises(UsageError, match="modality"):
        create("tides", modality, tmp_path / "out")


@pytest.mark.parametrize("author", ["<", "Ada <ada>", "Ada\nLovelace", "Ada <a@b> x"])
def test_an_author_that_cannot_be_is_refused(author: str, tmp_path: Path):
    with pytest.raises(UsageError, match="author"):
        create("tides", "image", tmp_path / "out", author)


@pytest.mark.parametrize("author", ["", 'Ada "the first" \\ Lovelace', "<ada@example.org>", "Søren Å"])
def test_any_other_author_stands_in_the_project(author: str, tmp_path: Path):
    project = create("tides", "image", tmp_path / "out", author).path
    authors = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]["authors"]
    assert [given.get("name") or f"<{given['email']}>" for given in authors] == ([author] if author else [])


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: path.symlink_to("nowhere")])
def test_what_is_there_is_left_alone(make: Callable[[Path], None], tmp_path: Path):
    make(tmp_path / "out")
    with pytest.raises(UsageError, match="exists"):
        create("tides", "image", tmp_path / "out")


def test_the_command_says_what_to_type_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main(["plugins", "new", "tides", "--modality", "audio", "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (document["name"], document["distribution"]) == ("tides", "tlzoo-tides")
    assert document["path"] == str(tmp_path / "tlzoo-tides")
    assert document["next"][:2] == ["tlzoo plugins install './tlzoo-tides[test]'", "tlzoo plugins check tides"]
    assert main(["plugins", "check", "./tlzoo-tides"]) == 0


@pytest.mark.release
def test_the_unit_tests_of_all_pass(projects: dict[str, Path], tmp_path: Path):
    for modality, project in projects.items():
        info = tmp_path / f"tlzoo_my_{modality}-0.1.0.dist-info"
        info.mkdir()
        groups = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
        lines = [f"[{group}]\n" + "\n".join(f"{k} = {v}" for k, v in table.items()) for group, table in groups.items()]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: tlzoo-my-{modality}\nVersion: 0.1.0\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TLZOO_")}
    paths = os.pathsep.join(map(str, [tmp_path, *projects.values()]))
    tests = [projects["tides"] / "tests" / "test_preprocess.py"]
    tests += [project / "tests" / "test_backbone.py" for project in projects.values()]
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", f"--rootdir={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *map(str, tests)],
        cwd=tmp_path,
        env=kept | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "22 passed" in done.stdout

"""The direction of imports, as pyproject.toml lays it down: without exception, and without a circle."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import grimp
import networkx
import pytest

ROOT = Path(__file__).parents[1]
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"
PLUGINS = ("tlzoo_vision", "tlzoo_nlp", "tlzoo_speech")
PUBLIC = {"errors", "plugin", "testing"}
WITHOUT_TORCH = (
    "artifact/*.py",
    "data/*.py",
    "interfaces.py",
    "plugin.py",
    "preprocess/*.py",
    "runs/record.py",
    "runtime/*.py",
    "tasks/*/task.py",
    "workflows/evaluate.py",
    "workflows/verify.py",
)
HEAVY = ("torch", "timm", "transformers", "onnx", "safetensors", "sklearn", "scipy")
IMPORT_WITHOUT = """
import importlib, sys
for name in {heavy}:
    sys.modules[name] = None
for module in {modules}:
    importlib.import_module(module)
"""


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: dict[str, Any] = document["tool"]["importlinter"]
    return found


def test_every_import_goes_the_way_that_the_contracts_say():
    done = subprocess.run([sys.executable, "-c", LINT, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_import_is_excepted(settings: dict[str, Any]):
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert "ignore_imports" not in text
    assert not settings.get("exclude_type_checking_imports")


def test_plugins_may_import_no_room_but_the_public_ones(settings: dict[str, Any]):
    [contract] = [one for one in settings["contracts"] if one["name"].startswith("Plugins import")]
    rooms = {
        path.stem for path in (ROOT / "tlzoo").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    rooms -= {"__init__", "__main__"}
    assert {name.removeprefix("tlzoo.") for name in contract["forbidden_modules"]} == rooms - PUBLIC


def test_there_is_no_circle_of_imports():
    graph = grimp.build_graph("tlzoo", *PLUGINS, cache_dir=None)
    imports = networkx.DiGraph()
    for module in graph.modules:
        imports.add_edges_from((module, imported) for imported in graph.find_modules_directly_imported_by(module))
    assert [circle for circle in networkx.strongly_connected_components(imports) if len(circle) > 1] == []


def test_no_folder_holds_more_modules_than_one_can_look_through():
    counts = Counter(path.parent for path in (ROOT / "tlzoo").rglob("*.py"))
    assert {str(folder): count for folder, count in counts.items() if count > 16} == {}


@pytest.mark.parametrize("pattern", WITHOUT_TORCH)
def test_what_predicts_and_what_describes_needs_no_torch(pattern: str):
    files = sorted(path.relative_to(ROOT).with_suffix("") for path in (ROOT / "tlzoo").glob(pattern))
    modules = [".".join(file.parts).removesuffix(".__init__") for file in files]
    assert modules
    code = IMPORT_WITHOUT.format(heavy=HEAVY, modules=modules)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_class_name_occurs_once():
    files = [file for place in ("tlzoo", "plugins") for file in (ROOT / place).rglob("*.py")]
    names = Counter(name for file in files for name in re.findall(r"^class (\w+)", file.read_text("utf-8"), re.M))
    assert len(names) > 200
    assert [name for name, times in names.items() if times > 1] == []

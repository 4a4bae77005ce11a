"""`tlzoo.plugin`: what plugins import, complete, and cheap until it is used."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tlzoo
from tlzoo import interfaces, plugin, plugins, testing

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", plugin.__all__)
def test_every_name_is_there_and_what_the_root_calls_so(name: str):
    value = getattr(plugin, name)
    assert value is getattr(tlzoo, name, value)


@pytest.mark.parametrize("module", [plugin, plugins, testing, tlzoo], ids=lambda module: module.__name__)
def test_every_name_is_listed_and_typed_as_it_is_imported(module: Any):
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    [typed] = [node for node in tree.body if isinstance(node, ast.If)]
    found = [(node.module, alias) for node in typed.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(alias.name for _, alias in found) == module.__all__ == dir(module)
    for home, alias in found:
        assert alias.asname == alias.name  # what strict type checkers take as public
        assert getattr(importlib.import_module(str(home)), alias.name) is getattr(module, alias.name)


def test_a_name_that_is_none_is_refused():
    with pytest.raises(ImportError, match="cannot import name 'Backbon'"):
        from tlzoo.plugin import Backbon  # type: ignore[attr-defined]  # noqa: F401


def test_a_hook_can_be_marked_where_there_is_neither_torch_nor_pydantic():
    code = "import sys; sys.modules['torch'] = sys.modules['pydantic'] = None; from tlzoo.plugin import hookimpl, Stage"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_hooks_are_given_is_what_the_interfaces_say(zoo: Any, picture_run: Any):
    model, data = picture_run.model(), picture_run.dataset(picture_run.splits().test)
    assert isinstance(model, interfaces.Model)
    assert isinstance(data, interfaces.Dataset)
    assert not isinstance(data, interfaces.Model)


@pytest.mark.parametrize("folder", ["plugins", "examples", "tlzoo/plugins/authoring/template"])
def test_plugins_import_nothing_that_moves(folder: str):
    public = ("tlzoo", "tlzoo.errors", "tlzoo.plugin", "tlzoo.testing")
    found = {
        (str(path), line)
        for path in (ROOT / folder).rglob("*.py*")
        if path.suffix in (".py", ".in") and (folder != "plugins" or "tests" not in path.parts)
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.lstrip().startswith(("from tlzoo.", "import tlzoo.")) and line.split()[1] not in public
    }
    assert found == set()

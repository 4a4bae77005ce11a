"""`tlzoo.plugin`: what plugins import, complete, and cheap until it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tlzoo
from tlzoo import interfaces, plugin

ROOT = Path(__file__).parents[1]


def test_the_list_of_names_is_complete():
    assert sorted(plugin.__all__) == sorted(name for names in plugin._NAMES.values() for name in names)
    assert dir(plugin) == plugin.__all__


@pytest.mark.parametrize("name", plugin.__all__)
def test_every_name_is_there_and_what_the_root_calls_so(name: str):
    value = getattr(plugin, name)
    assert value is getattr(tlzoo, name, value)


def test_every_name_is_typed_as_it_is_imported():
    tree = ast.parse(Path(str(plugin.__file__)).read_text(encoding="utf-8"))
    [typed] = [node for node in tree.body if isinstance(node, ast.If)]
    homes = {alias.name: node.module for node in typed.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert homes == {name: home for home, names in plugin._NAMES.items() for name in names}


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

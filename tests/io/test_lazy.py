"""Names that are imported when they are first used."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tlzoo.errors import PluginError
from tlzoo.io import extras
from tlzoo.io.lazy import lazy_names


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """A package with a module of two names and one that needs torch, as if that were not installed."""
    folder = tmp_path / "shelf_of_names"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "home.py").write_text("one, two = [1], [2]\n")
    (folder / "needs.py").write_text("raise ModuleNotFoundError('no', name='torch.nn')\n")
    (folder / "broken.py").write_text("import none_of_this_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("shelf_of_names")
    for name in [name for name in sys.modules if name.partition(".")[0] == "shelf_of_names"]:
        del sys.modules[name]


HOMES = {"shelf_of_names.home": "two one", "shelf_of_names": "home", "shelf_of_names.needs": "far"}


def test_a_name_comes_from_its_home_and_is_kept(shelf: Any):
    find, listed, public = lazy_names("shelf_of_names", HOMES)
    assert listed() == public == ["far", "home", "one", "two"]
    assert "shelf_of_names.home" not in sys.modules
    assert find("one") == [1]
    assert shelf.one is sys.modules["shelf_of_names.home"].one
    assert not hasattr(shelf, "two")


def test_a_name_of_the_module_itself_is_a_submodule(shelf: Any):
    find, _, _ = lazy_names("shelf_of_names", HOMES)
    assert find("home") is sys.modules["shelf_of_names.home"]


def test_another_name_is_no_attribute(shelf: Any):
    find, _, _ = lazy_names("shelf_of_names", HOMES)
    with pytest.raises(AttributeError, match=r"^module 'shelf_of_names' has no attribute 'three'$"):
        find("three")


def test_a_name_that_needs_an_extra_says_so(shelf: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "torch" else find_spec(name))
    find, _, _ = lazy_names("shelf_of_names", HOMES)
    with pytest.raises(PluginError, match=r"^Training needs torch, which are not installed"):
        find("far")


def test_a_module_that_is_missing_for_another_reason_is_itself(shelf: Any):
    find, _, _ = lazy_names("shelf_of_names", {"shelf_of_names.broken": "gone"})
    with pytest.raises(ModuleNotFoundError, match="none_of_this_name"):
        find("gone")

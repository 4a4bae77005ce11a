"""What distributions declare, read without importing them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tlzoo.io.entry_points import (
    DeclaredEntry,
    declared_entries,
    describe_plugin,
    is_enabled,
    normalize_name,
    package_folders,
)


def installed(site: Path, name: str, version: str, entries: str, metadata: str | None = None) -> None:
    """Metadata as an installer leaves it."""
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    whole = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" if metadata is None else metadata
    (folder / "METADATA").write_text(whole)
    (folder / "entry_points.txt").write_text(entries)


@pytest.fixture
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two folders to install into, the only ones on the path."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path / "one"), str(tmp_path / "two")])
    return tmp_path / "one", tmp_path / "two"


def test_entries_of_a_group_are_sorted_with_their_distribution(sites: tuple[Path, Path]):
    installed(sites[0], "zebra", "2.0", "[tlzoo]\nzeb = zebra.plugin : Plugin \n[other]\nno = no\n")
    installed(sites[1], "ant", "1.0", "[tlzoo]\nb = ant.b\na = ant.a\n")
    assert declared_entries("tlzoo") == [
        DeclaredEntry("ant", "1.0", "a", "ant.a"),
        DeclaredEntry("ant", "1.0", "b", "ant.b"),
        DeclaredEntry("zebra", "2.0", "zeb", "zebra.plugin : Plugin"),
    ]
    assert declared_entries("nobody") == []


def test_of_a_distribution_installed_twice_the_first_counts(sites: tuple[Path, Path]):
    installed(sites[0], "my_ant", "1.0", "[tlzoo]\na = first\n")
    installed(sites[1], "My-Ant", "2.0", "[tlzoo]\na = second\n")
    assert declared_entries("tlzoo") == [DeclaredEntry("my_ant", "1.0", "a", "first")]


def test_a_first_one_without_entries_of_the_group_hides_none(sites: tuple[Path, Path]):
    installed(sites[0], "ant", "1.0", "[other]\na = first\n")
    installed(sites[1], "ant", "2.0", "[tlzoo]\na = second\n")
    assert declared_entries("tlzoo") == [DeclaredEntry("ant", "2.0", "a", "second")]


def test_damaged_metadata_does_not_take_the_others_along(sites: tuple[Path, Path]):
    installed(sites[0], "broken", "1.0", "no group\n")
    installed(sites[0], "nameless", "1.0", "[tlzoo]\nn = n\n", metadata="Version: 1.0\n")
    installed(sites[1], "ant", "1.0", "[tlzoo]\na = ant\n")
    assert declared_entries("tlzoo") == [DeclaredEntry("ant", "1.0", "a", "ant")]


def test_what_is_installed_meanwhile_is_seen(sites: tuple[Path, Path]):
    assert declared_entries("tlzoo") == []
    installed(sites[0], "ant", "1.0", "[tlzoo]\na = ant\n")
    os.utime(sites[0], (1, 1))  # a clock may be too coarse to tell
    assert [entry.name for entry in declared_entries("tlzoo")] == ["a"]
    sys.path.append(str(sites[0] / "none"))
    assert [entry.name for entry in declared_entries("tlzoo")] == ["a"]


def test_a_plugin_is_named_with_its_distribution(sites: tuple[Path, Path]):
    installed(sites[0], "ant", "1.0", "[tlzoo]\na = ant\nb = ant\n")
    assert describe_plugin("b") == "plugin 'b' (ant 1.0)"
    assert describe_plugin("c") == "plugin 'c'"


@pytest.mark.parametrize(
    ("name", "normal"), [("My_Ant.Hill", "my-ant-hill"), ("a-_.b", "a-b"), ("plain", "plain"), ("A", "a")]
)
def test_names_are_compared_as_indexes_do(name: str, normal: str):
    assert normalize_name(name) == normal


def test_a_package_is_found_without_an_import(sites: tuple[Path, Path]):
    (sites[1] / "anthill").mkdir()
    (sites[1] / "anthill" / "__init__.py").write_text("raise AssertionError\n")
    (sites[1] / "alone.py").write_text("")
    assert package_folders("anthill") == [sites[1] / "anthill"]
    assert package_folders(" anthill.deep.er ") == [sites[1] / "anthill" / "deep" / "er"]
    assert "anthill" not in sys.modules
    for none in ("alone", "nowhere", "", "."):
        assert package_folders(none) == []


@pytest.mark.parametrize(
    ("chosen", "enabled"), [(None, True), ("", False), ("a", True), ("b", False), ("b, a ", True), ("ab", False)]
)
def test_a_variable_chooses_plugins(chosen: str | None, enabled: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TLZOO_PLUGINS", raising=False)
    if chosen is not None:
        monkeypatch.setenv("TLZOO_PLUGINS", chosen)
    assert is_enabled("a") is enabled

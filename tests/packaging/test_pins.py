"""Versions are reproducible from what is committed: pyproject.toml pins all that uv may install for it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from tlzoo import registry

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["uv"]
PINS = [Requirement(pin) for pin in SETTINGS["constraint-dependencies"]]


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_everything_is_pinned_and_nothing_for_no_reason(uv: str):
    tool = [sys.executable, str(ROOT / "tools" / "constraints.py"), "--check"]
    done = subprocess.run(tool, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_requirement_of_the_project_is_pinned_exactly():
    pinned = {plain(pin.name) for pin in PINS}
    assert all([clause.operator for clause in pin.specifier] == ["=="] for pin in PINS)
    for file in (ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")):
        document = tomllib.loads(file.read_text("utf-8"))
        groups = [document["project"]["dependencies"], *document["project"].get("optional-dependencies", {}).values()]
        groups += document.get("dependency-groups", {}).values()
        wanted = {plain(Requirement(line).name) for group in groups for line in group}
        assert {name for name in wanted if not name.startswith("tlzoo")} <= pinned, file


def test_no_pin_and_no_setting_names_a_host():
    assert not {"index", "index-url", "extra-index-url", "find-links"} & set(SETTINGS)
    assert "://" not in "".join([*SETTINGS["constraint-dependencies"], *SETTINGS["build-constraint-dependencies"]])


def test_an_editable_installation_finds_the_registry_at_the_top_of_the_tree():
    shipped = json.loads((ROOT / "registry.json").read_text("utf-8"))["checkpoints"]
    assert {entry["id"] for entry in shipped} <= {checkpoint.id for checkpoint in registry.find()}

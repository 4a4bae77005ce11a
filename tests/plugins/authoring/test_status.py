"""`tlzoo plugins list`: every kind of plugin gets its row, none is imported, nothing makes it fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tlzoo import __version__, plugins
from tlzoo.errors import PluginError
from tlzoo.plugins import discovery
from tlzoo.plugins.authoring.status import status
from tlzoo.plugins.installer import requirements
from tlzoo.registry.schema import Checkpoint

Ship = Callable[..., Path]


def row(name: str) -> dict[str, Any]:
    found = [one for one in status() if one["name"] == name]
    assert len(found) == 1
    assert not {module for module in sys.modules if module.startswith(f"tlzoo_{name}")}
    return found[0]


def test_a_row_tells_checkpoints_prefixes_and_licence(ship: Ship, registry_text: Callable[..., str]):
    entries = """
        [tlzoo]
        tides = tlzoo_tides.plugin
        [tlzoo.registry]
        tides = tlzoo_tides:registry.json
        [tlzoo.prefixes]
        sea = tides
        [tlzoo.tasks]
        ebb = tides
        [tlzoo.formats]
        shell = tides
        coral = tides
        wreck = others
    """
    ship("tides", files={"registry.json": registry_text("tides/a")}, entries=entries.replace("        ", ""))
    assert row("tides") == {
        "name": "tides",
        "distribution": "tlzoo-tides",
        "version": "1.2",
        "module": "tlzoo_tides.plugin",
        "checkpoints": ["tides/a"],
        "prefixes": ["sea"],
        "adds": {"tasks": ["ebb"], "formats": ["coral", "shell"]},
        "license": "MIT",
        "status": "broken",
        "error": (
            "'wreck' in group 'tlzoo.formats' is of plugin 'others', which this distribution does not have; "
            "write wreck = 'tides'"
        ),
    }


@pytest.mark.parametrize("code", ["def broken(:", "raise SystemExit", "import torch"])
def test_what_only_importing_it_shows_is_not_told(ship: Ship, code: str):
    ship("tides", code)
    assert row("tides")["status"] == "ok"


@pytest.mark.parametrize(
    ("entries", "cause"),
    [
        ("[tlzoo]\ntides = tlzoo_tides.nowhere\n", "tlzoo_tides.nowhere"),
        ("[tlzoo]\ntides = nowhere\n", "nowhere"),
        ("[tlzoo]\ntides = tlzoo_tides.plugin\ntides = tlzoo_tides.other\n", "2 times"),
        ("[tlzoo]\ntides = tlzoo_tides.plugin\n[tlzoo.registry]\ntides = tlzoo_tides:nowhere.json\n", "nowhere.json"),
        ("[tlzoo]\ntides = tlzoo_tides.plugin\n[tlzoo.registry]\ntides = tlzoo_tides:../../x\n", "package:registry"),
        ("[tlzoo]\ntides = tlzoo_tides.plugin\n[tlzoo.registry]\ntides = tlzoo_tides:bad.json\n", "bad.json"),
        ("[tlzoo]\ntides = tlzoo_tides.plugin\n[tlzoo.registry]\ntides = tlzoo_tides:foreign.json\n", "vision/a"),
    ],
)
def test_what_the_entry_points_show_wrong_is_broken(
    ship: Ship, registry_text: Callable[..., str], entries: str, cause: str
):
    ship("tides", files={"bad.json": "{", "foreign.json": registry_text("vision/a")}, entries=entries)
    assert row("tides")["status"] == "broken"
    assert cause in row("tides")["error"]


def test_one_built_for_another_tlzoo_is_incompatible(ship: Ship):
    ship("tides", fields="Requires-Dist: tlzoo[train]>=9\n")
    assert row("tides")["status"] == "incompatible"
    for part in ("tlzoo[train]>=9", __version__, "tlzoo plugins install --upgrade tlzoo-tides"):
        assert part in row("tides")["error"]


@pytest.mark.parametrize("metadata", ["", "Version: 1.2\n", "Name: tlzoo-tides\n"])
def test_damaged_metadata_is_a_broken_row(ship: Ship, metadata: str):
    package = ship("tides")
    (package.parent / "tlzoo_tides-1.2.dist-info" / "METADATA").write_text(metadata)
    assert (row("tides")["status"], row("tides")["version"]) == ("broken", "1.2")
    assert "tlzoo_tides-1.2.dist-info" in row("tides")["error"]


def test_damaged_entry_points_are_a_broken_row(ship: Ship):
    ship("tides", entries="[tlzoo]\ntides = tlzoo_tides.plugin\nwhat is this\n")
    assert row("tides")["status"] == "broken"


@pytest.fixture
def hostile(ship: Ship, tmp_path: Path) -> Callable[..., Any]:
    """Runs `tlzoo` where every kind of broken plugin is installed, and a good one."""
    ship("wrong", "def broken(:")
    ship("torn", entries="[tlzoo]\nwhat is this\n")
    ship("void", entries="[tlzoo]\nvoid = \n")
    ship("killer", "import os; os._exit(3)", files={"registry.json": "[" * 100_000}, entries=KILLER)
    package = ship("binary")
    (package.parent / "tlzoo_binary-1.2.dist-info" / "METADATA").write_bytes(b"\xff\xfe\0Name")
    (package.parent / "tlzoo_binary-1.2.dist-info" / "entry_points.txt").write_bytes(b"[tlzoo]\nx = y\n\xff\n")
    ship("good")

    def run(*arguments: str, **environment: str) -> Any:
        code = f"from tlzoo.cli import main; raise SystemExit(main({list(arguments)!r}))"
        given = {**os.environ, **environment}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=given, cwd=tmp_path)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
        return json.loads(done.stdout), done.stderr

    return run


def test_the_command_exits_0_with_everything_broken_at_once(hostile: Callable[..., Any]):
    rows, said = hostile("plugins", "list", "--json", PYTHONWARNINGS="error")
    assert said == ""
    found = {one["distribution"]: one["status"] for one in rows}
    expected = dict.fromkeys(("tlzoo-void", "tlzoo-torn", "tlzoo-killer", "tlzoo-binary"), "broken")
    assert found.items() >= {**expected, "tlzoo-wrong": "ok", "tlzoo-good": "ok"}.items()


def test_the_registry_stays_usable_with_everything_broken_at_once(hostile: Callable[..., Any]):
    entries, said = hostile("models", "--json")
    assert {entry["plugin"] for entry in entries} >= {"vision", "nlp", "speech"}
    assert "plugin 'killer' is ignored" in said


KILLER = "[tlzoo]\nkiller = tlzoo_killer.plugin\n[tlzoo.registry]\nkiller = tlzoo_killer:registry.json\n"


def test_what_a_plugin_required_and_stays_is_known(ship: Ship):
    ship("tides", fields="Requires-Dist: tlzoo>=0.1\nRequires-Dist: Pluggy>=1\nRequires-Dist: not-there\n")
    assert requirements("tlzoo-tides") == ["pluggy"]


def test_who_takes_a_first_party_name_stops_nobody_but_himself(ship: Callable[..., Path]):
    ship("thief", entries="[tlzoo]\nvision = tlzoo_thief.plugin\n")
    rows = {row["distribution"]: row["status"] for row in status() if row["name"] == "vision"}
    assert rows == {"tlzoo-thief": "conflict", "tlzoo-vision": "ok"}
    assert plugins.find("vision").distribution == "tlzoo-vision"


def test_a_first_party_name_is_not_another_s_where_its_owner_is_not_installed(
    ship: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(discovery.FIRST_PARTY, "smell", "tlzoo-smell")
    ship("thief", entries="[tlzoo]\nsmell = tlzoo_thief.plugin\n")
    assert [(row["status"], "tlzoo-smell" in row["error"]) for row in status() if row["name"] == "smell"] == [
        ("conflict", True)
    ]
    with pytest.raises(PluginError, match=r"tlzoo-smell, but tlzoo-thief 1\.2"):
        plugins.import_plugin("smell")


def test_a_name_that_no_id_can_start_with_is_broken(ship: Callable[..., Path]):
    ship("odd", entries="[tlzoo]\nodd 4 = tlzoo_odd.plugin\n")
    assert [row["status"] for row in status() if row["distribution"] == "tlzoo-odd"] == ["broken"]


def test_a_large_registry_s_entries_are_parsed_once_and_not_at_every_listing(
    ship: Callable[..., Path], registry_text: Callable[..., str], monkeypatch: pytest.MonkeyPatch
):
    (entry,) = json.loads(registry_text("many/n"))["checkpoints"]
    text = json.dumps({"checkpoints": [entry | {"id": f"many/n{number:04}"} for number in range(4000)]})
    entries = "[tlzoo]\nmany = tlzoo_many.plugin\n[tlzoo.registry]\nmany = tlzoo_many:registry.json\n"
    ship("many", files={"registry.json": text}, entries=entries)
    status()
    parsed: list[object] = []
    monkeypatch.setattr(Checkpoint, "model_validate_json", lambda *_, **__: parsed.append(1) or pytest.fail("parsed"))
    assert [len(row["checkpoints"]) for row in status() if row["name"] == "many"] == [4000]
    assert parsed == []

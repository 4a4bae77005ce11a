"""What the plugin commands print, in this process."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tlzoo import plugins
from tlzoo.cli import main
from tlzoo.cli.plugins import checking
from tlzoo.errors import PluginError
from tlzoo.plugins.authoring.inspection import PluginCheck
from tlzoo.plugins.discovery import DamagedPlugin, InstalledPlugin
from tlzoo.progress import set_quiet

ONE = InstalledPlugin("cells", "tlzoo-cells", "1.0", "m")
OTHER = InstalledPlugin("cells", "my.cells", "2.0", "n")
MAPS = InstalledPlugin("maps", "Tlzoo_Maps", "1.0", "m")


@pytest.fixture(autouse=True)
def _spoken() -> None:
    """What is said is shown."""
    set_quiet(False)


@pytest.mark.parametrize(
    ("known", "what", "found"),
    [([ONE, MAPS], "cells", ONE), ([ONE, MAPS], "tlzoo-maps", MAPS), ([ONE, OTHER], "my-cells", OTHER)],
)
def test_a_plugin_is_named_by_itself_or_its_distribution(
    monkeypatch: pytest.MonkeyPatch, known: list[InstalledPlugin], what: str, found: InstalledPlugin
):
    monkeypatch.setattr(plugins, "declared_plugins", lambda: known)
    assert checking._installed(what) == found


@pytest.mark.parametrize(
    ("known", "damaged", "what", "message", "hint"),
    [
        (
            [ONE, OTHER],
            [],
            "cells",
            "'cells' is ambiguous: 'cells' of tlzoo-cells 1.0 and 'cells' of my.cells 2.0.",
            "Uninstall one: tlzoo plugins uninstall my.cells",
        ),
        (
            [],
            [DamagedPlugin("maps", "tlzoo-maps", "1.0", "/x", "torn")],
            "maps",
            "The metadata of tlzoo-maps 1.0 is damaged: torn.",
            "Remove /x and install it again.",
        ),
        (
            [ONE],
            [DamagedPlugin("maps", "tlzoo-maps", "1.0", "/x", "torn")],
            "tlzoo-maps",
            "The metadata of tlzoo-maps 1.0 is damaged: torn.",
            "Remove /x and install it again.",
        ),
        (
            [ONE, MAPS],
            [DamagedPlugin("a", "b", "1.0", "/x", "torn")],
            "zzz",
            "No plugin 'zzz' is installed.",
            "Installed: cells, maps. For a folder, type ./zzz",
        ),
        ([], [], "zzz", "No plugin 'zzz' is installed.", "Installed: none. For a folder, type ./zzz"),
    ],
)
def test_what_is_no_one_plugin_is_refused(
    monkeypatch: pytest.MonkeyPatch, known: Any, damaged: Any, what: str, message: str, hint: str
):
    monkeypatch.setattr(plugins, "declared_plugins", lambda: known)
    monkeypatch.setattr(plugins, "damaged_plugins", lambda: damaged)
    with pytest.raises(PluginError) as refused:
        checking._installed(what)
    assert (refused.value.message, refused.value.hint) == (message, hint)


def steps(*passed: tuple[str, bool]) -> Generator[PluginCheck]:
    for stage, right in passed:
        yield PluginCheck(stage, f"a {stage}", right, "" if right else "It is wrong.")


NAMED: Any = SimpleNamespace(name="tlzoo-cells", version="1.0")


@pytest.mark.parametrize("right", [True, False])
def test_each_check_is_printed_as_it_is_done(right: bool, capsys: pytest.CaptureFixture[str]):
    checks = steps(("metadata", True), ("import", right))
    document = checking._document("cells", NAMED, checks, False)
    last = "import\ta import\tpass\t" if right else "import\ta import\tFAIL\tIt is wrong."
    assert capsys.readouterr().out.splitlines() == [
        "stage\tcheck\tresult\tmessage",
        "metadata\ta metadata\tpass\t",
        last,
    ]
    assert {**document, "checks": len(document["checks"])} == {
        "name": "cells", "distribution": "tlzoo-cells", "version": "1.0", "passed": right, "checks": 2,
    }  # fmt: skip
    assert checking._document("cells", NAMED, steps(("metadata", right)), True)["passed"] == right
    assert capsys.readouterr().out == ""


def test_on_a_terminal_a_check_has_columns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    checking._document("cells", NAMED, steps(("metadata", True), ("import", False)), False)
    assert capsys.readouterr().out == (
        "metadata     pass    a metadata\nimport       FAIL    a import\n" + " " * 21 + "It is wrong.\n"
    )


def test_a_new_project_says_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["plugins", "new", "membranes", "--out", str(tmp_path / "one"), "--modality", "membrane"]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == f"Wrote {tmp_path / 'one'}. Next:"
    assert rest
    assert all(line.startswith("  ") for line in rest)
    assert main(["plugins", "new", "membranes", "--out", str(tmp_path / "two"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["path"], found["name"], found["distribution"]) == (
        str(tmp_path / "two"),
        "membranes",
        "tlzoo-membranes",
    )
    assert found["next"]

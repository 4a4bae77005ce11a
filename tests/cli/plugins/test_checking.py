"""What the plugin commands print, in this process."""

from __future__ import annotations

import json
from collections.abc import Generator
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tlzoo import plugins
from tlzoo.cli import main
from tlzoo.cli.plugins import checking, installing, listing
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


@pytest.mark.parametrize(
    ("importable", "stages"),
    [
        ([("metadata", False), ("import", True)], ["metadata", "import", "suite"]),
        ([("metadata", True), ("import", False), ("import", True)], ["metadata", "import", "import"]),
        ([], ["suite"]),
    ],
)
@pytest.mark.parametrize(("timeout", "limit"), [(60.0, 60.0), (600.0, 120.0)])
def test_the_suite_runs_where_the_plugin_can_be_imported(
    monkeypatch: pytest.MonkeyPatch, importable: Any, stages: list[str], timeout: float, limit: float
):
    limits: list[Any] = []

    def try_import(*given: Any) -> Generator[PluginCheck]:
        limits.append(given)
        yield from steps(*importable)

    def try_suite(*given: Any) -> Generator[PluginCheck]:
        limits.append(given)
        yield from steps(("suite", True))

    monkeypatch.setattr(checking.trial, "try_import", try_import)
    monkeypatch.setattr(checking.trial, "try_suite", try_suite)
    document = checking._check_installed("vision", timeout, True)
    assert [row["stage"] for row in document["checks"]] == stages
    assert limits[0] == ("vision", "tlzoo-vision", limit)
    assert limits[1:] == ([("vision", timeout)] if "suite" in stages else [])
    assert (document["name"], document["version"]) == ("vision", metadata.version("tlzoo-vision"))


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([True, True], ""),
        ([True, False], "Error: 'vision' fails 1 check, first 'a b': It is wrong.\n"),
        ([False, False], "Error: 'vision' fails 2 checks, first 'a a': It is wrong.\n"),
    ],
)
def test_a_check_that_fails_ends_the_command_with_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], results: list[bool], said: str
):
    checks = list(zip("ab", results, strict=True))
    monkeypatch.setattr(checking.trial, "try_import", lambda *given: steps(*checks))
    monkeypatch.setattr(checking.trial, "try_suite", lambda *given: steps())
    assert main(["plugins", "check", "vision", "--json"]) == (2 if said else 0)
    written = capsys.readouterr()
    assert written.err == said
    assert [row["passed"] for row in json.loads(written.out)["checks"]] == results
    assert main(["plugins", "check", "vision"]) == (2 if said else 0)
    assert capsys.readouterr().err.replace("Traceback", "") == said


@pytest.mark.parametrize("what", ["./folder", "a.whl", ".", "..", "a\\b"])
def test_a_path_is_checked_as_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: str):
    document = {"name": "cells", "checks": [{"passed": True}]}
    asked: list[Any] = []
    monkeypatch.setattr(checking, "_check_path", lambda *given: asked.append(given) or [document])
    assert main(["plugins", "check", what, "--timeout", "9"]) == 0
    assert asked == [(Path(what), 9.0, False)]
    said = f"To run its conformance suite: tlzoo plugins install {what} && tlzoo plugins check cells\n"
    assert capsys.readouterr().err == said
    monkeypatch.setattr(checking, "_check_path", lambda *given: [document, document])
    assert main(["plugins", "check", what, "--json"]) == 0
    written = capsys.readouterr()
    assert (json.loads(written.out), written.err) == ([document, document], "")


def row(name: str, **fields: Any) -> dict[str, Any]:
    plain = {"distribution": f"tlzoo-{name}", "version": "1.0", "checkpoints": ["a", "b"], "license": None}
    return {"name": name, **plain, "status": "ok", "error": None, **fields}


def test_the_list_counts_checkpoints_and_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(listing, "status", lambda: [row("cells"), row("maps", status="damaged", error="Torn.")])
    assert main(["plugins", "list"]) == 0
    written = capsys.readouterr()
    assert written.out.splitlines() == [
        "name\tdistribution\tversion\tcheckpoints\tlicense\tstatus",
        "cells\ttlzoo-cells\t1.0\t2\t\tok",
        "maps\ttlzoo-maps\t1.0\t2\t\tdamaged",
    ]
    assert written.err == "maps (tlzoo-maps 1.0) is damaged: Torn.\n"
    assert main(["plugins", "--json"]) == 0
    assert [each["checkpoints"] for each in json.loads(capsys.readouterr().out)] == [["a", "b"], ["a", "b"]]
    monkeypatch.setattr(listing, "status", list)
    assert main(["plugins"]) == 0
    assert capsys.readouterr().err == "No plugin is installed. Install one: tlzoo plugins install tlzoo-vision\n"


def test_what_was_installed_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    known, rows = [ONE], [row("cells"), row("maps", distribution="Tlzoo_Maps", status="broken", error="Torn.")]

    def install(specs: list[str], upgrade: bool) -> None:
        known.extend([MAPS] if upgrade else [])

    monkeypatch.setattr(plugins, "declared_plugins", lambda: list(known))
    monkeypatch.setattr(installing.installer, "install", install)
    monkeypatch.setattr(installing, "status", lambda: rows)
    assert main(["plugins", "install", "maps"]) == 0
    assert capsys.readouterr().err == "No plugin was added or changed. See: tlzoo plugins list\n"
    assert main(["plugins", "install", "maps", "--upgrade"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "Installed plugin 'maps' (Tlzoo_Maps 1.0).",
        "Warning: it is broken: Torn.",
    ]


@pytest.mark.parametrize(
    ("requires", "left"),
    [
        ({"tlzoo-cells": {"b", "a"}}, "Dependencies stay installed: a, b. Cached weights and runs are kept too."),
        ({"tlzoo-cells": {"tlzoo-maps"}}, ""),
        ({"tlzoo-cells": set(), "Tlzoo_Maps": {"x"}}, ""),
    ],
)
def test_what_stays_installed_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], requires: dict[str, set[str]], left: str
):
    monkeypatch.setattr(plugins, "declared_plugins", lambda: [ONE, MAPS])
    monkeypatch.setattr(installing.installer, "requirements", lambda name: requires[name])
    monkeypatch.setattr(installing.installer, "uninstall", lambda names: ["tlzoo-cells", "Tlzoo_Maps"])
    assert main(["plugins", "uninstall", "cells"]) == 0
    assert capsys.readouterr().err.splitlines() == ["Uninstalled tlzoo-cells, Tlzoo_Maps.", *filter(None, [left])]


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

"""`tlzoo plugins check`: each stage finds what is wrong, whatever the plugin does to the process it is run in."""

from __future__ import annotations

import json
import textwrap
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from tlzoo.cli import main
from tlzoo.plugins.authoring import child, trial
from tlzoo.plugins.authoring.description import describe
from tlzoo.plugins.authoring.inspection import examine

Ship = Callable[..., Path]


def check(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any], str]:
    """Exit code, the one document on stdout, and stderr."""
    capfd.readouterr()
    code = main(["plugins", "check", *map(str, arguments), "--json"])
    out, err = capfd.readouterr()
    return code, json.loads(out), err


def failing(document: dict[str, Any]) -> dict[str, str]:
    return {row["name"]: row["message"] for row in document["checks"] if not row["passed"]}


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("raise ValueError('no such luck')", "no such luck"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("import sys; sys.exit(0)", "SystemExit"),
        ("import os; os._exit(0)", "ended before the import did"),
        ("import os; os._exit(7)", "exit code 7"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("while True: print('x' * 65536)", "more than 8 MiB"),
        ("import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)", "not done after 3 s"),
        ("while True: pass", "not done after 3 s"),
    ],
    ids=["raises", "ends", "exits", "leaves", "leaves with 7", "crashes", "talks", "hangs", "spins"],
)
def test_an_import_that_goes_wrong_is_told_and_over_in_time(ship: Ship, code: str, cause: str):
    ship("tides", code)
    (found,) = [done for done in trial.try_import("tides", 3) if not done.passed]
    assert cause in found.message


@pytest.mark.parametrize("code", ["import torch", "try:\n    import torch.nn\nexcept ImportError:\n    pass"])
def test_an_import_of_torch_is_told_though_it_is_caught(ship: Ship, code: str):
    ship("tides", code)
    messages = [done.message for done in trial.try_import("tides", 20) if done.name == "without torch"]
    assert "torch" in messages[0]


def test_an_import_of_a_module_that_is_gone_is_named_with_where_to_import_from(ship: Ship):
    code = "def load(checkpoint):\n    from tlzoo.registry.sources import fetch\n    return fetch(checkpoint)"
    types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from tlzoo.parts import Output"
    fine = f"from tlzoo.registry.schema import Checkpoint\nimport tlzoo.errors\n{types}"
    ship("tides", fine, files={"weights.py": code})
    plugin = describe(metadata.distribution("tlzoo-tides"))
    [told] = [done.message for done in examine(plugin, "tides") if done.name == "imports of tlzoo"]
    assert "tlzoo.registry.sources, at tlzoo_tides/weights.py line 2" in told
    assert "tlzoo.plugin" in told


def test_endless_output_is_bounded_and_ends_the_process():
    ended = child.run(["python3", "-c", "while True: print('x' * 65536)"], 60, {})
    assert ended.fault == "it wrote more than 8 MiB"
    assert len(ended.out) < 9 << 20


def test_a_plugin_that_is_wrong_in_every_way_fails_each_check(ship: Ship, capfd: pytest.CaptureFixture[str]):
    code = "import torch\nimport tlzoo\n@tlzoo.hookimpl\ndef freze(model): ..."
    entries = "[tlzoo]\ntides = tlzoo_tides.plugin\n[tlzoo.conformance]\ntides = tlzoo_tides.nowhere:Suite\n"
    ship("tides", code, fields="Summary: none\n", entries=entries)
    status, document, err = check(capfd, "tides")
    assert (status, document["passed"]) == (2, False)
    wrong = failing(document)
    assert {"licence", "requirement", "hooks", "light import", "suite", "import", "without torch"} == set(wrong)
    assert 'license = "Apache-2.0"' in wrong["licence"]
    assert "tlzoo>=0.1,<0.2" in wrong["requirement"]
    assert "did you mean 'freeze'" in wrong["hooks"]
    assert "plugin.py line 1" in wrong["light import"]
    assert err.startswith("Error: 'tides' fails 7 checks, first 'licence'")


def test_a_suite_that_fails_is_told_row_by_row(ship: Ship, capfd: pytest.CaptureFixture[str]):
    suite = """
        from tlzoo.testing import PluginSuite

        class Suite(PluginSuite):
            plugin = "tides"
            checkpoint = "tides/none"
    """
    entries = "[tlzoo]\ntides = tlzoo_tides.plugin\n[tlzoo.conformance]\ntides = tlzoo_tides.suite:Suite\n"
    ship("tides", files={"suite.py": textwrap.dedent(suite)}, entries=entries)
    status, document, _ = check(capfd, "tlzoo_Tides")
    assert status == 2
    stages = [row["stage"] for row in document["checks"]]
    assert stages == sorted(stages, key=["static", "import", "conformance"].index)
    assert any("tides/none" in message for message in failing(document).values())


def test_a_suite_that_hangs_is_ended(ship: Ship):
    entries = "[tlzoo]\ntides = tlzoo_tides.plugin\n[tlzoo.conformance]\ntides = tlzoo_tides.suite:Suite\n"
    ship("tides", files={"suite.py": "import time; time.sleep(60)"}, entries=entries)
    (done,) = trial.try_suite("tides", 2)
    assert (done.passed, done.message) == (False, "it was not done after 2 s")


@pytest.mark.parametrize("what", ["nowhere", "tlzoo", "./nowhere", "nowhere.whl"])
def test_what_is_no_plugin_is_refused_in_one_line(what: str, capfd: pytest.CaptureFixture[str]):
    assert main(["plugins", "check", what]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n"), what.removeprefix("./") in err) == ("", 1, True)


PYPROJECT = """
[project]
name = "tlzoo-tides"
version = "0.1"
license = "MIT"
dependencies = ["tlzoo[train]>=0.1,<0.2"]
[project.entry-points.tlzoo]
tides = "tlzoo_tides.plugin"
"""


@pytest.mark.parametrize("source", ["", "src"])
def test_a_project_is_checked_statically_and_not_run(tmp_path: Path, source: str, capfd: pytest.CaptureFixture[str]):
    package = tmp_path / source / "tlzoo_tides"
    package.mkdir(parents=True)
    (package / "plugin.py").write_text("raise SystemExit('run')\n")
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "LICENSE").write_text("MIT")
    status, document, err = check(capfd, tmp_path)
    assert (status, failing(document), {row["stage"] for row in document["checks"]}) == (0, {}, {"static"})
    assert err == ""


def wheel(folder: Path, extra: str = "", plugin: str = "raise SystemExit") -> Path:
    info = "tlzoo_tides-0.1.dist-info"
    path = folder / "tlzoo_tides-0.1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("tlzoo_tides/plugin.py", plugin)
        file.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.4\nName: tlzoo-tides\nVersion: 0.1\nRequires-Dist: tlzoo\n"
        )
        file.writestr(f"{info}/entry_points.txt", "[tlzoo]\ntides = tlzoo_tides.plugin\n")
        if extra:
            file.writestr(extra, "x")
    return path


def test_a_wheel_is_checked_statically(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    status, document, _ = check(capfd, wheel(tmp_path, plugin="import torch"))
    assert (status, set(failing(document))) == (2, {"licence", "light import"})


@pytest.mark.parametrize("member", ["../evil.py", "/evil.py", "a/../../evil.py", "a\\..\\evil.py"])
def test_a_wheel_whose_members_leave_it_is_refused_by_name(
    tmp_path: Path, member: str, capfd: pytest.CaptureFixture[str]
):
    assert main(["plugins", "check", str(wheel(tmp_path, member))]) == 2
    assert repr(member) in capfd.readouterr().err
    assert not list(tmp_path.parent.glob("evil.py"))


def test_a_file_that_is_no_wheel_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    (tmp_path / "x.whl").write_bytes(b"PK\3\4 torn")
    assert main(["plugins", "check", str(tmp_path / "x.whl")]) == 2
    assert "is not a whole wheel" in capfd.readouterr().err
